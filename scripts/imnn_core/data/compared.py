"""Simulations that are there are compared with the simulator, before others join them.

The same code may give other numbers: it reads a file, calls a program, or imports a module of which
this project knows nothing.
"""

import contextlib
import math
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
from imnn_core.data import drawn_files, identity
from imnn_core.data.drawn_files import ARRAYS
from imnn_core.data.part_files import Writer
from imnn_core.problems import Problem, simulations
from imnn_core.problems.workers import Workers
from imnn_core.store import heads
from imnn_core.store.errors import InputError
from imnn_core.store.hdf5 import versions

ROUNDINGS = 100  # of the largest number, by which machines of another kind may differ
SPLITS = ("training", "validation", "test")


def _all_sets(path: str | Path) -> Path:
    """The folder of a run's simulations: `seed-1/training/0-100.h5` lies in it."""
    folder = Path(path).parent
    return folder.parent.parent if folder.parent.name.startswith("seed-") else folder


def _fault(path: str | Path, those: str) -> str:
    folder = shlex.quote(str(_all_sets(path)))
    return (
        f"{path}: expected simulations as {those}, found others by the same code; does the "
        "simulator depend on something else, a file, a program or a module elsewhere? Make all of "
        f"them anew, and what was made of them: rm -r {folder}, and then snakemake --forceall"
    )


def check_unfinished(writer: Writer, workers: Workers) -> None:
    """Draw a simulation again that an interrupted job, or another part, has left to this part.

    Raises:
        InputError: it is another.

    """
    for name in ARRAYS if writer.layout.problem.prior is None else ARRAYS[:1]:
        for first, _ in writer.there(name)[:1]:
            ((*_, again),) = workers.drawn([(name, first, first + 1)])
            there = writer.read(name, first, first + 1)
            if not np.array_equal(again, there, equal_nan=True):
                raise InputError(_fault(writer.path, "those that are there"))
            return


def _sets(path: Path, seed: int, split: str) -> Iterator[tuple[Path, int, str]]:
    """Folders of a run's sets, with their seeds and splits; this one's first."""
    yield path.parent, seed, split
    for folder in sorted(_all_sets(path).glob("seed-*/*")):
        number = folder.parent.name.removeprefix("seed-")
        if folder != path.parent and folder.name in SPLITS and number.isdecimal():
            yield folder, int(number), folder.name


def _former(path: Path, seed: int, split: str) -> list[tuple[Path, int, str]]:
    """Whole parts of former runs, the oldest first; none if this run has finished one already.

    Whoever finished it has compared. Where nobody says when the run began, all are of former ones.
    """
    began = float(os.environ.get("IMNN_BEGAN", "inf"))
    found = []
    for folder, *of in _sets(path, seed, split):
        for each in drawn_files.whole(folder):
            with contextlib.suppress(FileNotFoundError):  # its last reader has just ended
                found.append((os.stat(each).st_mtime, each.suffix, each, *of))  # a .h5 first
    if any(written >= began for written, *_ in found):
        return []
    return [(each, seed, split) for *_, each, seed, split in sorted(found)]


def check_former(
    path: str | Path,
    problem: Problem,
    path_to_problem: str,
    *,
    seed: int,
    split: str,
    made_from: str,
    n_per_call: int,
) -> None:
    """Draw a simulation again that a former run drew, of this set or another one of the run.

    Args:
        path: of a part that is about to be made.
        problem: of the run.
        path_to_problem: of its file.
        made_from: see `sets.writing`.
        n_per_call: see `simulations.functions`.

    Raises:
        InputError: it is another.

    """
    by = {"made_from": made_from, "versions": versions()}
    for former, *of in _former(Path(path), seed, split):
        try:
            note = heads.read(former).note
            expected = by | {"identity": identity.digest(problem, *of)}
            if any(note[key] != value for key, value in expected.items()):
                continue
            offset, first, stop = note["fiducial"]
            there = np.fromfile(
                former, note["dtype"], math.prod(problem.input_shape), offset=offset
            )
        except (OSError, InputError, KeyError, TypeError, ValueError):
            continue  # a broken file is told by the job that needs it
        if first < stop:
            again = _again(problem, path_to_problem, simulations.seed_key(*of), first, n_per_call)
            if not _is_same(there, again):
                heads.verify(former)
                raise InputError(_fault(path, f"those of {former}"))
            return


def _again(problem: Problem, path: str, key: jax.Array, i: int, n_per_call: int) -> np.ndarray:
    """Simulation i, flat."""
    if not problem.numpy:
        return np.ravel(simulations.functions(problem, key, n_per_call)[0](i, i + 1))
    with Workers(problem, path, simulations.words_of(key), 1) as workers:
        ((*_, rows),) = workers.drawn([("fiducial", i, i + 1)])
    return np.ravel(rows)


def _is_same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two simulations, float32 or float64, are equal up to roundings."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if np.isnan(one).any():  # one that failed
        return bool(np.isnan(other).any())
    return np.abs(one - other).max() <= ROUNDINGS * np.finfo(one.dtype).eps * np.abs(one).max()
