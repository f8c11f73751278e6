"""HDF5 files, with provenance and a checksum by which they are known when they are read, and fits in them."""

import contextlib
import hashlib
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import jax
import numpy as np
from imnn_core.errors import InputError
from imnn_core.files import check, make_again, replacing

FORMAT = 2  # of the files written here; a reader refuses another
HEAD, MARK = 512, b"sha256 of what follows these 512 bytes: "  # HDF5 leaves a file's first bytes to its user


def provenance() -> dict[str, str]:
    """Versions of what computes the numbers."""
    packages = ("jax", "jaxlib", "optax", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


@contextlib.contextmanager
def writing(path: str | Path, kind: str, attributes: dict) -> Iterator[h5py.File]:
    """A new file of this kind, which is there once the context ends without an error."""
    with replacing(path) as temporary:
        with h5py.File(temporary, "w", userblock_size=HEAD) as file:
            file.attrs.update({"kind": kind, "format": FORMAT, **provenance(), **attributes})
            yield file
        seal(temporary)


def _head(checksum: bytes) -> bytes:
    return (MARK + checksum + b"\n").ljust(HEAD, b"\0")


def seal(path: str | Path) -> None:
    """Write the checksum of an HDF5 file into its first bytes."""
    with open(path, "r+b") as file:
        file.seek(HEAD)
        written = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        file.write(_head(written.encode()))


def checksum(path: str | Path) -> str:
    """The checksum that stands in an HDF5 file's first bytes.

    Raises:
        InputError: there is none.

    """
    with as_input_errors(path), open(path, "rb") as file:
        head = file.read(HEAD)
    written = head.removeprefix(MARK).partition(b"\n")[0]
    if head != _head(written):
        raise InputError(f"{path}: expected a whole file of this pipeline, found one without its checksum; {make_again(path)}")
    return written.decode("ascii", "replace")


def verify(path: str | Path) -> None:
    """See that an HDF5 file is as it was written; reads it once.

    Raises:
        InputError: it is not, or was not written here.

    """
    expected = checksum(path)
    with as_input_errors(path), open(path, "rb") as file:
        file.seek(HEAD)
        check(path, expected, hashlib.file_digest(file, "sha256").hexdigest(), file.tell())


@contextlib.contextmanager
def as_input_errors(path: str | Path) -> Iterator[None]:
    """What h5py says of a broken file, in a line."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: expected a whole HDF5 file, found: {error}; {make_again(path)}") from None
    except KeyError as error:
        raise InputError(f"{path}: expected a dataset that is not there: {error.args[0]}; {make_again(path)}") from None


def opened(path: str | Path, *kinds: str) -> h5py.File:
    """A file of one of these kinds, to be read.

    Raises:
        InputError: the file is not as it was written, or of another kind.

    """
    verify(path)
    with as_input_errors(path), contextlib.ExitStack() as stack:
        file = stack.enter_context(h5py.File(path, "r"))
        found = (file.attrs.get("kind"), file.attrs.get("format"))
        if found[0] not in kinds or found[1] != FORMAT:
            expected = f"a file of kind {' or '.join(map(repr, kinds))}, format {FORMAT}"
            raise InputError(f"{path}: expected {expected}, found {found[0]!r}, {found[1]}; {make_again(path)}")
        stack.pop_all()
        return file


def _is_key(leaf) -> bool:
    return isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _named_leaves(tree: Any) -> tuple[dict[str, Any], Any]:
    """Leaves of a tree under names like `0/mu/1/w`, and the tree's structure."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    named = {jax.tree_util.keystr(path, simple=True, separator="/") or "value": leaf for path, leaf in leaves}
    return named, structure


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
        elif array.dtype.kind == "V":  # HDF5 knows no bfloat16
            array = array.view(leaf.dtype)
        if (array.shape, array.dtype) != (leaf.shape, leaf.dtype):
            raise InputError(
                f"{group.file.filename}: expected {what} {name} of shape {leaf.shape}, {leaf.dtype}, "
                f"found {array.shape}, {array.dtype}"
            )
        values.append(array)
    return jax.tree_util.tree_unflatten(structure, values)


def write_fit(
    path: str | Path, trees: dict, history: np.ndarray, statistics: dict, attributes: dict, kind: str = "fit"
) -> None:
    """Write a fit, or a checkpoint of one.

    Args:
        trees: weights and optimiser state, by name (`weights/best`, `optimiser_state`, …).
        history: (n_iterations, n_splits, n_quantities).
        statistics: `fisher.Statistics` of each split at the weights that the recipe chose.
        attributes: numbers and texts: recipe, seed, how it stopped, …
        kind: of the file.

    """
    with writing(path, kind, attributes) as file:
        for name, tree in trees.items():
            write_tree(file.require_group(name), tree)
        file["history"] = history
        for split, values in statistics.items():
            write_tree(file.require_group(f"statistics/{split}"), values)


def read_arrays(path: str | Path, group: str) -> dict[str, np.ndarray] | None:
    """The arrays of a group of a fit's file by name, or None where there is no such group.

    Raises:
        InputError: the file is not whole.

    """
    with opened(path, "fit") as file, as_input_errors(path):
        return {name: dataset[()] for name, dataset in file[group].items()} if group in file else None


def read_fit(path: str | Path, like: dict[str, Any], kind: str = "fit") -> tuple[dict, np.ndarray, dict, dict]:
    """Read a fit: (trees, history, statistics, attributes), as `write_fit` got them, the statistics as mappings.

    Args:
        like: for each tree that is wanted one of its structure, see `read_tree`.
        kind: of the file.

    Raises:
        InputError: the file is not whole, or holds other trees.

    """
    with opened(path, kind) as file, as_input_errors(path):
        trees = {name: read_tree(file[name], tree, name) for name, tree in like.items()}
        statistics = {
            split: {name: dataset[()] for name, dataset in group.items()} for split, group in file.get("statistics", {}).items()
        }
        attributes = {
            name: value.tolist() if isinstance(value, np.ndarray | np.generic) else value for name, value in file.attrs.items()
        }
        return trees, file["history"][:], statistics, attributes
