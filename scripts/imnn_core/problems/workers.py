"""Worker processes that draw a numpy simulator's simulations, piece by piece."""

import logging
import math
import shutil
import signal
import tempfile
from collections import deque
from collections.abc import Iterator
from multiprocessing.connection import wait

import numpy as np
from imnn_core.problems.drawn_checks import check_repeated
from imnn_core.problems.in_numpy import calls_of
from imnn_core.problems.problem import Problem
from imnn_core.problems.process import Piece, Process, ended
from imnn_core.problems.repeated import Again
from imnn_core.problems.simulations import shifted_by
from imnn_core.problems.worker import Task
from imnn_core.store.errors import InputError
from imnn_core.store.sizes import PIECE

log = logging.getLogger("imnn")
# Seconds that a piece takes: so much of each worker is lost if a job is killed; and at least, where
# the last pieces are shared out.
SECONDS, LEAST = 1.0, 0.05
STILLBORN = 10  # processes in turn that end before they can draw
WARM = 5  # seconds, from which on a first simulation says how long others take
STRIKES = 3  # workers that a simulation may end


class Workers:
    """Processes that draw; a context that ends them."""

    def __init__(self, problem: Problem, path: str, words: list[int], n: int):
        """Begin n processes.

        Args:
            problem: with a numpy simulator.
            path: of its file.
            words: of the set's key.
            n: how many; each has one thread.

        """
        kept = (
            "theta_fid",
            "names",
            "input_shape",
            "numpy",
            "delta_theta",
            "of_summaries",
            "name",
            "prior",
        )
        self._problem = problem
        self._task = Task(
            path, {key: getattr(problem, key) for key in kept}, words, shifted_by(problem)
        )
        self._folder = tempfile.mkdtemp(prefix="imnn-")  # what simulators leave goes with it
        self._n_killed = 0
        self._workers = [self._new() for _ in range(n)]
        self._seconds: dict[str, float] = {}  # of a unit
        self._most = {"fiducial": 1, "derivative": 1}  # units of the next piece
        self._spent, self._n_drawn, self._n_stillborn = 0.0, 0, 0
        self._deaths: dict[tuple[str, int], int] = {}
        self._is_careful = False  # once a simulation from a prior has ended a worker
        self.failures: list[str] = []  # of simulations from a prior, which are NaN

    def _new(self) -> Process:
        return Process(self._task, self._folder)

    def __enter__(self):
        """These workers."""
        return self

    def __exit__(self, *_):
        """End all of them."""
        for worker in self._workers:
            worker.end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _next(self) -> Piece | None:
        """The next piece of what is left: of about SECONDS, less towards the end."""
        if not self._left:
            return None
        name, a, b = self._left.popleft()
        n_left = b - a + sum(stop - first for _, first, stop in self._left)
        row = 8 * math.prod(self._problem.input_shape)
        seconds = max(self._seconds.get(name, SECONDS), 1e-9)
        shared = max(math.ceil(n_left / (2 * len(self._workers))), int(LEAST / seconds))
        n = max(1, min(self._most[name], PIECE // row, int(SECONDS / seconds) or 1, shared))
        if a + n < b:
            self._left.appendleft((name, a + n, b))
        return name, a, min(b, a + n)

    def drawn(
        self, todo: list[Piece], verify: bool = False
    ) -> Iterator[tuple[str, int, np.ndarray]]:
        """Draw units of arrays, in any order.

        Args:
            todo: ranges of them, those that are wanted first in front.
            verify: whether another process draws the first unit again, to be compared.

        Yields:
            Array, number of the first unit, and units (n, *input_shape).

        Raises:
            InputError: of the simulator; or a simulation that ended STRIKES workers.

        """
        self._left = deque(todo)
        self._again = Again(todo[0][:2] if verify and todo else None)
        while True:
            self._share_out()
            busy = {worker.connection: worker for worker in self._workers if worker.piece}
            if not busy:
                return
            for connection in wait(list(busy)):
                yield from self._received(busy[connection])

    def _share_out(self) -> None:
        """Give each process that has nothing to do a piece, if there is one."""
        for i, worker in enumerate(self._workers):
            if worker.piece:
                continue
            if self._again.is_due:
                if worker.process.pid == self._again.drawn_by and len(self._workers) == 1:
                    worker.end()
                    worker = self._workers[i] = self._new()
                if worker.process.pid != self._again.drawn_by:
                    name, unit = self._again.unit
                    worker.begin((name, unit, unit + 1), is_again=True)
                    self._again.is_due = False
                    continue
            if piece := self._next():
                worker.begin(piece, is_careful=self._is_careful)

    def _received(self, worker: Process) -> Iterator[tuple[str, int, np.ndarray]]:
        """What a process has drawn, if it has; another process in its place, if it has ended."""
        try:
            found = worker.connection.recv()
        except (EOFError, OSError):
            piece, self._is_careful = worker.piece, self._problem.prior is not None
            if worker.at is not None:
                yield self._given_up(worker)
                return
            if worker.is_again:
                self._again.is_due = True
            else:
                self._left.appendleft(piece)
            self._replace(worker)
            return
        if isinstance(found, int):
            worker.at = found
            return
        if isinstance(found, str):
            worker.is_ready, self._n_stillborn = True, 0
            return
        if isinstance(found, list):
            raise InputError(*found)
        (rows, seconds, failures), piece, worker.piece = found, worker.piece, None
        self.failures += failures
        if worker.is_again:
            check_repeated(self._problem, self._again.rows, rows)
            return
        self._learn(piece, seconds)
        if piece[:2] == self._again.unit:
            self._again.drawn(rows[:1], worker.process.pid)
        yield *piece[:2], rows

    def _given_up(self, worker: Process) -> tuple[str, int, np.ndarray]:
        """The simulation from a prior that has ended a process, as one that failed.

        What was drawn before it in the same piece was lost with the process.
        """
        (how, hint), (name, begin, stop), at = ended(worker.end()), worker.piece, worker.at
        for first, end in ((at + 1, stop), (begin, at)):
            if first < end:
                self._left.appendleft((name, first, end))
        self.failures.append(
            f"problem {self._problem.name!r}: {self._where(name, at)} could not be drawn: the "
            f"worker {how}{hint}"
        )
        self._workers[self._workers.index(worker)] = self._new()
        return name, at, np.full((1, *self._problem.input_shape), np.nan)

    def _where(self, name: str, unit: int) -> str:
        of = self._task
        (call,) = calls_of(self._problem, of.shifted, of.words, name, range(unit, unit + 1))
        return f"simulation {call.number} at theta = {call.theta.tolist()}"

    @property
    def seconds(self) -> float | None:
        """That a simulation takes, over the number of workers; None before that is known."""
        return self._spent / self._n_drawn / len(self._workers) if self._n_drawn else None

    def memory(self) -> int:
        """Bytes that one of the processes has held at most; 0 where the system does not tell."""
        return max((worker.memory() for worker in self._workers), default=0)

    def _learn(self, piece: Piece, seconds: float) -> None:
        """What the next pieces may have, after one that took so long."""
        name, begin, stop = piece
        if name in self._seconds or seconds > WARM:  # the first has what a simulator does once
            self._spent, self._n_drawn = self._spent + seconds, self._n_drawn + stop - begin
        self._seconds[name] = seconds / (stop - begin)
        self._most[name] = 8 * max(self._most[name], stop - begin)

    def _replace(self, worker: Process) -> None:
        """Begin another worker for one that has ended, and smaller pieces.

        Raises:
            InputError: a simulation has ended STRIKES of them.

        """
        code, (name, begin, stop) = worker.end(), worker.piece
        how, hint = ended(code)
        if not worker.is_ready:
            self._n_stillborn += 1
            if self._n_stillborn >= STILLBORN:
                raise InputError(
                    f"problem {self._problem.name!r}: expected workers that load it, found that "
                    f"{STILLBORN} in turn did not: the last {how}{hint}"
                )
            self._workers[self._workers.index(worker)] = self._new()
            return
        self._most[name] = max(1, (stop - begin) // 4)
        where = self._where(name, begin)
        if stop - begin == 1:
            self._deaths[name, begin] = n = self._deaths.get((name, begin), 0) + 1
            if n >= STRIKES:
                raise InputError(
                    f"problem {self._problem.name!r}: {where} could not be drawn: the worker "
                    f"{how}, {n} times{hint}"
                )
        log.info(
            "warning: a worker %s in %s%s%s; it is begun anew",
            how,
            where,
            f" or the {stop - begin - 1} after it" if stop - begin > 1 else "",
            hint,
        )
        self._n_killed += code == -signal.SIGKILL
        i = self._workers.index(worker)
        if self._n_killed and self._n_killed % STRIKES == 0 and len(self._workers) > 1:
            del self._workers[i]
            log.info("from here on with %d workers, which need less memory", len(self._workers))
        else:
            self._workers[i] = self._new()
