"""Single calls of a numpy simulator, each with a generator of its own. Imports no jax."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from imnn_core.problems.from_file import line_in
from imnn_core.problems.outputs import check_output
from imnn_core.problems.problem import Problem
from imnn_core.store.errors import InputError, in_a_line
from imnn_core.store.wording import shown


class Call(NamedTuple):
    """One simulation: its number, and its parameters (n_params,)."""

    number: int
    theta: np.ndarray


def calls_of(
    problem: Problem, shifted: np.ndarray, words: Sequence[int], name: str, units: Iterable[int]
) -> Iterator[Call]:
    """The calls that units of an array are.

    Args:
        problem: with theta_fid, or with a prior.
        shifted: (n_columns, n_params).
        words: of the set's key.
        name: "fiducial", of which a unit is a simulation, or "derivative": simulations at shifted
            parameters, row by row.
        units: their numbers in the set.

    """
    for unit in units:
        if problem.prior is not None:
            yield Call(unit, problem.prior.rows(words, unit, unit + 1)[0])
        elif name == "fiducial":
            yield Call(unit, problem.theta_fid)
        else:
            yield Call(unit // len(shifted), shifted[unit % len(shifted)])


def stored_as(dtype: np.dtype) -> np.dtype:
    """The precision that numbers of a simulator are kept in: float32 or float64."""
    return min(np.result_type(dtype, np.float32), np.dtype(np.float64))


def simulator_of(
    problem: Problem, words: Sequence[int], path: str | Path = ""
) -> Callable[[Call], np.ndarray]:
    """A function that draws one simulation, in the simulator's own precision.

    The generator is begun from the simulation's key: seeds match across parameters.

    Args:
        problem: with a numpy simulator.
        words: of the set's key.
        path: of the problem's file, for errors.

    """
    kind = None

    def simulate(call):
        nonlocal kind
        rng = np.random.default_rng([*words, call.number])
        try:
            d = np.asarray(problem.simulator(rng, call.theta.copy()))
        except (Exception, SystemExit) as error:  # whatever the user's function raises
            raise InputError(
                f"{_where(problem, call)} could not be drawn: {in_a_line(error)}"
                f"{line_in(path, error) if path else ''}"
            ) from error
        if d.dtype != kind or d.shape != problem.input_shape:
            check_output(problem, d.shape, d.dtype)
            if kind is not None and not np.can_cast(d.dtype, stored_as(kind), "safe"):
                raise InputError(
                    f"{_where(problem, call)}: expected {kind} as before, found {d.dtype}"
                )
            kind = kind or d.dtype
        return d

    return simulate


def _where(problem: Problem, call: Call) -> str:
    return (
        f"problem {problem.name!r}: simulation {call.number} at theta = "
        f"{shown(call.theta.tolist())}"
    )
