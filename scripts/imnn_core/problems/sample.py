"""A few simulations, drawn within a budget of time for a look at what a full run would draw."""

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import jax
import numpy as np
from imnn_core.problems import Problem
from imnn_core.problems.simulations import PER_CALL, per_call_of, words_of
from imnn_core.problems.simulator import of_key
from imnn_core.problems.workers import Workers
from imnn_core.store.errors import InputError, in_a_line

MOST = 400  # simulations, which the other checks need at most
SECONDS = 15.0  # that they may take after the first one, and
MINUTE = 60.0  # if it takes longer than this, it remains alone
EDGES = (0, 1, 3, 10, 30, 100, 200, MOST)  # of rows that workers complete one after another


class Sample(NamedTuple):
    """Simulations, and what they took.

    fiducial: the first of a set, (n, *input_shape), at least one.
    derivative: of the first of them as they are stored, (n_d, *stored_shape); n_d may be 0.
    again: number 0 drawn once more, by the same and by another process or program.
    first: seconds until the first one was there, with all that is done once.
    compiling: seconds of these that jax took to compile; 0 of a numpy simulator.
    seconds: that one takes on one core, among others.
    of_derivative: the same of one with its derivative, or its simulations at shifted parameters.
    memory: bytes that a process of a numpy simulator has held at most; 0 of one in JAX.
    """

    fiducial: np.ndarray
    derivative: np.ndarray
    again: Sequence[np.ndarray]
    first: float
    compiling: float
    seconds: float
    of_derivative: float
    memory: int = 0


def draw(
    problem: Problem,
    key: jax.Array,
    path: str = "",
    n_workers: int = 1,
    n_per_call: int = PER_CALL,
    seconds: float = SECONDS,
) -> Sample:
    """Draw one simulation, then others as long as the time lasts.

    Args:
        problem: with a simulator.
        key: of a set.
        path: of the problem's file, for a numpy simulator.
        n_workers: its processes.
        n_per_call: simulations that one in JAX draws at once.
        seconds: after the first one.

    Raises:
        InputError: the simulator raises an error, or gives another shape or kind of numbers.

    """
    if problem.numpy:
        return _in_numpy(problem, path, words_of(key), n_workers, seconds)
    try:
        return _in_jax(problem, key, n_per_call, seconds)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # of a callback, or what XLA finds when it computes
        raise InputError(
            f"problem {problem.name!r}: could not be drawn: {in_a_line(error)}"
        ) from error


def draw_halved(
    problem: Problem, key: jax.Array, path: str, n_workers: int, n: int, seconds: float
) -> np.ndarray:
    """Shifted simulations of the first n, or fewer, with half the steps: (<= n, *stored_shape)."""
    halved = problem.with_half_steps()
    if problem.numpy:
        with Workers(halved, path, words_of(key), n_workers) as workers:
            return _rows(halved, workers, ("derivative",), n, seconds)["derivative"]
    program, _ = _compiled(of_key(halved)[1], key, n)
    return np.asarray(program(np.arange(n)))


def _in_numpy(problem, path, words, n_workers, seconds):
    one, began = [("fiducial", 0, 1)], time.monotonic()
    with Workers(problem, path, words, 1) as workers:
        d, (first, began) = _only(workers.drawn(one)), _since(began)
        each, again = first, []
        if first < seconds:
            again, (each, _) = [_only(workers.drawn(one))[0]], _since(began)
        memory = workers.memory()
    sample = Sample(
        d,
        np.empty((0, *problem.stored_shape), d.dtype),
        again,
        first,
        0.0,
        each,
        each * len(problem.columns),
        memory,
    )
    if first > MINUTE:
        return sample
    left = seconds if first < seconds else MINUTE - first
    with Workers(problem, path, words, n_workers) as workers:  # other processes
        found = _rows(problem, workers, ("fiducial", "derivative"), MOST, left)
        if workers.seconds is not None:
            each = workers.seconds * n_workers
        memory = max(memory, workers.memory())
    if len(found["fiducial"]):
        sample = sample._replace(again=[*again, found["fiducial"][0]])
        sample = sample._replace(**found)
    return sample._replace(seconds=each, of_derivative=each * len(problem.columns), memory=memory)


def _only(pieces: Iterator) -> np.ndarray:
    ((_, _, rows),) = pieces
    return rows


def _since(began: float) -> tuple[float, float]:
    now = time.monotonic()
    return now - began, now


def _rows(problem, workers, arrays, most, seconds):
    """Rows of arrays, by their names, as many as are whole after so many seconds."""
    units = {"fiducial": 1, "derivative": len(problem.columns)}  # of a row
    edges = [*(edge for edge in EDGES if edge < most), most]
    todo = [(name, a * units[name], b * units[name]) for a, b in pairwise(edges) for name in arrays]
    rows = {name: {} for name in arrays}
    end = time.monotonic() + seconds
    for name, first, drawn in workers.drawn(todo):
        rows[name].update(enumerate(drawn, start=first))
        if time.monotonic() > end:
            break
    found = {}
    for name in arrays:
        n = next((i for i in range(most * units[name]) if i not in rows[name]), most * units[name])
        whole = n // units[name]
        shape = problem.stored_shape if name == "derivative" else problem.input_shape
        of_one = [rows[name][i] for i in range(whole * units[name])]
        found[name] = np.array(of_one).reshape(whole, *shape)
    if len(arrays) > 1:
        found["derivative"] = found["derivative"][: len(found["fiducial"])]
    return found


def _in_jax(problem, key, n_per_call, seconds):
    began = time.monotonic()
    of_one, of_derivative = of_key(problem)
    program, compiling = _compiled(of_one, key, 1)
    d, each = _timed(program, 1)
    first, _ = _since(began)
    none = np.empty((0, *problem.stored_shape), d.dtype)
    guess = each * (problem.n_params if problem.delta_theta is None else len(problem.columns))
    sample = Sample(d, none, [], first, compiling, each, guess)
    if each > MINUTE:
        return sample
    # Traced anew: what the simulator draws by other generators than the key is another then.
    again = [np.asarray(_compiled(of_one, key, 1)[0](np.arange(1)))[0]]
    d, each = _several(of_one, key, each, problem, n_per_call, seconds / 3)
    slopes, _ = _compiled(of_derivative, key, 1)
    dd, of_row = _timed(slopes, 1)
    if of_row < MINUTE:
        dd, of_row = _several(of_derivative, key, of_row, problem, n_per_call, seconds / 3)
    return Sample(d, dd[: len(d)], again, first, compiling, each, of_row)


def _compiled(of_one, key, n):
    """The program that draws numbers (n,) of a set, and the seconds that it took to compile."""
    began = time.monotonic()
    drawn = jax.jit(jax.vmap(lambda index: of_one(jax.random.fold_in(key, index))))
    return drawn.lower(np.arange(n)).compile(), _since(began)[0]


def _timed(program, n):
    began = time.monotonic()
    rows = np.asarray(program(np.arange(n)))
    return rows, _since(began)[0] / n


def _several(of_one, key, each, problem, n_per_call, seconds):
    """At most MOST rows, drawn as in a full run if time allows, and the seconds of one."""
    n = max(1, min(per_call_of(problem, n_per_call), int(seconds / max(each, 1e-9))))
    program, _ = _compiled(of_one, key, n)
    _timed(program, n)
    rows, each = _timed(program, n)
    return rows[:MOST], each
