"""A set of parts as one source: rows are read where they lie, without HDF5."""

import bisect
import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from imnn_core.data import drawn_files
from imnn_core.data.npy import fill_rows
from imnn_core.data.sources import Source
from imnn_core.problems import Problem
from imnn_core.store import heads
from imnn_core.store.errors import InputError
from imnn_core.store.hdf5 import as_input_errors
from imnn_core.store.wording import make_again

MOST_OPEN = 64  # files at a time; systems allow a process about a thousand


class _Rows(NamedTuple):
    """Rows of an array in a part: the first, the one after the last, and where they begin."""

    first: int
    stop: int
    offset: int
    path: str


class _Files:
    """Files that are read, of many a few at a time, each as it was at the beginning."""

    def __init__(self, states: Mapping[str, os.stat_result]):
        self._states = dict(states)
        first = itertools.islice(states, MOST_OPEN)
        self._open = {path: os.open(path, os.O_RDONLY) for path in first}

    def close(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._states.clear()  # so that nothing is read from other files under their numbers

    def read(self, path: str, offset: int, out: np.ndarray) -> None:
        """Fill an array with bytes of a file.

        Raises:
            InputError: it is no longer what it was, or can't be read.

        """
        before, remedy = self._states[path], make_again(path)
        try:
            descriptor = self._open.get(path)
            with contextlib.ExitStack() as stack:
                if descriptor is None:
                    descriptor = os.open(path, os.O_RDONLY)
                    stack.callback(os.close, descriptor)
                now = os.fstat(descriptor)
                is_same = (now.st_ino, now.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
                if now.st_size < before.st_size or (path not in self._open and not is_same):
                    raise InputError(
                        f"{path}: expected {before.st_size} bytes as at the beginning, found "
                        f"{now.st_size}{'' if is_same else ' in another file'}; {remedy}"
                    )
                fill_rows(descriptor, offset, out)
        except OSError as error:
            raise InputError(
                f"{path}: expected simulations that can be read, found {error}; {remedy}"
            ) from None


@contextlib.contextmanager
def opened(
    paths: Sequence[str | Path], problem: Problem, is_own: bool
) -> Iterator[tuple[Source, list[Any]]]:
    """The simulations of parts, one after another, as they are stored; and the parts' notes.

    Each file is read once, to see that it is as it was written.

    Args:
        paths: of the parts.
        problem: theirs.
        is_own: whether this job has made them. Another one is begun when Snakemake has noted that
            they are made, so that their second names have no use any more.

    Raises:
        InputError: a file was changed; or parts don't follow each other.

    """
    names = list(map(str, paths))
    found = _checked(names)
    notes = {name: note for name, (note, _) in zip(names, found, strict=True)}
    states = {name: state for name, (_, state) in zip(names, found, strict=True)}
    if not is_own:
        drawn_files.forget(paths)
    dtypes = {note["dtype"] for note in notes.values()}
    if len(dtypes) > 1:
        raise InputError(
            f"{', '.join(map(str, notes))}: expected numbers of one kind, found "
            f"{', '.join(sorted(dtypes))}; {make_again(*notes)}"
        )
    dtype = np.dtype(dtypes.pop())
    shapes = {"fiducial": problem.input_shape, "derivative": problem.stored_shape}
    rows = {name: _in_order(notes, name) for name in shapes}
    starts = {name: [each.first for each in found] for name, found in rows.items()}
    files = _Files(states)

    def read(name, start, out):
        found = rows[name]
        i = max(0, bisect.bisect_right(starts[name], start) - 1)
        done = 0
        while done < len(out):
            of = found[i]
            n = min(len(out) - done, of.stop - start - done)
            size = out[:1].nbytes
            files.read(of.path, of.offset + (start + done - of.first) * size, out[done : done + n])
            done, i = done + n, i + 1

    def of_array(name):
        n = rows[name][-1].stop if rows[name] else 0
        return jax.ShapeDtypeStruct((n, *shapes[name]), dtype)

    n_d = of_array("derivative").shape[0]
    counts = None if problem.delta_theta is None else (n_d,) * len(problem.columns)
    try:
        yield (
            Source(of_array("fiducial"), of_array("derivative"), read, counts),
            list(notes.values()),
        )
    finally:
        files.close()


def _checked(names: Sequence[str]) -> list[tuple[dict[str, Any], os.stat_result]]:
    """The notes of parts that are as they were written, and what the system says of the files.

    Two threads read half of them each: checksums let other threads run.
    """
    half = (len(names) + 1) // 2
    with ThreadPoolExecutor(2) as threads:
        halves = threads.map(lambda some: list(map(_one, some)), (names[:half], names[half:]))
        return list(itertools.chain.from_iterable(halves))


def _one(path: str) -> tuple[dict[str, Any], os.stat_result]:
    with as_input_errors(path):
        head, state = heads.verified(path)
    note = head.note
    if not isinstance(note, dict) or not {"fiducial", "derivative", "dtype", "unit"} <= note.keys():
        raise InputError(
            f"{path}: expected a part of a set of simulations, found another file of this "
            f"pipeline; {make_again(path)}"
        )
    return note, state


def _in_order(notes: Mapping[str, dict], name: str) -> list[_Rows]:
    """Rows of an array in parts, from 0 on or from where the first begins.

    Raises:
        InputError: some are missing between them, or there twice.

    """
    found = []
    for path, note in notes.items():
        offset, first, stop = note[name]
        unit = note["unit"] if name == "derivative" else 1
        if first < stop:
            found.append(_Rows(first // unit, stop // unit, offset, path))
    found.sort()
    if found and found[0].first:
        raise InputError(
            f"{found[0].path}: expected {name} of number 0 on in the first part, found "
            f"{found[0].first}; run snakemake again"
        )
    for before, after in zip(found, found[1:], strict=False):
        if before.stop != after.first:
            raise InputError(
                f"{after.path}: expected {name} of number {before.stop} on, after "
                f"{before.path}, found {after.first}; {make_again(after.path)}"
            )
    return found
