"""Simulations in files, read by rows where they lie, and observed data."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
from imnn_core.data.dataset_names import Names, names_in
from imnn_core.data.named_sets import Given, set_in_words
from imnn_core.data.reading import NAMELESS, Array, open_file
from imnn_core.data.sets_given import open_given
from imnn_core.data.sources import Source
from imnn_core.problems import Problem
from imnn_core.problems.precision import not_finite
from imnn_core.store.errors import InputError
from imnn_core.store.wording import of_shape


def _stacked(columns: Sequence[Callable], counts: Sequence[int], shape: tuple) -> Callable:
    """A function (start, out) that reads several datasets side by side, with 0 past their ends.

    Args:
        columns: of each dataset, (start, out).
        counts: rows of each.
        shape: of a row.

    """

    def read(start, out):
        for c, (of_column, n) in enumerate(zip(columns, counts, strict=True)):
            each = out.reshape(len(out), len(counts), -1)[:, c]
            there = max(0, min(len(out), n - start))
            rows = np.zeros((there, each.shape[1]), out.dtype)
            if there:
                of_column(start, rows.reshape(there, *shape))
            each[:there], each[there:] = rows, 0

    return read


def source_of(arrays: Mapping[str, Array], names: Names, problem: Problem) -> Source:
    """The simulations of an open file, in its own precision.

    Args:
        arrays: of the file, by name.
        names: of those of the source, by its parts; a list for simulations at shifted parameters.
        problem: theirs.

    """
    shapes, readers, counts, of_part = {}, {}, None, {}
    for part, name in names.items():
        found = [arrays[each] for each in (name if isinstance(name, list) else [name])]
        of_part[part] = found
        n, shape = max(array.shape[0] for array in found), found[0].shape[1:]
        readers[part] = found[0].read
        if isinstance(name, list):
            counts = tuple(array.shape[0] for array in found)
            readers[part] = _stacked([array.read for array in found], counts, shape)
            shape = problem.stored_shape
        elif part == "derivative" and problem.delta_theta is not None:
            counts = (n,) * len(problem.columns)
        shapes[part] = jax.ShapeDtypeStruct((n, *shape), found[0].dtype)

    def read(part, start, out):
        readers[part](start, out)

    def place(part, row, column):
        if column is not None and len(of_part[part]) > 1:
            return of_part[part][column].place(row)
        there = [array for array in of_part[part] if row < array.shape[0]]
        odd = [array for array in there if len(there) > 1 and not_finite(_row(array, row)).size]
        return ", ".join(array.place(row) for array in (odd or there)[:3])

    is_placed = all(array.place for each in of_part.values() for array in each)
    return Source(**shapes, read=read, counts=counts, place=place if is_placed else None)


def _row(array: Array, row: int) -> np.ndarray:
    found = np.empty((1, *array.shape[1:]), array.dtype)
    array.read(row, found)
    return found


@contextlib.contextmanager
def open_users(given: Given, problem: Problem) -> Iterator[Source]:
    """All simulations of a user's checked files; HDF5 and npy files are read where they lie.

    Args:
        given: see `sets_given.open_given`.
        problem: theirs.

    """
    with open_given(given, problem) as found:
        names = names_in(found.arrays, problem)
        for name in names.values():
            for each in name if isinstance(name, list) else [name]:
                if each not in found.arrays:  # it was there when the file was checked
                    what, path = found.odd.get(each, "none"), set_in_words(given)
                    raise InputError(f"{path}: expected a dataset {each!r}, found {what}")
        yield source_of(found.arrays, names, problem)


def read_observed(path: str | Path, problem: Problem) -> np.ndarray:
    """Observed data of a user's file, (n, *input_shape), in its own precision.

    Raises:
        InputError: there are none in it, or they have another shape than simulations, or are not
            finite.

    """
    where = f"observed ({path})"
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(open_file(path, "HDF5, npz or npy"))
        except InputError as error:
            raise InputError(*(f"observed: {line}" for line in error.lines)) from None
        if NAMELESS not in found.arrays:
            what = found.odd.get(NAMELESS) or ", ".join(found.names) or "none"
            raise InputError(f"{where}: expected a dataset {NAMELESS!r}, found {what}")
        array, shape = found.arrays[NAMELESS], problem.input_shape
        if array.dtype.kind not in "fiu" or array.dtype.itemsize > np.dtype(float).itemsize:
            raise InputError(f"{where}: expected real numbers, found {array.dtype}")
        if array.shape not in (shape, (*array.shape[:1], *shape)) or not math.prod(array.shape):
            raise InputError(
                f"{where}: expected data of shape {shape} or {of_shape('n', *shape)}, found "
                f"{array.shape}"
            )
        observed = array.whole()
    observed = observed.reshape(-1, *shape)
    if not np.isfinite(observed).all():
        raise InputError(f"{where}: expected finite numbers, found NaN or infinity")
    wide = observed.astype(np.float64)
    with np.errstate(over="ignore"):
        bad = not_finite(wide**2)
    if len(bad):
        raise InputError(
            f"{where}: expected numbers whose squares float32 can hold, found larger ones in "
            f"{len(bad)} of {len(observed)} simulations, the first at index {bad[0]}"
        )
    return observed if observed.dtype.kind == "f" else wide
