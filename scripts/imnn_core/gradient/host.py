"""Small sums in float64 on the host's CPU, whatever precision and device the networks run in."""

from collections.abc import Callable
from functools import partial

import jax
import numpy as np


def device() -> jax.Device:
    """The CPU."""
    return jax.devices("cpu")[0]


def in_float64(function: Callable) -> Callable:
    """The function in float64 on the host's CPU; it takes any arrays and returns those of numpy."""
    compiled = jax.jit(function)

    def call(*arguments):
        with jax.enable_x64(True), jax.default_device(device()):
            return jax.tree.map(
                np.asarray,
                compiled(*jax.tree.map(partial(np.asarray, dtype=np.float64), arguments)),
            )

    return call
