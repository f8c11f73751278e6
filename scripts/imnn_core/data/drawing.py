"""Drawing a part of a set: whatever is not there yet, with a word on how far it is."""

import contextlib
import logging
import math
import time
from collections.abc import Callable, Generator

import jax
import numpy as np
from imnn_core.data import parts
from imnn_core.data.part_files import ARRAYS, Writer
from imnn_core.problems import Problem, simulations
from imnn_core.problems.simulator import check
from imnn_core.problems.workers import Piece, Workers
from imnn_core.store.errors import InputError
from imnn_core.store.wording import make_again

log = logging.getLogger("imnn")
FIRST, LOOKED_AT = 10, 1000  # simulations that are drawn before others, to be looked at
OFTEN, SELDOM = 2, 60  # seconds between two lines of the log, at least and at most
LONG = 600  # seconds of a test set, from which on a smaller one is worth a word
Drawn = Generator[tuple[str, int, np.ndarray]]  # array, first unit, units


class Progress:
    """How far a part is: a line in the log now and then, and a bar."""

    def __init__(self, n_all: int, n_left: int, what: str, show: Callable[[int, int, str], None]):
        """Begin.

        Args:
            n_all: how many the part has.
            n_left: how many of them are not there yet.
            what: they are, in words.
            show: (done, all, text) draws a bar.

        """
        self._n_all, self._n_left, self._done = n_all, n_left, 0
        self._what, self._show = what, show
        # The first piece has what a simulator does once.
        self._began, self._n_first, self._is_first = time.monotonic(), 0, True
        self._said, self._interval = 0.0, 0.0
        if n_left < n_all:
            log.info("%d of %d %s are there already", n_all - n_left, n_all, what)

    def add(self, n: int) -> None:
        """So many more are done."""
        self._done += n
        now = time.monotonic()
        if self._is_first and self._done < self._n_left and now - self._began < SELDOM:
            self._began, self._n_first = now, self._done
        self._is_first = False
        if self._done == self._n_first:
            return
        rate = (self._done - self._n_first) / max(now - self._began, 1e-9)
        done = self._n_all - self._n_left + self._done
        text = f"{rate:.3g}/s, {parts.in_time((self._n_left - self._done) / rate)} left"
        self._show(done, self._n_all, text)
        if now - self._said >= self._interval or self._done == self._n_left:
            log.info("%d/%d %s, %s", done, self._n_all, self._what, text)
            self._said, self._interval = now, min(max(OFTEN, (now - self._began) / 10), SELDOM)


def _in_order(writer: Writer) -> list[Piece]:
    """What is missing, so that the first simulations can be looked at early."""
    first, stop = writer.part.first, max(writer.part.stop, writer.part.d_stop)
    edges = [first, *(edge for edge in (first + FIRST, first + LOOKED_AT) if edge < stop), stop]
    found = []
    for rows in zip(edges, edges[1:], strict=False):
        for name in ARRAYS:
            wanted = tuple(edge * writer.units(name) for edge in rows)
            shared = (parts.common(wanted, gap) for gap in writer.missing[name])
            found += [(name, *each) for each in shared if each]
    return found


def _by_workers(
    writer: Writer, problem: Problem, key: jax.Array, path: str, threads: int, told: Callable
) -> Drawn:
    """Units of a numpy simulator."""
    todo = _in_order(writer)
    if not todo:
        return
    with Workers(problem, path, simulations.words_of(key), threads) as workers:
        if known := writer.any_unit():
            ((*_, again),) = workers.drawn([(known[0], known[1], known[1] + 1)])
            if not np.array_equal(again, writer.read(*known, known[1] + 1)):
                raise InputError(
                    f"{writer.path}: expected simulations as those that are there, found others "
                    "by the same code; does the simulator depend on something else, a file or a "
                    f"program? {make_again(writer.path.parent)}"
                )
        for each in workers.drawn(todo, verify=todo[0] == ("fiducial", 0, todo[0][2])):
            if workers.seconds is not None:
                told(workers.seconds)
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
                if piece := parts.common(gap, (call, call + size)):
                    yield name, piece[0], function(*piece)


def draw(
    writer: Writer,
    problem: Problem,
    key: jax.Array,
    *,
    path: str,
    threads: int,
    n_per_call: int,
    show: Callable[[int, int, str], None],
    told: Callable[[float], None] = lambda seconds: None,
) -> None:
    """Draw what is missing of a part.

    Args:
        writer: of the part.
        problem: the simulator and its theta_fid.
        key: of this seed and split.
        path: of the problem's file, for a numpy simulator.
        threads: processes that draw, of a numpy simulator.
        n_per_call: simulations that a compiled call draws at most, of one in JAX.
        show: (done, all, text) draws a bar.
        told: is called once with the seconds that a simulation of a numpy simulator takes.

    Raises:
        InputError: of the simulator, see `simulations.draw`; or the disk is full.

    """
    check(problem)
    is_exact = problem.delta_theta is None
    each = 1 if is_exact else len(problem.columns) // writer.units("derivative")
    size = {"fiducial": 1, "derivative": each}  # of a unit
    n_all, n_left = (
        sum(size[name] * n(name) for name in ARRAYS) for n in (writer.n_units, writer.n_missing)
    )
    what = "simulations and derivatives" if is_exact else "simulations"
    progress = Progress(n_all, n_left, what, show)
    pieces = (
        _by_workers(writer, problem, key, path, threads, told)
        if problem.numpy
        else _by_jax(writer, problem, key, n_per_call)
    )
    n_columns = writer.units("derivative") if problem.numpy else 0
    looks = [FIRST, LOOKED_AT] if problem.numpy else [LOOKED_AT]
    with contextlib.closing(pieces):  # whatever happens, which ends the workers
        for name, first, rows in pieces:
            of_one = n_columns * (name == "derivative")
            simulations.check_finite(problem, name, first, rows, of_one)
            writer.add(name, first, rows)
            progress.add(size[name] * (rows.size // math.prod(writer.row(name))))
            while looks and _is_there(writer, looks[0]):
                _look(writer, problem, looks.pop(0), is_last=not looks)
    for n in looks[-1:]:  # of a smaller part
        _look(writer, problem, n, is_last=True)


def _is_there(writer: Writer, n: int) -> bool:
    """Whether the first n simulations of a part are drawn, with their derivatives."""
    first = writer.part.first
    return not any(
        parts.common((first * writer.units(name), (first + n) * writer.units(name)), gap)
        for name in ARRAYS
        for gap in writer.missing[name]
    )


def _look(writer: Writer, problem: Problem, n: int, is_last: bool) -> None:
    """Look at the first simulations of a set; of fewer than LOOKED_AT what is found is no fault."""
    part = writer.part
    if part.first > 0:
        return
    d = writer.read("fiducial", 0, min(n, part.stop))
    dd = writer.read("derivative", 0, min(n, part.d_stop) * writer.units("derivative"))
    dd = dd.reshape(-1, *problem.stored_shape)
    try:
        simulations.check_first(problem, d, dd[: len(d)], lambda: d)
    except InputError as error:
        if is_last:
            raise
        log.info("warning: of the first %d simulations: %s", n, error)
