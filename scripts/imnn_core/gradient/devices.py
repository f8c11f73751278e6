"""The devices that a recipe asks for."""

import contextlib
from collections.abc import Iterator

import jax
from imnn_core.store import machine
from imnn_core.store.errors import InputError, in_a_line
from imnn_core.store.wording import shown


def choose(kind: str, n_devices: int | None = None) -> list[jax.Device]:
    """Devices of one kind.

    Args:
        kind: "cpu", "gpu", or "auto" for GPUs where there are any, else the CPU.
        n_devices: how many; all, if None.

    Raises:
        InputError: jax can use no device that the environment names, no GPU where one is asked
            for, or fewer devices than asked for.

    """
    try:
        default = jax.default_backend()
    except (RuntimeError, AssertionError) as error:  # the latter of one that it knows, but not here
        raise InputError(
            "JAX_PLATFORMS: expected what jax can use on this machine, such as cpu, found "
            f"{shown(jax.config.jax_platforms)} ({in_a_line(error)})"
        ) from None
    if kind == "auto":
        kind = "gpu" if default == "gpu" else "cpu"
    try:
        found = jax.devices(kind)
    except RuntimeError:
        raise InputError(
            f"devices: expected a {kind.upper()}, found none that jax can use (it sees "
            f"{default}); set `devices: auto`, or install jax for your GPU "
            "(docs/performance.md, 'On a GPU')"
        ) from None
    if n_devices is not None and n_devices > len(found):
        raise InputError(
            f"n_devices: expected at most {len(found)}, the {kind.upper()} devices here, found "
            f"{n_devices}"
        )
    return found[:n_devices]


def only_cpu() -> None:
    """Keep jax off any GPU, in a job that has not asked for one; call it before jax computes."""
    jax.config.update("jax_platforms", "cpu")


def use(kind: str, n_devices: int | None = None) -> list[jax.Device]:
    """As `choose`, and with "cpu" keep jax off any GPU; call it before jax computes."""
    if kind == "cpu":
        only_cpu()
    return choose(kind, n_devices)


def memory(device: jax.Device) -> int:
    """Bytes that sets of simulations may take on a device.

    Half of what is free on a GPU. On the CPU a quarter of what this machine has, or of what the job
    may have, since fits run side by side; not of what is free just now, which would make the
    results' bits depend on other jobs.
    """
    if device.platform == "cpu":
        return machine.memory() // 4
    statistics = device.memory_stats() or {}
    return (statistics.get("bytes_limit", 0) - statistics.get("bytes_in_use", 0)) // 2


@contextlib.contextmanager
def memory_for(n_per_device: int) -> Iterator[None]:
    """Turns an out-of-memory error of a device into one line.

    Raises:
        InputError: the block ran out of memory.

    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, MemoryError) as error:
        if isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise InputError(
            "n_per_device: expected so few simulations on a device at a time that its memory is "
            f"enough, found {n_per_device}; try {max(1, n_per_device // 2)}, or `data: streamed` "
            "if the sets themselves are too large "
            f"({str(error).partition(chr(10))[0] or 'MemoryError'})"
        ) from None
