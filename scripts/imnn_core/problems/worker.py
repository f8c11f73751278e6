"""A process that draws single simulations of a user's numpy simulator, for a job that tells it.

It imports no jax, and ends when the job does.
"""

import os
import shutil
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import NamedTuple

import numpy as np
from imnn_core.problems.from_file import from_file
from imnn_core.problems.in_numpy import calls_of, simulator_of, stored_as
from imnn_core.problems.problem import Problem
from imnn_core.store.errors import InputError

READY = "ready"  # what a worker says first


class Task(NamedTuple):
    """What a worker is told once.

    path: of the problem's file. problem: as it is to be used, without what can't be sent.
    words: see `simulations.words_of`. shifted: parameters of simulations in a derivative.
    """

    path: str
    problem: dict
    words: list[int]
    shifted: np.ndarray


def serve(connection: Connection) -> None:
    """Draw what is asked for: (array, first unit, one after the last) -> (rows, seconds, failures).

    Before the first READY; or in place of either the lines of an InputError. From a prior, what
    could not be drawn is NaN, and failures are the lines that say why. If a fourth item is asked
    for, the number of each unit comes before it is drawn.
    """
    task = connection.recv()
    try:
        problem = Problem(**task.problem, simulator=from_file(task.path).simulator)
    except InputError as error:
        connection.send(error.lines)
        return
    simulate = simulator_of(problem, task.words, task.path)
    connection.send(READY)
    while True:
        name, first, stop, *is_careful = connection.recv()
        began, rows, failures = time.perf_counter(), None, []
        if problem.prior is not None:
            rows = np.full((stop - first, *problem.input_shape), np.nan)
        calls = calls_of(problem, task.shifted, task.words, name, range(first, stop))
        for i, call in enumerate(calls):
            if is_careful:
                connection.send(first + i)  # so that the job knows what has ended this process
            try:
                d = simulate(call)
            except InputError as error:
                if problem.prior is None:
                    connection.send(error.lines)
                    return
                failures += error.lines
                continue
            if rows is None:
                rows = np.empty((stop - first, *d.shape), stored_as(d.dtype))
            rows[i] = d
        connection.send((rows, time.perf_counter() - began, failures))


def _end_with(parent: int) -> None:
    """End this process and those that it has begun once the job has ended."""
    while os.getppid() == parent:
        time.sleep(0.5)
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)  # the job's own, see `workers`
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    """Serve the job at the other end of a connection whose number is the last argument."""
    parent, descriptor = map(int, sys.argv[-2:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        serve(Connection(descriptor))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the job has all that it needs
