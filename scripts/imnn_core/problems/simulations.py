"""Drawing simulations at theta_fid with their derivatives; each has a random key of its own."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.problems import Problem, in_numpy
from imnn_core.problems.precision import fault_of_digits, fault_of_scale, not_finite
from imnn_core.problems.simulator import check, of_key, shifted
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
DRAWN_AS = {"half_step": "test"}  # the same simulations
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
    stream = STREAMS[DRAWN_AS.get(purpose, purpose)]
    return jax.random.fold_in(jax.random.key(seed), stream)


def _in_numpy(problem: Problem, key: jax.Array) -> tuple[Callable, Callable]:
    """See `_functions`."""
    simulate = in_numpy.simulator_of(problem, words_of(key))
    shifts = shifted_by(problem)

    def draw(name, units):
        calls = (in_numpy.call_of(name, unit, problem.theta_fid, shifts) for unit in units)
        rows = [simulate(call) for call in calls]
        return np.array(rows, in_numpy.stored_as(rows[0].dtype)) if rows else np.empty(0)

    check_repeated(problem, *(draw("fiducial", [0]) for _ in range(2)))

    def derivative(start, stop):
        rows = draw("derivative", range(start * len(shifts), stop * len(shifts)))
        return rows.reshape(stop - start, *problem.stored_shape)

    return lambda start, stop: draw("fiducial", range(start, stop)), derivative


def words_of(key: jax.Array) -> list[int]:
    """What the generators of a numpy simulator begin from, before a simulation's number."""
    return jax.random.key_data(key).tolist()


def shifted_by(problem: Problem) -> np.ndarray:
    """Parameters of the simulations in a derivative, (n_columns, n_params)."""
    return shifted(problem) if problem.delta_theta is not None else np.empty((0, problem.n_params))


def check_repeated(problem: Problem, first: np.ndarray, again: np.ndarray) -> None:
    """See that a simulation that is drawn again, also by another process, is the same.

    Raises:
        InputError: it is another.

    """
    if not np.array_equal(first, again, equal_nan=True):
        raise InputError(
            f"problem {problem.name!r}: expected the same simulation from the same random "
            "generator, found another; draw all random numbers from the generator that the "
            "simulator is given, so that seeds match across parameters"
        )


def per_call_of(problem: Problem, n_per_call: int = PER_CALL) -> int:
    """How many simulations one compiled call draws."""
    n_numbers = math.prod(problem.input_shape) + math.prod(problem.stored_shape)
    return max(1, min(n_per_call, PIECE // (n_numbers * jnp.result_type(float).itemsize)))


def _in_jax(problem: Problem, key: jax.Array, per_call: int) -> tuple[Callable, Callable]:
    """See `_functions`. Each call draws as many, so that no bit depends on how many are wanted."""

    def function(of_one):
        draw = jax.jit(jax.vmap(lambda index: of_one(jax.random.fold_in(key, index))))

        def drawn(start, stop):
            rows = [
                np.asarray(draw(np.arange(first, first + per_call)))[
                    max(0, start - first) : stop - first
                ]
                for first in range(start - start % per_call, stop, per_call)
            ]
            return np.concatenate(rows)

        return drawn

    fiducial, derivative = map(function, of_key(problem))
    return fiducial, derivative


def functions(
    problem: Problem, key: jax.Array, n_per_call: int = PER_CALL
) -> tuple[Callable, Callable]:
    """Functions of numbers (start, stop) of a set: to simulations, and to derivatives.

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
            check_first(problem, d, dd, lambda: draw_fiducial(1, 2))
        yield Simulations(d, dd)


def check_finite(
    problem: Problem, name: str, first: int, rows: np.ndarray, n_columns: int = 0
) -> None:
    """See that all numbers of simulations are finite.

    Args:
        problem: theirs.
        name: "fiducial" or "derivative".
        first: number of the first of the rows.
        rows: of the array.
        n_columns: of derivatives that are single simulations, row by row, how many a row has.

    Raises:
        InputError: some are not.

    """
    bad = not_finite(rows)
    if not bad.size:
        return
    index, what = first + int(bad[0]), "simulation" if name == "fiducial" else "derivative"
    theta, at = problem.theta_fid, "theta_fid"
    if n_columns:
        theta, at, what = shifted(problem)[index % n_columns], "theta", "simulation"
        index //= n_columns
    raise InputError(
        f"problem {problem.name!r}: expected finite numbers at {at} = {shown(theta.tolist())}, "
        f"found NaN or infinity in the {what} of index {index} ({bad.size} of {len(rows)} from "
        "there on)"
    )


def check_first(
    problem: Problem, d: np.ndarray, dd: np.ndarray, another: Callable[[], np.ndarray]
) -> None:
    """Check the first simulations of a set: digits and scales of their numbers, and dependence.

    Args:
        problem: theirs.
        d, dd: simulations, and derivatives of the first of them.
        another: gives the second simulation; one alone has no deviation.

    Raises:
        InputError: they have no digits left, or do not depend on a parameter.

    """
    if not len(d):
        return
    several = d if len(d) > 1 else np.concatenate([d, another()])
    _check_digits(problem, several)
    if len(dd):
        _check_dependence(problem, d, dd)


def _check_digits(problem: Problem, d: np.ndarray) -> None:
    mean, deviation = d.mean(axis=0, dtype=np.float64), d.std(axis=0, dtype=np.float64)
    if len(d) < FEW:  # of which one number or another hardly differs by chance
        deviation = np.full(mean.shape, np.sqrt(np.mean(deviation**2)))
    fault = fault_of_scale(np.abs(d).max(axis=0), deviation) or fault_of_digits(
        mean, deviation, d.dtype
    )
    if fault:
        raise InputError(f"problem {problem.name!r}: {fault}")


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
