"""The devices that a recipe asks for."""

import jax
from imnn_core.errors import InputError


def choose(kind: str, n_devices: int | None = None, key: str = "devices") -> list[jax.Device]:
    """Devices of one kind.

    Args:
        kind: "cpu", "gpu", or "auto" for GPUs where there are any, else the CPU.
        n_devices: how many; all, if None.
        key: of the recipe, for an error.

    Raises:
        InputError: no GPU where one is asked for, or fewer devices than asked for.

    """
    if kind == "auto":
        kind = "gpu" if jax.default_backend() == "gpu" else "cpu"
    try:
        found = jax.devices(kind)
    except RuntimeError:
        raise InputError(
            f"{key}: expected a {kind.upper()}, found none that jax can use (it sees {jax.default_backend()}); "
            f"set `{key}: {'auto' if key == 'devices' else 'cpu'}`, or install jax for your GPU (README, 'On a GPU')"
        ) from None
    if n_devices is not None and n_devices > len(found):
        raise InputError(f"n_devices: expected at most {len(found)}, the {kind.upper()} devices here, found {n_devices}")
    return found[:n_devices]


def only_cpu() -> None:
    """Keep jax off any GPU, in a job that has not asked the scheduler for one; call it before jax computes."""
    jax.config.update("jax_platforms", "cpu")
