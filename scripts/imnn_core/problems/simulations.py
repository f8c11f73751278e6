"""Drawing simulations at theta_fid with their derivatives; each has a random key of its own."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.problems import Problem, in_numpy
from imnn_core.problems.drawn_checks import check_finite, check_first, check_repeated
from imnn_core.problems.simulator import check, of_key, shifted
from imnn_core.store.sizes import PIECE

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
    "prior": 8,
    "calibration": 9,
    "pmc": 10,
    "posterior": 11,
}
DRAWN_AS = {"half_step": "test"}  # the same simulations
# Simulations drawn by one compiled call, at most, in PIECE bytes with their derivatives: whatever
# n_s is, so that n_s does not touch their bits.
PER_CALL = 1000


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
    stream = STREAMS[DRAWN_AS.get(purpose, purpose)]
    return jax.random.fold_in(jax.random.key(seed), stream)


def _in_numpy(problem: Problem, key: jax.Array) -> tuple[Callable, Callable]:
    """See `functions`."""
    words = words_of(key)
    simulate = in_numpy.simulator_of(problem, words)
    shifts = shifted_by(problem)

    def draw(name, units):
        calls = in_numpy.calls_of(problem, shifts, words, name, units)
        rows = [simulate(call) for call in calls]
        return np.array(rows, in_numpy.stored_as(rows[0].dtype)) if rows else np.empty(0)

    check_repeated(problem, *(draw("fiducial", [0]) for _ in range(2)))

    def fiducial(start, stop):
        return draw("fiducial", range(start, stop))

    def derivative(start, stop):
        rows = draw("derivative", range(start * len(shifts), stop * len(shifts)))
        return rows.reshape(stop - start, *problem.stored_shape)

    return fiducial, derivative if problem.prior is None else theta_from(problem, key)


def words_of(key: jax.Array) -> list[int]:
    """What the generators of a numpy simulator begin from, before a simulation's number."""
    return jax.random.key_data(key).tolist()


def shifted_by(problem: Problem) -> np.ndarray:
    """Parameters of the simulations in a derivative, (n_columns, n_params)."""
    return shifted(problem) if problem.delta_theta is not None else np.empty((0, problem.n_params))


def per_call_of(problem: Problem, n_per_call: int = PER_CALL) -> int:
    """How many simulations one compiled call draws."""
    n_numbers = math.prod(problem.input_shape) + math.prod(problem.stored_shape)
    return max(1, min(n_per_call, PIECE // (n_numbers * jnp.result_type(float).itemsize)))


def _in_jax(problem: Problem, key: jax.Array, per_call: int) -> tuple[Callable, Callable]:
    """See `functions`. Each call draws as many, so that no bit depends on how many are wanted."""

    def function(of_one, *further):
        def numbered(index, *others):
            return of_one(jax.random.fold_in(key, index), *others)

        draw = jax.jit(jax.vmap(numbered))

        def drawn(start, stop):
            rows = []
            for first in range(start - start % per_call, stop, per_call):
                of_call = (first, first + per_call)
                d = draw(np.arange(*of_call), *(each(*of_call) for each in further))
                rows.append(np.asarray(d)[max(0, start - first) : stop - first])
            return np.concatenate(rows)

        return drawn

    if problem.prior is not None:
        theta_of = theta_from(problem, key)
        return function(problem.simulator, theta_of), theta_of
    fiducial, derivative = map(function, of_key(problem))
    return fiducial, derivative


def theta_from(problem: Problem, key: jax.Array) -> Callable[[int, int], np.ndarray]:
    """Parameters of a prior's simulations by their numbers (start, stop), (n, n_params).

    In float64, but for a simulator in JAX, which gets them in its own precision.
    """
    words = words_of(key)
    dtype = np.float64 if problem.numpy else jnp.result_type(float)
    return lambda start, stop: problem.prior.rows(words, start, stop).astype(dtype)


def functions(
    problem: Problem, key: jax.Array, n_per_call: int = PER_CALL
) -> tuple[Callable, Callable]:
    """Functions of numbers (start, stop) of a set: to simulations, and to derivatives.

    From a prior, to simulations and to their parameters.

    Simulation i has the key fold_in(key, i): a set of 2000 begins with the set of 1000.
    """
    if problem.numpy:
        return _in_numpy(problem, key)
    return _in_jax(problem, key, per_call_of(problem, n_per_call))


def draw(problem: Problem, key: jax.Array, n_s: int, n_d: int) -> Iterator[Simulations]:
    """Draw a split in this process, as many simulations at a time as PER_CALL and PIECE allow.

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
    draw_fiducial, draw_derivative = functions(problem, key)
    per_call = per_call_of(problem)
    for start in range(0, n_s, per_call):
        d = draw_fiducial(start, min(start + per_call, n_s))
        dd = np.empty((0, *problem.stored_shape), d.dtype)
        if start < n_d:
            dd = draw_derivative(start, min(start + per_call, n_d))
        for name, array in (("fiducial", d), ("derivative", dd)):
            check_finite(problem, name, start, array)
        if start == 0:
            # One simulation alone has no deviation.
            several = d if len(d) > 1 else np.concatenate([d, draw_fiducial(1, 2)])
            check_first(problem, several, dd)
        yield Simulations(d, dd)
