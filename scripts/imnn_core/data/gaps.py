"""Rows of HDF5 datasets that come from nowhere.

HDF5 reads what it does not find as fill values, and says nothing.
"""

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
from imnn_core.data.links import is_regular, numbered, place_of, rows_of, selected
from imnn_core.store.wording import of_shape

UNLIMITED = h5py.h5s.UNLIMITED
EXACTLY = 2**27  # numbers of a virtual dataset, each of which is looked for in its sources


def of_dataset(dataset: h5py.Dataset, path: str | Path, above: Sequence = ()) -> Iterator[str]:
    """Rows of a dataset that come from nowhere, a clause each.

    Args:
        dataset: of a shape.
        path: of its file.
        above: the virtual datasets that take numbers from this one.

    """
    info = h5py.h5o.get_info(dataset.id)
    key = (info.fileno, info.addr)
    if key in above:
        yield "a virtual dataset that takes its numbers from itself"
    elif not dataset.shape or not math.prod(dataset.shape):
        return
    elif dataset.is_virtual:
        yield from _of_virtual(dataset, path, (*above, key))
    elif dataset.external:
        yield from _of_external(dataset, path)
    elif dataset.chunks:
        yield from _of_chunks(dataset)
    elif not dataset.id.get_storage_size():
        yield f"rows {_ranges(np.ones(len(dataset), bool))} that were never written"


def _ranges(rows) -> str:
    """Rows in words, `5 to 9, 12`, of a mask."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], rows.astype(np.int8), [0]])))
    first, last = edges[::2], edges[1::2] - 1
    parts = [f"{a}" if a == b else f"{a} to {b}" for a, b in zip(first[:3], last[:3], strict=True)]
    return ", ".join(parts) + ("" if len(first) <= 3 else ", …")


def _uncovered(dataset):
    """Rows of a virtual dataset with numbers that no source has, (n,) of bool."""
    size = math.prod(dataset.shape[1:])
    if dataset.size > EXACTLY:
        rows = [rows_of(each.vspace, dataset.shape) for each in dataset.virtual_sources()]
        return ~np.any(rows, axis=0)
    covered = np.zeros(dataset.shape, bool)
    for each in dataset.virtual_sources():
        for part in selected(each.vspace, dataset.shape):
            covered[part] = True
    return ~covered.reshape(len(dataset), size).all(axis=1)


def _of_virtual(dataset, path, above):
    for source in dataset.virtual_sources():
        for name, rows in numbered(source, dataset.shape):
            if rows.any():
                where = f"rows {_ranges(rows)} from {source.dset_name!r} of {name!r}"
                for gap in _of_source(source, path if name == "." else place_of(path, name), above):
                    yield f"{where}: {gap}"
    missing = _uncovered(dataset)
    if missing.any():
        yield f"rows {_ranges(missing)} of a virtual dataset that come from nowhere"


def _of_source(source, place, above):
    if not is_regular(place):
        yield "there is no such file"
        return
    try:
        with h5py.File(place, "r") as file:
            found = file[source.dset_name]
            if not isinstance(found, h5py.Dataset):
                yield "this is no dataset"
                return
            needed = _needed(source.src_space)
            if not needed:  # all of it, whatever its shape
                n = source.vspace.get_select_npoints()
                if n > math.prod(found.shape):
                    yield f"expected {n} numbers there, found {math.prod(found.shape)}"
                    return
            elif len(needed) != len(found.shape) or any(
                n > there for n, there in zip(needed, found.shape, strict=True)
            ):
                expected = of_shape(*needed)
                yield f"expected at least the shape {expected} there, found {found.shape}"
                return
            yield from of_dataset(found, place, above)
    except Exception as error:  # whatever the library raises
        yield str(error.args[0] if error.args else error)


def _needed(space) -> Sequence[int]:
    """The smallest shape that has all numbers of a selection; 0 along an axis without an end."""
    kind = space.get_select_type()
    if kind == h5py.h5s.SEL_ALL:
        return space.shape
    if kind == h5py.h5s.SEL_HYPERSLABS and space.is_regular_hyperslab():
        start, stride, count, block = space.get_regular_hyperslab()
        return [
            0 if UNLIMITED in (c, b) else int(a + s * (c - 1) + b)
            for a, s, c, b in zip(start, stride, count, block, strict=True)
        ]
    return [int(last) + 1 for last in space.get_select_bounds()[1]]


def _of_external(dataset, path):
    of_row, at = dataset.nbytes // len(dataset), 0
    for name, offset, size in dataset.external:
        place = place_of(path, name)
        left = dataset.nbytes - at
        wanted = min(left, size)
        if not is_regular(place):
            yield f"rows from {at // of_row} on in {name!r}: there is no such file"
            return
        there = max(0, os.path.getsize(place) - offset)
        if there < wanted:
            yield f"rows from {(at + there) // of_row} on in {name!r}: it ends before them"
            return
        at += wanted
    if at < dataset.nbytes:
        yield f"rows from {at // of_row} on that are in no file"


def _of_chunks(dataset):
    n = [math.ceil(size / chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True)]
    if dataset.id.get_num_chunks() >= math.prod(n):
        return
    found = np.zeros(n[0], np.int64)

    def count(info):
        if info.chunk_offset[0] < len(dataset):
            found[info.chunk_offset[0] // dataset.chunks[0]] += 1

    if hasattr(dataset.id, "chunk_iter"):
        dataset.id.chunk_iter(count)
    else:  # of an older HDF5
        for i in range(dataset.id.get_num_chunks()):
            count(dataset.id.get_chunk_info(i))
    missing = np.repeat(found < math.prod(n[1:]), dataset.chunks[0])[: len(dataset)]
    if missing.any():
        yield f"rows {_ranges(missing)} that were never written"
