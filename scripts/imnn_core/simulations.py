"""Simulations at theta_fid and their derivatives by theta, with one random key per simulation."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.errors import InputError
from imnn_core.problems import Problem

# What a seed is used for. Append only: a number that changes changes every result.
STREAMS = {"training": 0, "validation": 1, "test": 2, "weights": 3, "monte_carlo": 4, "augment": 5}
# Simulations drawn by one compiled call, at most, and bytes of them with their derivatives: whatever n_s is, so that n_s
# does not touch their bits.
PER_CALL, BYTES_PER_CALL = 1000, 2**25


class Simulations(NamedTuple):
    """One split of one seed.

    fiducial: simulations at theta_fid, (n_s, *input_shape).
    derivative: derivatives of the first n_d of them, (n_d, *input_shape, n_params), in d per theta.
    """

    fiducial: np.ndarray
    derivative: np.ndarray


def stream(seed: int, purpose: str) -> jax.Array:
    """The random key of one use of a seed: a split's simulations, or the initial weights."""
    return jax.random.fold_in(jax.random.key(seed), STREAMS[purpose])


def draw(problem: Problem, key: jax.Array, n_s: int, n_d: int) -> Iterator[Simulations]:
    """Draw a split, as many simulations at a time as PER_CALL and BYTES_PER_CALL allow.

    Simulation i has the key fold_in(key, i): a set of 2000 begins with the set of 1000.

    Args:
        problem: the simulator and its theta_fid.
        key: of this seed and split, see `stream`.
        n_s: simulations at theta_fid.
        n_d: how many of them, from the first on, have derivatives.

    Yields:
        Consecutive pieces of the split; those past n_d have no derivatives (0, *input_shape, n_params).

    Raises:
        InputError: the simulator returns another shape than the problem declares, or a value or
            derivative that is not finite.

    """
    theta = jnp.asarray(problem.theta_fid, dtype=jnp.result_type(float))

    def fiducial(index):
        return problem.simulator(jax.random.fold_in(key, index), theta)

    def derivative(index):
        return jax.jacfwd(lambda t: problem.simulator(jax.random.fold_in(key, index), t))(theta)

    found = jax.eval_shape(fiducial, 0).shape
    if found != problem.input_shape:
        raise InputError(f"problem {problem.name!r}: expected simulations of shape {problem.input_shape}, found {found}")
    draw_fiducial, draw_derivative = jax.jit(jax.vmap(fiducial)), jax.jit(jax.vmap(derivative))
    n_bytes = math.prod(problem.input_shape) * (1 + len(problem.names)) * theta.dtype.itemsize
    per_call = max(1, min(PER_CALL, BYTES_PER_CALL // n_bytes))
    for start in range(0, n_s, per_call):
        indices = np.arange(start, start + per_call)
        d = np.asarray(draw_fiducial(indices))[: n_s - start]
        shape = (0, *problem.input_shape, len(problem.names))
        dd = np.asarray(draw_derivative(indices))[: n_d - start] if start < n_d else np.empty(shape, d.dtype)
        for what, array in (("simulation", d), ("derivative", dd)):
            bad = np.flatnonzero(~np.isfinite(array).all(axis=tuple(range(1, array.ndim))))
            if bad.size:
                raise InputError(
                    f"problem {problem.name!r}: expected finite numbers at theta_fid = {problem.theta_fid.tolist()}, found "
                    f"NaN or infinity in the {what} of index {start + bad[0]} ({bad.size} of {len(array)} from {start} on)"
                )
        yield Simulations(d, dd)
