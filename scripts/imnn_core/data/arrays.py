"""Arrays in files: simulations, read by rows where they lie, and what a user's file holds."""

import contextlib
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import jax
import numpy as np
from imnn_core.data import links, sources
from imnn_core.data.dataset_names import Names, names_in
from imnn_core.data.sources import Source
from imnn_core.problems import Problem
from imnn_core.store.errors import InputError
from imnn_core.store.wording import of_shape

OF_YOUR_OWN = "it is a file of your own"  # what to do about it is yours to know


def plain(value: Any) -> Any:
    """An attribute as a list or a number of Python."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def read_rows(descriptor: int, offset: int, out: np.ndarray) -> None:
    """Fill an array with a file's bytes from ``offset`` on.

    HDF5's own reading takes 140 microseconds more per call.

    Raises:
        OSError: it can't be read, or ends before the array is full.

    """
    rest = memoryview(out).cast("B")
    while rest and (n := os.preadv(descriptor, [rest], offset)):
        rest, offset = rest[n:], offset + n
    if rest:
        raise OSError("it ended early")


def _reader(dataset: h5py.Dataset, file: h5py.File, descriptor: int) -> Callable:
    """A function (start, out) that fills an array with rows of a dataset."""
    dtype = dataset.dtype.newbyteorder("=")
    as_in_memory = (
        dataset.id.get_type() == h5py.h5t.py_create(dtype)
        and dataset.file.filename == file.filename
    )  # no link
    offset = dataset.id.get_offset() if as_in_memory else None  # None, too, if not in one piece

    def read(start, out):
        if file and offset is not None and out.dtype == dtype:
            read_rows(descriptor, offset + start * out[0].nbytes, out)
        else:
            dataset.read_direct(out, np.s_[start : start + len(out)])

    return read


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


def source_of(
    file: h5py.File, path: str | Path, names: Names, problem: Problem, remedy: str
) -> Source:
    """The simulations of an open file, in its own precision.

    Args:
        names: of the datasets, by part of the source; a list of simulations at shifted parameters.
        problem: theirs.
        remedy: what to do where they can't be read, for an error.

    """
    n_bytes, descriptor = os.path.getsize(path), file.id.get_vfd_handle()
    shapes, readers, counts = {}, {}, None
    for part, name in names.items():
        datasets = [file[each] for each in (name if isinstance(name, list) else [name])]
        columns = [_reader(dataset, file, descriptor) for dataset in datasets]
        n, shape = max(map(len, datasets)), datasets[0].shape[1:]
        readers[part] = columns[0]
        if isinstance(name, list):
            counts = tuple(map(len, datasets))
            readers[part] = _stacked(columns, counts, shape)
            shape = problem.stored_shape
        elif part == "derivative" and problem.delta_theta is not None:
            counts = (n,) * len(problem.columns)
        dtype = datasets[0].dtype.newbyteorder("=")
        shapes[part] = jax.ShapeDtypeStruct((n, *shape), dtype)

    def read(part, start, out):
        try:
            if len(out):
                readers[part](start, out)
            found = os.fstat(descriptor).st_size  # HDF5 reads zeros where a file has become shorter
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"{path}: could not be read any more: {error}; {remedy}") from None
        if found < n_bytes:
            raise InputError(
                f"{path}: expected {n_bytes} bytes as at the beginning, found {found}; {remedy}"
            )

    return Source(**shapes, read=read, counts=counts)


@contextlib.contextmanager
def open_arrays(path: str | Path) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
    """Arrays and attributes of a user's HDF5, npz or npy file, by name (npy: `observed`).

    Nothing in it is executed: pickles are refused.

    Raises:
        InputError: there is no such file, or it is none of these.

    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: expected a file, found none there")
    with contextlib.ExitStack() as stack:
        try:
            if h5py.is_hdf5(path):
                found = stack.enter_context(h5py.File(path, "r"))
                lines = list(links.faults(found))
                if lines:
                    raise InputError(*(f"{path}: {line}" for line in lines))
                attributes = {name: plain(value) for name, value in found.attrs.items()}
            else:
                loaded = np.load(stack.enter_context(open(path, "rb")), allow_pickle=False)
                found = {"observed": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
                attributes = {
                    name: plain(found[name])
                    for name in ("names", "theta_fid", "delta_theta")
                    if name in found
                }
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            what = (
                "something else, or a pickle, which is not read"
                if "pickle" in str(error)
                else error
            )
            raise InputError(f"{path}: expected an HDF5, npz or npy file, found: {what}") from None
        yield found, attributes


@contextlib.contextmanager
def open_users(path: str | Path, problem: Problem) -> Iterator[Source]:
    """All simulations of a user's checked file; an HDF5 file is read where it lies."""
    with open_arrays(path) as (found, _):
        names = names_in(found, problem)
        if isinstance(found, h5py.File):
            yield source_of(found, path, names, problem, OF_YOUR_OWN)
        elif isinstance(names["derivative"], list):
            columns = [found[name] for name in names["derivative"]]
            counts = tuple(map(len, columns))
            stacked = np.zeros((max(counts), len(counts), *problem.input_shape), columns[0].dtype)
            for c, (column, n) in enumerate(zip(columns, counts, strict=True)):
                stacked[:n, c] = column
            shifted = stacked.reshape(max(counts), *problem.stored_shape)
            yield sources.in_memory(found["fiducial"], shifted)._replace(counts=counts)
        elif problem.delta_theta is not None:
            yield sources.shifted_in_memory(found["fiducial"], found[names["derivative"]])
        else:
            yield sources.in_memory(found["fiducial"], found[names["derivative"]])


def read_observed(path: str | Path, problem: Problem) -> np.ndarray:
    """Observed data of a user's file, (n, *input_shape), in its own precision.

    Raises:
        InputError: there are none in it, or they have another shape than simulations, or are not
            finite.

    """
    with open_arrays(path) as (found, _):
        if "observed" not in found:
            raise InputError(
                f"observed ({path}): expected a dataset 'observed', found "
                f"{', '.join(found) or 'none'}"
            )
        observed = found["observed"]
        if not isinstance(observed, h5py.Dataset | np.ndarray):
            raise InputError(
                f"observed ({path}): expected a dataset 'observed', found {type(observed).__name__}"
            )
        observed = np.asarray(observed)
    if observed.dtype.kind not in "fiu":
        raise InputError(f"observed ({path}): expected real numbers, found {observed.dtype}")
    shape = problem.input_shape
    if observed.shape == shape:
        observed = observed[None]
    if observed.shape[1:] != shape or not len(observed):
        raise InputError(
            f"observed ({path}): expected data of shape {shape} or {of_shape('n', *shape)}, found "
            f"{observed.shape}"
        )
    if not np.isfinite(observed).all():
        raise InputError(f"observed ({path}): expected finite numbers, found NaN or infinity")
    return observed if observed.dtype.kind == "f" else observed.astype(np.float64)
