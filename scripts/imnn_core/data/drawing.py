"""Drawing a part of a set: whatever is not there yet, with a word on how far it is."""

import contextlib
import itertools
import logging
import math
from collections.abc import Callable, Generator

import jax
import numpy as np
from imnn_core.data.compared import check_unfinished
from imnn_core.data.drawn_files import ARRAYS
from imnn_core.data.failures import Failures
from imnn_core.data.part_files import Writer
from imnn_core.data.progress import Progress
from imnn_core.data.ranges import common, total
from imnn_core.problems import Problem, simulations
from imnn_core.problems.drawn_checks import check_finite, check_first
from imnn_core.problems.process import Piece
from imnn_core.problems.simulator import check
from imnn_core.problems.workers import Workers
from imnn_core.store.errors import InputError

log = logging.getLogger("imnn")
FIRST, LOOKED_AT = 10, 1000  # simulations that are drawn before others, to be looked at
LONG = 600  # seconds of a test set, from which on a smaller one is worth a word
Drawn = Generator[tuple[str, int, np.ndarray]]  # array, first unit, units
THETAS = 2**16  # parameters from a prior that are drawn at a time


def _in_order(writer: Writer) -> list[Piece]:
    """What is missing, so that the first simulations can be looked at early."""
    first, *ends = writer.layout.part
    early = [edge for edge in (first + FIRST, first + LOOKED_AT) if edge < max(ends)]
    return [
        (name, *shared)
        for rows in itertools.pairwise([first, *early, max(ends)])
        for name in ARRAYS
        for gap in writer.missing[name]
        if (shared := common(tuple(row * writer.layout.units(name) for row in rows), gap))
    ]


def _by_workers(
    writer: Writer,
    problem: Problem,
    key: jax.Array,
    path: str,
    threads: int,
    told: Callable,
    reasons: list[str],
) -> Drawn:
    """Units of a numpy simulator."""
    todo = _in_order(writer)
    if not todo:
        return
    with Workers(problem, path, simulations.words_of(key), threads) as workers:
        check_unfinished(writer, workers)
        is_told = False
        for each in workers.drawn(todo, verify=todo[0][:2] == ("fiducial", 0)):
            if not is_told and workers.seconds is not None:
                is_told = True
                told(workers.seconds)
            reasons += workers.failures
            workers.failures.clear()
            yield each


def _by_jax(writer: Writer, problem: Problem, key: jax.Array, n_per_call: int) -> Drawn:
    """Rows of a simulator in JAX, as many at a time as one call draws."""
    todo = [gap for name in ARRAYS for gap in writer.missing[name]]
    if not todo:
        return
    functions = simulations.functions(problem, key, n_per_call)
    size = simulations.per_call_of(problem, n_per_call)
    start, end = min(a for a, _ in todo), max(b for _, b in todo)
    for call in range(start - start % size, end, size):
        for name, function in zip(ARRAYS, functions, strict=True):
            for gap in list(writer.missing[name]):
                if piece := common(gap, (call, call + size)):
                    yield name, piece[0], function(*piece)


def _thetas(writer: Writer, problem: Problem, key: jax.Array) -> Drawn:
    """Parameters from a prior."""
    theta_of = simulations.theta_from(problem, key)
    for first, stop in list(writer.missing["derivative"]):
        for start in range(first, stop, THETAS):
            yield "derivative", start, theta_of(start, min(start + THETAS, stop))


def draw(
    writer: Writer,
    key: jax.Array,
    *,
    path: str,
    threads: int,
    n_per_call: int,
    is_whole: bool,
    show: Callable[[int, int, str], None],
    told: Callable[[float], None] = lambda seconds: None,
    allowed: float = 0.0,
) -> None:
    """Draw what is missing of a part.

    Args:
        writer: of the part.
        key: of this seed and split.
        path: of the problem's file, for a numpy simulator.
        threads: processes that draw, of a numpy simulator.
        n_per_call: simulations that a compiled call draws at most, of one in JAX.
        is_whole: whether the part is all of the set.
        show: (done, all, text) draws a bar.
        told: is called once with the seconds that a simulation of a numpy simulator takes.
        allowed: the share of simulations from a prior that may fail.

    Raises:
        InputError: of the simulator, see `simulations.draw`; or the disk is full.

    """
    layout, problem = writer.layout, writer.layout.problem
    check(problem)
    if problem.prior is not None:
        for each in _thetas(writer, problem, key):
            writer.add(*each)
    is_exact = problem.delta_theta is None
    each = (
        int(problem.prior is None)
        if is_exact
        else len(problem.columns) // layout.units("derivative")
    )
    size = {"fiducial": 1, "derivative": each}  # of a unit
    n_all, n_left = (
        sum(size[name] * total(ranges(name)) for name in ARRAYS)
        for ranges in (lambda name: [layout.range_of(name)], writer.missing.get)
    )
    what = "simulations and derivatives" if is_exact else "simulations"
    if problem.prior is not None:
        what = "simulations and their parameters"
    progress = Progress(n_all, n_left, what, show)
    failures = Failures(problem, allowed, layout.part.stop - layout.part.first)
    reasons = []
    pieces = (
        _by_workers(writer, problem, key, path, threads, told, reasons)
        if problem.numpy
        else _by_jax(writer, problem, key, n_per_call)
    )
    n_columns = layout.units("derivative") if problem.numpy else 0
    looks = [FIRST, LOOKED_AT] if problem.numpy else [LOOKED_AT]
    if problem.prior is not None:
        looks = []
    with contextlib.closing(pieces):  # whatever happens, which ends the workers
        for name, first, rows in pieces:
            of_one = n_columns * (name == "derivative")
            if problem.prior is None:
                check_finite(problem, name, first, rows, of_one)
            else:
                theta = writer.read("derivative", first, first + len(rows))
                failures.add(first, rows, theta, reasons)
                reasons.clear()
            writer.add(name, first, rows)
            progress.add(size[name] * (rows.size // math.prod(layout.unit(name))))
            while looks and _is_there(writer, looks[0]):
                _look(writer, looks.pop(0), is_whole)
    failures.tell()
    if looks:  # of a smaller part
        _look(writer, looks[-1], is_whole)


def _is_there(writer: Writer, n: int) -> bool:
    """Whether the first n simulations of a part are drawn, with their derivatives."""
    first = writer.layout.part.first
    return not any(
        common(tuple(row * writer.layout.units(name) for row in (first, first + n)), gap)
        for name in ARRAYS
        for gap in writer.missing[name]
    )


def _look(writer: Writer, n: int, is_whole: bool) -> None:
    """Look at the first n simulations of a set.

    What is found of fewer than LOOKED_AT, and not of all, is no fault: chance may do it.
    """
    (first, stop, d_stop), problem = writer.layout
    if first > 0 or not stop:
        return
    d = writer.read("fiducial", 0, min(n, stop))
    dd = writer.read("derivative", 0, min(n, d_stop) * writer.layout.units("derivative"))
    try:
        check_first(problem, d, dd.reshape(-1, *problem.stored_shape))
    except InputError as error:
        if n >= LOOKED_AT and (is_whole or stop >= LOOKED_AT):
            raise
        log.info("warning: of the first %d simulations: %s", len(d), error)
