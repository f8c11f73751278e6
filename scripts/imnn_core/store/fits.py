"""Trees of arrays in HDF5 files; fits and checkpoints, which consist of them."""

from pathlib import Path
from typing import Any

import h5py
import jax
import numpy as np
from imnn_core.store.errors import InputError
from imnn_core.store.hdf5 import as_input_errors, opened, writing


def _is_key(leaf) -> bool:
    return isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _named_leaves(tree: Any) -> tuple[dict[str, Any], Any]:
    """Leaves of a tree under names like `0/mu/1/w`, and the tree's structure."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    named = {
        jax.tree_util.keystr(path, simple=True, separator="/") or "value": leaf
        for path, leaf in leaves
    }
    return named, structure


def write_tree(group: h5py.Group, tree: Any) -> None:
    """Write a tree of arrays as datasets whose names are the paths in it."""
    for name, leaf in _named_leaves(tree)[0].items():
        group[name] = np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def read_tree(group: h5py.Group, like: Any, what: str) -> Any:
    """Read a tree of arrays.

    Args:
        group: that `write_tree` wrote.
        like: a tree of the same structure, shapes and dtypes, its leaves arrays or
            ShapeDtypeStructs.
        what: the tree's name in an error.

    Raises:
        InputError: names, shapes or dtypes differ.

    """
    found = {}
    group.visititems(
        lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None
    )
    leaves, structure = _named_leaves(like)
    if set(found) != set(leaves):
        odd = ", ".join(sorted(set(found) ^ set(leaves)))
        raise InputError(
            f"{group.file.filename}: expected the {what} of this recipe, found another tree; they "
            f"differ in {odd}"
        )
    values = []
    for name, leaf in leaves.items():
        array = found[name][()]
        if _is_key(leaf):
            array = jax.random.wrap_key_data(array)
        elif array.dtype.kind == "V":  # HDF5 knows no bfloat16
            array = array.view(leaf.dtype)
        if (array.shape, array.dtype) != (leaf.shape, leaf.dtype):
            raise InputError(
                f"{group.file.filename}: expected {what} {name} of shape {leaf.shape}, "
                f"{leaf.dtype}, found {array.shape}, {array.dtype}"
            )
        values.append(array)
    return jax.tree_util.tree_unflatten(structure, values)


def write_fit(
    path: str | Path,
    trees: dict,
    history: np.ndarray,
    statistics: dict,
    attributes: dict,
    kind: str = "fit",
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
    """Arrays of a group of a fit's file, by name; None if there is no such group.

    Raises:
        InputError: the file is not whole.

    """
    with opened(path, "fit") as file, as_input_errors(path):
        return (
            {name: dataset[()] for name, dataset in file[group].items()} if group in file else None
        )


def read_fit(
    path: str | Path, like: dict[str, Any], kind: str = "fit"
) -> tuple[dict, np.ndarray, dict, dict]:
    """Read what `write_fit` wrote: (trees, history, statistics, attributes).

    Statistics come back as mappings.

    Args:
        like: for each tree to be read, one of its structure, see `read_tree`.
        kind: of the file.

    Raises:
        InputError: the file is not whole, or holds other trees.

    """
    with opened(path, kind) as file, as_input_errors(path):
        trees = {name: read_tree(file[name], tree, name) for name, tree in like.items()}
        statistics = {
            split: {name: dataset[()] for name, dataset in group.items()}
            for split, group in file.get("statistics", {}).items()
        }
        attributes = {
            name: value.tolist() if isinstance(value, np.ndarray | np.generic) else value
            for name, value in file.attrs.items()
        }
        return trees, file["history"][:], statistics, attributes
