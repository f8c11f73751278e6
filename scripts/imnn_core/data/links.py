"""Where an HDF5 dataset has its numbers from: other files, and rows that come from nowhere.

HDF5 reads what it does not find as fill values, and says nothing.
"""

import contextlib
import math
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from imnn_core.store.wording import of_shape

UNLIMITED = h5py.h5s.UNLIMITED
EXACTLY = 2**27  # numbers of a virtual dataset, each of which is looked for in its sources


def is_regular(path: str | Path) -> bool:
    """Whether this is a file with bytes in it; opening a pipe or a device may wait forever."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):  # ValueError: a name that can't be one
        return False


def place_of(path: str | Path, name: str) -> Path:
    """Where a file lies that another one names: beside it, or else where the process is."""
    beside = Path(path).parent / name
    return beside if os.path.exists(beside) else Path(name)


def others(path: str | Path) -> list[str]:
    """Paths of external links, external storage and virtual datasets; none if it is no HDF5 file.

    A file in which such a file takes its numbers from yet another one is not followed.
    """
    found = set()
    # Whoever reads the file says what is wrong with it.
    with contextlib.suppress(Exception):
        if not is_regular(path):
            return []
        with h5py.File(path, "r") as file:
            for name, dataset in datasets(file):
                link = file.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    found.add(link.filename)
                if not isinstance(dataset, h5py.Dataset):
                    continue
                found.add(dataset.file.filename)
                found |= {of_storage for of_storage, _, _ in dataset.external or ()}
                if dataset.is_virtual:
                    for source in dataset.virtual_sources():
                        names = _numbered(source.file_name, _rows(source.vspace, dataset.shape))
                        found |= {of_source for of_source, _ in names}
    places = {place_of(path, name) for name in found - {"."}}
    return sorted(str(place) for place in places if not place.exists() or not place.samefile(path))


WANTED = ("fiducial", "derivative", "shifted", "observed")  # datasets of a user's file
MOST = 10_000  # names that are looked at


def datasets(file: h5py.File) -> Iterator[tuple[str, Any]]:
    """Names of WANTED and of what lies in the group `shifted`, each with what it leads to.

    A dataset, something else of HDF5, or the exception by which it can't be opened.
    """

    def opened(name):
        link = file.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            place = place_of(file.filename, link.filename)
            if os.path.exists(place) and not is_regular(place):
                return OSError(f"{link.filename} is no file with bytes in it")
        try:
            return file[name]
        except Exception as error:  # whatever the library raises
            return error

    def walk(name, depth):
        item = opened(name)
        yield name, item
        if depth and isinstance(item, h5py.Group):
            for below in list(item)[:MOST]:
                yield from walk(f"{name}/{below}", depth - 1)

    for name in WANTED:
        if name in file.keys():  # noqa: SIM118 (`in file` follows links)
            yield from walk(name, 2 if name == "shifted" else 0)


def names_of(file: h5py.File) -> list[str]:
    """Paths of all datasets in a file, for messages; links are not followed."""
    found, seen = [], set()

    def walk(group, prefix, depth):
        for name in group:
            if len(found) >= MOST:
                return
            kind = group.get(name, getclass=True, getlink=True)
            if kind is h5py.HardLink and depth:
                item = group.get(name)
                if isinstance(item, h5py.Group):
                    if item.id not in seen:
                        seen.add(item.id)
                        walk(item, f"{prefix}{name}/", depth - 1)
                    continue
            found.append(f"{prefix}{name}")

    walk(file, "", 5)
    return found


def gaps(dataset: h5py.Dataset, path: str | Path, above: Sequence = ()) -> Iterator[str]:
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


def _rows(space, shape) -> np.ndarray:
    """Rows of which a selection has something, (n,) of bool."""
    found = np.zeros(shape[0], bool)
    for part in _selected(space, shape):
        along = part if part is ... else part[0]
        found[along if part is ... or isinstance(along, slice) else np.ravel(along)] = True
    return found


def _numbered(name, rows) -> Iterator[tuple[str, np.ndarray]]:
    """Names that a virtual dataset's source stands for, `%b` a number, with the rows of each."""
    if "%b" not in name.replace("%%", ""):
        yield name.replace("%%", "%"), rows
        return
    edges = np.flatnonzero(np.diff(np.concatenate([[0], rows.astype(np.int8), [0]])))
    blocks = max(1, len(edges) // 2)
    for i, part in enumerate(np.array_split(np.flatnonzero(rows), blocks)):
        mine = np.zeros(len(rows), bool)
        mine[part] = True
        yield name.replace("%b", str(i)).replace("%%", "%"), mine


def _selected(space, shape):
    """Parts of an array that a selection has, as indices of it."""
    kind = space.get_select_type()
    if kind == h5py.h5s.SEL_ALL:
        yield ...
    elif kind == h5py.h5s.SEL_POINTS:
        yield tuple(space.get_select_elem_pointlist().astype(np.int64).T)
    elif kind == h5py.h5s.SEL_HYPERSLABS and space.is_regular_hyperslab():
        along = []
        for a, s, c, b, n in zip(*space.get_regular_hyperslab(), shape, strict=True):
            first = int(a) + int(s) * np.arange(min(int(c), n))
            rows = (first[:, None] + np.arange(min(int(b), n))).ravel()
            along.append(rows[rows < n])
        yield np.ix_(*along)
    elif kind == h5py.h5s.SEL_HYPERSLABS:
        for low, high in space.get_select_hyper_blocklist().astype(np.int64):
            yield tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))


def _uncovered(dataset):
    """Rows of a virtual dataset with numbers that no source has, (n,) of bool."""
    size = math.prod(dataset.shape[1:])
    if dataset.size > EXACTLY:
        rows = [_rows(each.vspace, dataset.shape) for each in dataset.virtual_sources()]
        return ~np.any(rows, axis=0)
    covered = np.zeros(dataset.shape, bool)
    for each in dataset.virtual_sources():
        for part in _selected(each.vspace, dataset.shape):
            covered[part] = True
    return ~covered.reshape(len(dataset), size).all(axis=1)


def _of_virtual(dataset, path, above):
    for source in dataset.virtual_sources():
        for name, rows in _numbered(source.file_name, _rows(source.vspace, dataset.shape)):
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
            needed, n = _needed(source.src_space), source.vspace.get_select_npoints()
            if not needed:  # all of it, whatever its shape
                if n > math.prod(found.shape):
                    yield f"expected {n} numbers there, found {math.prod(found.shape)}"
                    return
            elif len(needed) != len(found.shape) or any(
                n > there for n, there in zip(needed, found.shape, strict=True)
            ):
                expected = of_shape(*needed)
                yield f"expected at least the shape {expected} there, found {found.shape}"
                return
            yield from gaps(found, place, above)
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
