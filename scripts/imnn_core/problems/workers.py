"""Worker processes that draw a numpy simulator's simulations, piece by piece."""

import contextlib
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path

import numpy as np
from imnn_core.problems.problem import Problem
from imnn_core.problems.simulations import check_repeated, shifted_by
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
# Libraries' threads, of which each worker has one: Snakemake gives a job as many as it has cores.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
Piece = tuple[str, int, int]  # array, first unit, one after the last


class _Worker:
    """A process at work on a piece, or on none."""

    def __init__(self, task: Task, folder: str):
        mine, other = Pipe()
        core = str(Path(__file__).parents[2])
        code = f"import sys; sys.path.append({core!r}); "
        code += "from imnn_core.problems.worker import main; main()"
        # In a group of its own, with what the simulator begins; Ctrl-C is the job's alone.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(os.getpid()), str(other.fileno())],
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
            env={**os.environ, **dict.fromkeys(THREADS, "1"), "TMPDIR": folder},
            start_new_session=True,
        )
        other.close()
        self.connection: Connection = mine
        self.piece: Piece | None = None
        self.is_again = False  # whether the piece is drawn for comparison only
        self.is_ready = False  # whether it has loaded the problem
        with contextlib.suppress(OSError):  # it has ended already, which is seen below
            mine.send(task)

    def begin(self, piece: Piece, is_again: bool = False) -> None:
        """Tell it to draw a piece."""
        self.piece, self.is_again = piece, is_again
        with contextlib.suppress(OSError):
            self.connection.send(piece)

    def end(self) -> int:
        """End it, with what it has begun; its exit code."""
        self.connection.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()


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
        kept = ("theta_fid", "names", "input_shape", "numpy", "delta_theta", "of_summaries", "name")
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

    def _new(self) -> _Worker:
        return _Worker(self._task, self._folder)

    def __enter__(self):
        """These workers."""
        return self

    def __exit__(self, *_):
        """End all of them."""
        for worker in self._workers:
            worker.end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _next(self, todo: deque[Piece]) -> Piece | None:
        """The next piece of what is left: of about SECONDS, less towards the end."""
        if not todo:
            return None
        name, a, b = todo.popleft()
        left = b - a + sum(stop - first for _, first, stop in todo)
        row = 8 * math.prod(self._problem.input_shape)
        seconds = max(self._seconds.get(name, SECONDS), 1e-9)
        shared = max(math.ceil(left / (2 * len(self._workers))), int(LEAST / seconds))
        n = max(1, min(self._most[name], PIECE // row, int(SECONDS / seconds) or 1, shared))
        if a + n < b:
            todo.appendleft((name, a + n, b))
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
        left = deque(todo)
        to_compare = left[0][:2] if verify and left else None
        first, drawn_by = None, None
        while True:
            for i, worker in enumerate(self._workers):
                if worker.piece:
                    continue
                if to_compare and first is not None:
                    if worker.process.pid == drawn_by and len(self._workers) == 1:
                        worker.end()
                        worker = self._workers[i] = self._new()
                    if worker.process.pid != drawn_by:
                        worker.begin((*to_compare, to_compare[1] + 1), is_again=True)
                        to_compare = None
                        continue
                if piece := self._next(left):
                    worker.begin(piece)
            busy = {worker.connection: worker for worker in self._workers if worker.piece}
            if not busy:
                return
            for connection in wait(list(busy)):
                worker = busy[connection]
                try:
                    found = connection.recv()
                    if isinstance(found, str):
                        worker.is_ready, self._n_stillborn = True, 0
                        continue
                    piece, is_again, worker.piece = worker.piece, worker.is_again, None
                except (EOFError, OSError):
                    piece, is_again, worker.piece = worker.piece, worker.is_again, None
                    if is_again:
                        to_compare = piece[:2]
                    else:
                        left.appendleft(piece)
                    self._replace(worker, piece)
                    continue
                if isinstance(found, list):
                    raise InputError(*found)
                rows, seconds = found
                if is_again:
                    check_repeated(self._problem, first, rows)
                    continue
                self._learn(piece, seconds)
                if piece[:2] == to_compare:
                    first, drawn_by = rows[:1], worker.process.pid
                yield *piece[:2], rows

    @property
    def seconds(self) -> float | None:
        """That a simulation takes, over the number of workers; None before that is known."""
        return self._spent / self._n_drawn / len(self._workers) if self._n_drawn else None

    def _learn(self, piece: Piece, seconds: float) -> None:
        """What the next pieces may have, after one that took so long."""
        name, begin, stop = piece
        if name in self._seconds or seconds > WARM:  # the first has what a simulator does once
            self._spent, self._n_drawn = self._spent + seconds, self._n_drawn + stop - begin
        self._seconds[name] = seconds / (stop - begin)
        self._most[name] = 8 * max(self._most[name], stop - begin)

    def _replace(self, worker: _Worker, piece: Piece) -> None:
        """Begin another worker for one that has ended, and smaller pieces.

        Raises:
            InputError: a simulation has ended STRIKES of them.

        """
        code, (name, begin, stop) = worker.end(), piece
        how = f"ended with exit code {code}"
        if code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
        if not worker.is_ready:
            self._n_stillborn += 1
            if self._n_stillborn >= STILLBORN:
                raise InputError(
                    f"problem {self._problem.name!r}: expected processes that load it, found that "
                    f"{STILLBORN} in turn did not: the last {how}{_hint(code)}"
                )
            self._workers[self._workers.index(worker)] = self._new()
            return
        self._most[name] = max(1, (stop - begin) // 4)
        where = f"simulation {begin} at theta_fid"
        if name == "derivative":
            number = begin // len(self._task.shifted)
            theta = self._task.shifted[begin % len(self._task.shifted)].tolist()
            where = f"simulation {number} at theta = {theta}"
        if stop - begin == 1:
            self._deaths[piece[:2]] = n = self._deaths.get(piece[:2], 0) + 1
            if n >= STRIKES:
                raise InputError(
                    f"problem {self._problem.name!r}: {where} could not be drawn: the process "
                    f"{how}, {n} times{_hint(code)}"
                )
        log.info(
            "warning: a worker %s in %s%s%s; it is begun anew",
            how,
            where,
            f" or the {stop - begin - 1} after it" if stop - begin > 1 else "",
            _hint(code),
        )
        self._n_killed += code == -signal.SIGKILL
        i = self._workers.index(worker)
        if self._n_killed and self._n_killed % STRIKES == 0 and len(self._workers) > 1:
            del self._workers[i]
            log.info("from here on with %d workers, which need less memory", len(self._workers))
        else:
            self._workers[i] = self._new()


def _hint(code: int) -> str:
    return " (as for want of memory)" if code == -signal.SIGKILL else ""
