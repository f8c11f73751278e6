"""Sets of simulations in files: those that this project draws, and a user's own, which are read where they lie."""

import contextlib
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import jax
import jax.numpy as jnp
import numpy as np
from imnn_core import chunks, links, rows
from imnn_core.chunks import Source
from imnn_core.errors import InputError
from imnn_core.files import check_room, make_again
from imnn_core.names import of_shape
from imnn_core.problem import Problem
from imnn_core.simulations import Simulations
from imnn_core.storage import as_input_errors, opened, writing

OF_YOUR_OWN = "it is a file of your own"  # what to do about it is yours to know


def dataset_names(problem: Problem) -> dict[str, str]:
    """What the parts of a set are called in a file."""
    return {"fiducial": "fiducial", "derivative": "derivative" if problem.delta_theta is None else "shifted"}


def _identity(problem: Problem, seed: int, split: str) -> dict[str, Any]:
    """Attributes by which a set of simulations is known."""
    steps = {} if problem.delta_theta is None else {"delta_theta": problem.delta_theta}
    return {
        "problem": problem.name,
        "names": list(problem.names),
        "theta_fid": problem.theta_fid,
        "seed": seed,
        "split": split,
        **steps,
    }


def _plain(value: Any) -> Any:
    """An attribute as a list or a number of Python."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def write_simulations(
    path: str | Path, pieces: Iterable[Simulations], problem: Problem, *, n_s: int, n_d: int, seed: int, split: str
) -> None:
    """Write one split of one seed, piece by piece as it is drawn.

    Datasets: fiducial (n_s, *input_shape); derivative (n_d, *input_shape, n_params), or shifted (n_d, 2, n_params,
    *input_shape). Each lies in one stretch of the file: fits read consecutive rows, which HDF5 does more slowly from a dataset
    in chunks, of whatever size.

    Raises:
        InputError: the disk is full.

    """
    names = dataset_names(problem)
    shapes = {"fiducial": (n_s, *problem.input_shape), "derivative": (n_d, *problem.derivative_shape)}
    with writing(path, "simulations", _identity(problem, seed, split)) as file:
        written = dict.fromkeys(names, 0)
        for piece in pieces:
            if not len(file):
                for part, name in names.items():
                    file.create_dataset(name, shapes[part], getattr(piece, part).dtype)
                check_room(path, sum(dataset.nbytes for dataset in file.values()))
            for part, name in names.items():
                array = getattr(piece, part)
                file[name][written[part] : written[part] + len(array)] = array
                written[part] += len(array)


def write_reference(
    path: str | Path, checked: Mapping[str, Any], problem: Problem, *, rows_of_file: np.ndarray | None, seed: int, split: str
) -> None:
    """Write which simulations of a user's file are a split, without a copy of them.

    Args:
        checked: the path to the `file`, its `n_s` and `n_d`, and a `digest` of its numbers.
        rows_of_file: numbers of the split's simulations in it, rising; all, if None.

    """
    sizes = {"file": str(checked["file"]), "n_s_of_file": checked["n_s"], "n_d_of_file": checked["n_d"]}
    sizes["digest"] = checked["digest"]  # so that a reference changes with the numbers that it means
    with writing(path, "reference", _identity(problem, seed, split) | sizes) as file:
        if rows_of_file is not None:
            file["rows"] = rows_of_file


@contextlib.contextmanager
def open_simulations(
    path: str | Path, problem: Problem, *, seed: int, split: str, n_s: int | None = None, n_d: int | None = None
) -> Iterator[Source]:
    """One split of one seed, to be read by rows while the context lasts.

    The whole file is read once, to see that it is as it was written; of a reference the file that it means, to see that its
    numbers are finite.

    Args:
        n_s, n_d: simulations and derivatives that are expected in it; as many as there are, if None.

    Raises:
        InputError: the file was cut off or changed, has other shapes, or comes from another problem, theta_fid,
            seed or split than asked for; a user's holds NaN or infinities; and of ``Source.read``: it has become shorter, or
            can't be read any more.

    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(opened(path, "simulations", "reference"))
        with as_input_errors(path):
            for name, value in (_identity(problem, seed, split) | {"delta_theta": problem.delta_theta}).items():
                found, value = _plain(file.attrs.get(name)), _plain(value)
                if found != value:
                    raise InputError(f"{path}: expected {name} = {value} as in the config, found {found}; {make_again(path)}")
            is_reference = file.attrs["kind"] == "reference"
            if is_reference:
                source = stack.enter_context(_referred(file, problem))
            else:
                source = _source(file, path, dataset_names(problem), make_again(path))
            expected = {"fiducial": (n_s, problem.input_shape), "derivative": (n_d, problem.derivative_shape)}
            for part, (n, shape) in expected.items():
                found = getattr(source, part).shape
                if found != (found[0] if n is None else n, *shape):
                    name = dataset_names(problem)[part]
                    shown = of_shape("n" if n is None else n, *shape)
                    raise InputError(f"{path}: expected {name} of shape {shown}, found {found}; {make_again(path)}")
            if is_reference:
                rows.check_finite(source, file.attrs["file"], OF_YOUR_OWN)
        yield source


@contextlib.contextmanager
def _referred(reference: h5py.File, problem: Problem) -> Iterator[Source]:
    """The simulations of a user's file that a reference means."""
    with open_users(reference.attrs["file"], problem) as source:
        for part, key in (("fiducial", "n_s_of_file"), ("derivative", "n_d_of_file")):
            found, expected = len(getattr(source, part)), reference.attrs[key]
            if found != expected:
                raise InputError(
                    f"{reference.attrs['file']}: expected {expected} in {dataset_names(problem)[part]} as when it was checked, "
                    f"found {found}; run snakemake again to check it anew"
                )
        yield chunks.select(source, reference["rows"][:]) if "rows" in reference else source


def _source(file: h5py.File, path: str | Path, names: Mapping[str, str], remedy: str) -> Source:
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
        as_in_memory = dataset.id.get_type() == h5py.h5t.py_create(dtype) and dataset.file.filename == file.filename  # no link
        wide = dtype.itemsize > np.dtype(jnp.result_type(float)).itemsize
        arrays[part] = jax.ShapeDtypeStruct(dataset.shape, jnp.result_type(float) if wide else dtype)
        offsets[part] = dataset.id.get_offset() if as_in_memory and not wide else None  # None, too, if not in one piece

    def read(part, start, out):
        try:
            if len(out) and file and offsets[part] is not None and out.dtype == arrays[part].dtype:
                rows.read(descriptor, offsets[part] + start * out[0].nbytes, out)
            elif len(out):
                datasets[part].read_direct(out, np.s_[start : start + len(out)])
            found = os.fstat(descriptor).st_size  # HDF5 reads zeros where a file has become shorter
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"{path}: could not be read any more: {error}; {remedy}") from None
        if found < n_bytes:
            raise InputError(f"{path}: expected {n_bytes} bytes as at the beginning, found {found}; {remedy}")

    return Source(**arrays, read=read)


@contextlib.contextmanager
def open_arrays(path: str | Path) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
    """What is in a user's file, HDF5, npz or npy, by name (npy: `observed`): things with a shape and a dtype; and attributes.

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
                attributes = {name: _plain(value) for name, value in found.attrs.items()}
            else:
                loaded = np.load(stack.enter_context(open(path, "rb")), allow_pickle=False)
                found = {"observed": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
                attributes = {name: _plain(found[name]) for name in ("names", "theta_fid", "delta_theta") if name in found}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            what = "something else, or a pickle, which is not read" if "pickle" in str(error) else error
            raise InputError(f"{path}: expected an HDF5, npz or npy file, found: {what}") from None
        yield found, attributes


@contextlib.contextmanager
def open_users(path: str | Path, problem: Problem) -> Iterator[Source]:
    """All simulations of a user's file, whose parts have been seen to be there; an HDF5 file is read where it lies."""
    names = dataset_names(problem)
    with open_arrays(path) as (found, _):
        if isinstance(found, h5py.File):
            yield _source(found, path, names, OF_YOUR_OWN)
        else:
            with np.errstate(over="ignore"):  # what is too large becomes infinite, which is looked for
                arrays = [found[name].astype(jnp.result_type(float), copy=False) for name in names.values()]
            yield chunks.in_memory(*arrays)


def read_observed(path: str | Path, problem: Problem) -> np.ndarray:
    """Observed data of a user's file, (n, *input_shape), in the precision that jax computes in.

    Raises:
        InputError: there are none in it, or they have another shape than simulations, or are not finite.

    """
    with open_arrays(path) as (found, _):
        if "observed" not in found:
            raise InputError(f"observed ({path}): expected a dataset 'observed', found {', '.join(found) or 'none'}")
        observed = found["observed"]
        if not isinstance(observed, h5py.Dataset | np.ndarray):
            raise InputError(f"observed ({path}): expected a dataset 'observed', found {type(observed).__name__}")
        observed = np.asarray(observed)
    if observed.dtype.kind not in "fiu":
        raise InputError(f"observed ({path}): expected real numbers, found {observed.dtype}")
    shape = problem.input_shape
    if observed.shape == shape:
        observed = observed[None]
    if observed.shape[1:] != shape or not len(observed):
        raise InputError(
            f"observed ({path}): expected data of shape {shape} or {of_shape('n', *shape)}, found {observed.shape}"
        )
    if not np.isfinite(observed).all():
        raise InputError(f"observed ({path}): expected finite numbers, found NaN or infinity")
    return observed.astype(jnp.result_type(float))
