"""The devices that a recipe asks for."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import jax
from imnn_core.store.errors import InputError


def choose(kind: str, n_devices: int | None = None) -> list[jax.Device]:
    """Devices of one kind.

    Args:
        kind: "cpu", "gpu", or "auto" for GPUs where there are any, else the CPU.
        n_devices: how many; all, if None.

    Raises:
        InputError: no GPU where one is asked for, or fewer devices than asked for.

    """
    if kind == "auto":
        kind = "gpu" if jax.default_backend() == "gpu" else "cpu"
    try:
        found = jax.devices(kind)
    except RuntimeError:
        raise InputError(
            f"devices: expected a {kind.upper()}, found none that jax can use (it sees "
            f"{jax.default_backend()}); set `devices: auto`, or install jax for your GPU "
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


def _limits_of_groups():
    """Memory limits in bytes of this process's control groups, such as those of a cluster's job."""
    try:
        own = [
            line.strip().split(":", 2)
            for line in Path("/proc/self/cgroup").read_text().splitlines()
        ]
    except OSError:
        return
    for _, controllers, path in own:
        if "memory" in controllers.split(",") or not controllers:
            root, name = ("memory", "memory.limit_in_bytes") if controllers else ("", "memory.max")
            folder = Path("/sys/fs/cgroup", root, path.lstrip("/"))
            for parent in (folder, *folder.parents):
                try:
                    yield int((parent / name).read_text())
                except (OSError, ValueError):  # no such file here, or "max"
                    continue


def memory(device: jax.Device) -> int:
    """Bytes that sets of simulations may take on a device.

    Half of what is free on a GPU. On the CPU a quarter of what this machine has, or of what the job
    may have, since fits run side by side; not of what is free just now, which would make the
    results' bits depend on other jobs.
    """
    if device.platform == "cpu":
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return min([machine, *_limits_of_groups()]) // 4
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
