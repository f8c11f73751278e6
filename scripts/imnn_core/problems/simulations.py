"""Drawing simulations at theta_fid with their derivatives; each has a random key of its own."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.problems import Problem
from imnn_core.problems.precision import (
    COARSE,
    coarseness,
    fault_of_digits,
    fault_of_scale,
    not_finite,
)
from imnn_core.problems.simulator import check, check_output, of_key, shifted
from imnn_core.store.errors import InputError
from imnn_core.store.sizes import PIECE
from imnn_core.store.wording import shortened, shown

# What a seed is used for. Append only: a number that changes changes every result.
STREAMS = {
    "training": 0,
    "validation": 1,
    "test": 2,
    "weights": 3,
    "monte_carlo": 4,
    "augment": 5,
    "on_the_fly": 6,
    "fractions": 7,
}
# Simulations drawn by one compiled call, at most, in PIECE bytes with their derivatives: whatever
# n_s is, so that n_s does not touch their bits.
PER_CALL = 1000
FEW = 10  # simulations, by fewer of which deviations are those of all numbers together


class Simulations(NamedTuple):
    """One split of one seed.

    fiducial: simulations at theta_fid, (n_s, *input_shape).
    derivative: derivatives of the first n_d of them, (n_d, *input_shape, n_params), in d per theta;
        or with finite differences the same simulations at shifted parameters, one of them moved
        at a time: at theta_fid - delta_theta / 2 and + delta_theta / 2, (n_d, 2, n_params,
        *input_shape), or at the offsets of `Problem.columns`, (n_d, n_columns, *input_shape).
    """

    fiducial: np.ndarray
    derivative: np.ndarray


def seed_key(seed: int, purpose: str) -> jax.Array:
    """The random key of one use of a seed: a split's simulations, or the initial weights."""
    return jax.random.fold_in(jax.random.key(seed), STREAMS[purpose])


def _in_numpy(problem: Problem, key: jax.Array) -> tuple[Callable, Callable]:
    """The same two functions for a numpy simulator; they take numbers of simulations.

    Each call of the simulator has a generator of its own, begun from the simulation's key: seeds
    match across parameters.
    """
    words = jax.random.key_data(key).tolist()
    shifts = shifted(problem) if problem.delta_theta is not None else np.empty((0, 0))

    def simulate(index, theta):
        d = np.asarray(problem.simulator(np.random.default_rng([*words, index]), theta.copy()))
        check_output(problem, d.shape, d.dtype)
        return d.astype(np.float64)

    first, again = (simulate(0, problem.theta_fid) for _ in range(2))
    if not np.array_equal(first, again, equal_nan=True):
        raise InputError(
            f"problem {problem.name!r}: expected the same simulation from the same random "
            "generator, found another; draw all random numbers from the generator that the "
            "simulator is given, so that seeds match across parameters"
        )

    def fiducial(indices):
        return np.stack([simulate(int(index), problem.theta_fid) for index in indices])

    def derivative(indices):
        rows = [[simulate(int(index), theta) for theta in shifts] for index in indices]
        return np.array(rows, np.float64).reshape(len(indices), *problem.stored_shape)

    return fiducial, derivative


def draw(problem: Problem, key: jax.Array, n_s: int, n_d: int) -> Iterator[Simulations]:
    """Draw a split, as many simulations at a time as PER_CALL and PIECE allow.

    Simulation i has the key fold_in(key, i): a set of 2000 begins with the set of 1000.

    Args:
        problem: the simulator and its theta_fid.
        key: of this seed and split, see `seed_key`.
        n_s: simulations at theta_fid.
        n_d: how many of them, from the first on, have derivatives.

    Yields:
        Consecutive pieces of the split; those past n_d have no derivatives (0, *stored_shape).

    Raises:
        InputError: the simulator returns another shape than the problem declares, or a value or
            derivative that is not finite, or does not depend on a parameter.

    """
    check(problem)
    if problem.numpy:
        draw_fiducial, draw_derivative = _in_numpy(problem, key)
    else:
        draw_fiducial, draw_derivative = (
            jax.jit(jax.vmap(lambda index, of_one=of_one: of_one(jax.random.fold_in(key, index))))
            for of_one in of_key(problem)
        )
    n_numbers = math.prod(problem.input_shape) + math.prod(problem.stored_shape)
    per_call = max(1, min(PER_CALL, PIECE // (n_numbers * jnp.result_type(float).itemsize)))
    for start in range(0, n_s, per_call):
        indices = np.arange(start, start + per_call)
        if problem.numpy:
            indices = indices[: n_s - start]  # each one costs
        d = np.asarray(draw_fiducial(indices))[: n_s - start]
        dd = np.empty((0, *problem.stored_shape), d.dtype)
        if start < n_d:
            dd = np.asarray(draw_derivative(indices[: n_d - start] if problem.numpy else indices))[
                : n_d - start
            ]
        for what, array in (("simulation", d), ("derivative", dd)):
            bad = not_finite(array)
            if bad.size:
                raise InputError(
                    f"problem {problem.name!r}: expected finite numbers at theta_fid = "
                    f"{shown(problem.theta_fid.tolist())}, found NaN or infinity in the {what} of "
                    f"index {start + bad[0]} ({bad.size} of {len(array)} from {start} on)"
                )
        if start == 0:
            # One simulation alone has no deviation.
            several = d if len(d) > 1 else np.concatenate([d, draw_fiducial(np.array([1]))])
            dtype = _dtype_of(problem, several)
        if start == 0 and n_d:
            _check_dependence(problem, d, dd)
        yield Simulations(d.astype(dtype, copy=False), dd.astype(dtype, copy=False))


def _dtype_of(problem: Problem, d: np.ndarray) -> np.dtype:
    """The precision that simulations are kept in: jax's, or what they come in where that is needed.

    Raises:
        InputError: they have no digits left themselves.

    """
    mean, deviation = d.mean(axis=0, dtype=np.float64), d.std(axis=0, dtype=np.float64)
    if len(d) < FEW:  # of which one number or another hardly differs by chance
        deviation = np.full(mean.shape, np.sqrt(np.mean(deviation**2)))
    narrow = np.dtype(jnp.result_type(float))
    if fault := fault_of_scale(np.abs(d).max(axis=0), deviation):
        raise InputError(f"problem {problem.name!r}: {fault}")
    is_coarse = coarseness(mean, deviation, narrow).max() > COARSE
    dtype = d.dtype if is_coarse else narrow
    if fault := fault_of_digits(mean, deviation, dtype):
        raise InputError(f"problem {problem.name!r}: {fault}")
    return dtype


def depends(problem: Problem, d: np.ndarray, dd: np.ndarray) -> np.ndarray:
    """Whether some of these simulations depend on each parameter, (n_params,).

    Args:
        d: simulations, (n, *input_shape).
        dd: derivatives of the first of them, or the same simulations at shifted parameters.

    """
    n, found = len(dd), np.zeros(problem.n_params, bool)
    if problem.delta_theta is None:
        return (dd != 0).reshape(-1, problem.n_params).any(axis=0)
    columns = np.moveaxis(dd.reshape(n, -1, *problem.input_shape), 1, 0)
    for i in range(problem.n_params):
        mine = [columns[c] for c, (a, _) in enumerate(problem.columns) if a == i]
        first, *others = mine if len(mine) > 1 else [d[:n], *mine]
        found[i] = any((other != first).any() for other in others)
    return found


def _check_dependence(problem: Problem, d: np.ndarray, dd: np.ndarray) -> None:
    """Check that simulations depend on each parameter; JAX takes a comparison for a constant."""
    constant = [
        name
        for name, found in zip(problem.names, depends(problem, d, dd), strict=True)
        if not found
    ]
    if constant:
        how, remedy = "difference", ""
        if problem.delta_theta is None:
            how, remedy = (
                "derivative",
                "; if they do, by a comparison or a rounding, set `derivative: finite_difference`",
            )
        raise InputError(
            f"problem {problem.name!r}: expected simulations that depend on each parameter, found "
            f"a {how} of 0 everywhere by {shortened(', '.join(constant))}{remedy}"
        )
