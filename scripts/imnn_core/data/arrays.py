"""Arrays in files: simulations, read by rows where they lie, and what a user's file holds."""

import contextlib
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.data import links, sources
from imnn_core.data.sources import Source
from imnn_core.problems import Problem
from imnn_core.store.errors import InputError
from imnn_core.store.wording import of_shape

OF_YOUR_OWN = "it is a file of your own"  # what to do about it is yours to know


def dataset_names(problem: Problem) -> dict[str, str]:
    """What the parts of a set are called in a file."""
    return {
        "fiducial": "fiducial",
        "derivative": "derivative" if problem.delta_theta is None else "shifted",
    }


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


def source_of(file: h5py.File, path: str | Path, names: Mapping[str, str], remedy: str) -> Source:
    """The simulations of an open file, in the precision that jax computes in, or less.

    Args:
        names: of the datasets, by part of the source.
        remedy: what to do where they can't be read, for an error.

    """
    n_bytes, descriptor = os.path.getsize(path), file.id.get_vfd_handle()
    datasets = {part: file[name] for part, name in names.items()}
    arrays, offsets = {}, {}
    for part, dataset in datasets.items():
        dtype = dataset.dtype.newbyteorder("=")
        as_in_memory = (
            dataset.id.get_type() == h5py.h5t.py_create(dtype)
            and dataset.file.filename == file.filename
        )  # no link
        wide = dtype.itemsize > np.dtype(jnp.result_type(float)).itemsize
        arrays[part] = jax.ShapeDtypeStruct(
            dataset.shape, jnp.result_type(float) if wide else dtype
        )
        offsets[part] = (
            dataset.id.get_offset() if as_in_memory and not wide else None
        )  # None, too, if not in one piece

    def read(part, start, out):
        try:
            if len(out) and file and offsets[part] is not None and out.dtype == arrays[part].dtype:
                read_rows(descriptor, offsets[part] + start * out[0].nbytes, out)
            elif len(out):
                datasets[part].read_direct(out, np.s_[start : start + len(out)])
            found = os.fstat(descriptor).st_size  # HDF5 reads zeros where a file has become shorter
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"{path}: could not be read any more: {error}; {remedy}") from None
        if found < n_bytes:
            raise InputError(
                f"{path}: expected {n_bytes} bytes as at the beginning, found {found}; {remedy}"
            )

    return Source(**arrays, read=read)


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
                    raise InputError("\n".join(f"{path}: {line}" for line in lines))
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
    names = dataset_names(problem)
    with open_arrays(path) as (found, _):
        if isinstance(found, h5py.File):
            yield source_of(found, path, names, OF_YOUR_OWN)
        else:
            with np.errstate(
                over="ignore"
            ):  # what is too large becomes infinite, which is looked for
                arrays = [
                    found[name].astype(jnp.result_type(float), copy=False)
                    for name in names.values()
                ]
            yield sources.in_memory(*arrays)


def read_observed(path: str | Path, problem: Problem) -> np.ndarray:
    """Observed data of a user's file, (n, *input_shape), in the precision that jax computes in.

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
    return observed.astype(jnp.result_type(float))
