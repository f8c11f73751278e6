"""Simulations and fits in HDF5 files, checked and with provenance; the only module that knows HDF5."""

import contextlib
import os
import platform
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import jax
import numpy as np
from imnn_core import rows
from imnn_core.chunks import Source
from imnn_core.errors import InputError
from imnn_core.files import check_room, make_again, replacing
from imnn_core.problems import Problem
from imnn_core.simulations import Simulations

FORMAT = 1  # of the files written here; a reader refuses another


def provenance() -> dict[str, str]:
    """Versions of what computes the numbers."""
    return {"python": platform.python_version(), "jax": jax.__version__, "numpy": np.__version__}


@contextlib.contextmanager
def _writing(path: str | Path, kind: str, attributes: dict) -> Iterator[h5py.File]:
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update({"kind": kind, "format": FORMAT, **provenance(), **attributes})
        yield file


@contextlib.contextmanager
def _as_input_errors(path: str | Path) -> Iterator[None]:
    """What h5py says of a broken file, in a line."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: expected a whole HDF5 file, found: {error}; {make_again(path)}") from None
    except KeyError as error:
        raise InputError(f"{path}: expected a dataset that is not there: {error.args[0]}; {make_again(path)}") from None


def _open(path: str | Path, kind: str) -> h5py.File:
    with _as_input_errors(path), contextlib.ExitStack() as stack:
        file = stack.enter_context(h5py.File(path, "r"))
        found = (file.attrs.get("kind"), file.attrs.get("format"))
        if found != (kind, FORMAT):
            expected = f"a file of kind {kind!r}, format {FORMAT}"
            raise InputError(f"{path}: expected {expected}, found {found[0]!r}, {found[1]}; {make_again(path)}")
        stack.pop_all()
        return file


def write_simulations(
    path: str | Path, pieces: Iterable[Simulations], problem: Problem, *, n_s: int, n_d: int, seed: int, split: str
) -> None:
    """Write one split of one seed, piece by piece as it is drawn.

    Datasets: fiducial (n_s, *input_shape); derivative (n_d, *input_shape, n_params). Each lies in one stretch of the file:
    fits read consecutive rows, which HDF5 does more slowly from a dataset in chunks, of whatever size.

    Raises:
        InputError: the disk is full.

    """
    attributes = {
        "problem": problem.name,
        "names": list(problem.names),
        "theta_fid": problem.theta_fid,
        "seed": seed,
        "split": split,
    }
    with _writing(path, "simulations", attributes) as file:
        start = 0
        for piece in pieces:
            if start == 0:
                for name, shape in _shapes(problem, n_s, n_d).items():
                    file.create_dataset(name, shape, getattr(piece, name).dtype)
                check_room(path, sum(file[name].nbytes for name in Simulations._fields))
            for name in Simulations._fields:
                array = getattr(piece, name)
                file[name][start : start + len(array)] = array
            start += len(piece.fiducial)


@contextlib.contextmanager
def open_simulations(path: str | Path, problem: Problem, *, n_s: int, n_d: int, seed: int, split: str) -> Iterator[Source]:
    """One split of one seed, to be read by rows while the context lasts.

    The whole file is read once, a piece at a time, to see that its numbers are finite.

    Raises:
        InputError: the file is truncated, has other shapes, or comes from another problem, theta_fid,
            seed or split than asked for, or holds NaN or infinities; and of ``Source.read``: it has become shorter, or
            can't be read any more.

    """
    with _open(path, "simulations") as file:
        with _as_input_errors(path):
            expected = {
                "problem": problem.name,
                "names": list(problem.names),
                "theta_fid": problem.theta_fid.tolist(),
                "seed": seed,
                "split": split,
            }
            for name, value in expected.items():
                found = file.attrs.get(name)
                found = found.tolist() if isinstance(found, np.ndarray | np.generic) else found
                if found != value:
                    raise InputError(f"{path}: expected {name} = {value} as in the config, found {found}; {make_again(path)}")
            for name, shape in _shapes(problem, n_s, n_d).items():
                if file[name].shape != shape:
                    raise InputError(f"{path}: expected {name} of shape {shape}, found {file[name].shape}; {make_again(path)}")
            source = _source(file, path)
            rows.check_finite(source, path)
        yield source


def _shapes(problem, n_s, n_d):
    """Of the datasets of a file of simulations."""
    return {"fiducial": (n_s, *problem.input_shape), "derivative": (n_d, *problem.input_shape, len(problem.names))}


def _source(file: h5py.File, path: str | Path) -> Source:
    """The simulations of an open file."""
    n_bytes, descriptor = os.path.getsize(path), file.id.get_vfd_handle()
    datasets = {name: file[name] for name in Simulations._fields}
    arrays, offsets = {}, {}
    for name, dataset in datasets.items():
        dtype = dataset.dtype.newbyteorder("=")
        as_in_memory = dataset.id.get_type() == h5py.h5t.py_create(dtype)
        arrays[name] = jax.ShapeDtypeStruct(dataset.shape, dtype)
        offsets[name] = dataset.id.get_offset() if as_in_memory else None  # None, too, if they are not in one piece

    def read(name, start, out):
        try:
            if len(out) and file and offsets[name] is not None and out.dtype == arrays[name].dtype:
                rows.read(descriptor, offsets[name] + start * out[0].nbytes, out)
            elif len(out):
                datasets[name].read_direct(out, np.s_[start : start + len(out)])
            found = os.fstat(descriptor).st_size  # HDF5 reads zeros where a file has become shorter
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"{path}: could not be read any more: {error}; {make_again(path)}") from None
        if found < n_bytes:
            raise InputError(f"{path}: expected {n_bytes} bytes as at the beginning, found {found}; {make_again(path)}")

    return Source(**arrays, read=read)


def _is_key(leaf) -> bool:
    return isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _named_leaves(tree: Any) -> tuple[dict[str, Any], Any]:
    """Leaves of a tree under names like `0/mu/1/w`, and the tree's structure."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}, structure


def write_tree(group: h5py.Group, tree: Any) -> None:
    """Write a tree of arrays as datasets whose names are the paths in it."""
    for name, leaf in _named_leaves(tree)[0].items():
        group[name] = np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def read_tree(group: h5py.Group, like: Any, what: str) -> Any:
    """Read a tree of arrays.

    Args:
        group: that `write_tree` wrote.
        like: a tree of the same structure, shapes and dtypes, its leaves arrays or ShapeDtypeStructs.
        what: the tree's name in an error.

    Raises:
        InputError: names, shapes or dtypes differ.

    """
    found = {}
    group.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
    leaves, structure = _named_leaves(like)
    if set(found) != set(leaves):
        odd = ", ".join(sorted(set(found) ^ set(leaves)))
        raise InputError(f"{group.file.filename}: expected the {what} of this recipe, found another tree; they differ in {odd}")
    values = []
    for name, leaf in leaves.items():
        array = found[name][()]
        if _is_key(leaf):
            array = jax.random.wrap_key_data(array)
        if (array.shape, array.dtype) != (leaf.shape, leaf.dtype):
            raise InputError(
                f"{group.file.filename}: expected {what} {name} of shape {leaf.shape}, {leaf.dtype}, "
                f"found {array.shape}, {array.dtype}"
            )
        values.append(array)
    return jax.tree_util.tree_unflatten(structure, values)


def write_fit(path: str | Path, trees: dict, history: np.ndarray, statistics: dict, attributes: dict) -> None:
    """Write a fit.

    Args:
        trees: weights and optimiser state, by name (`weights/best`, `optimiser_state`, …).
        history: (n_iterations, n_splits, n_quantities).
        statistics: `fisher.Statistics` of each split at the weights that the recipe chose.
        attributes: numbers and texts: recipe, seed, how it stopped, …

    """
    with _writing(path, "fit", attributes) as file:
        for name, tree in trees.items():
            write_tree(file.require_group(name), tree)
        file["history"] = history
        for split, values in statistics.items():
            write_tree(file.require_group(f"statistics/{split}"), values)


def read_fit(path: str | Path, like: dict[str, Any]) -> tuple[dict, np.ndarray, dict, dict]:
    """Read a fit: (trees, history, statistics, attributes), as `write_fit` got them, the statistics as mappings.

    Args:
        like: for each tree that is wanted one of its structure, see `read_tree`.

    Raises:
        InputError: the file is not whole, or holds other trees.

    """
    with _open(path, "fit") as file, _as_input_errors(path):
        trees = {name: read_tree(file[name], tree, name) for name, tree in like.items()}
        statistics = {
            split: {name: dataset[()] for name, dataset in group.items()} for split, group in file["statistics"].items()
        }
        attributes = {name: value.item() if isinstance(value, np.generic) else value for name, value in file.attrs.items()}
        return trees, file["history"][:], statistics, attributes
