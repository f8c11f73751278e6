"""Other files from which an HDF5 file takes its datasets, and where they lie."""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

WANTED = ("fiducial", "derivative", "shifted", "observed")  # datasets of a user's file
MOST = 10_000  # names that are looked at
OF_NUMPY = (b"\x93NUM", b"PK\3\4")  # first bytes of npy and npz files


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


def others(path: str | Path, name_of: str | None = None) -> list[str]:
    """Paths of external links, external storage and virtual datasets; none if it is no HDF5 file.

    A file in which such a file takes its numbers from yet another one is not followed.

    Args:
        path: to any file.
        name_of: the dataset that is looked at; those of a set of simulations, if None.

    """
    found = set()
    # Whoever reads the file says what is wrong with it.
    with contextlib.suppress(Exception):
        if not is_regular(path):
            return []
        with open(path, "rb") as file:
            if file.read(4) in OF_NUMPY:  # quicker than HDF5's own look
                return []
        with h5py.File(path, "r") as file:
            for name, dataset in datasets(file, [name_of] if name_of else WANTED):
                link = file.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    found.add(link.filename)
                if not isinstance(dataset, h5py.Dataset):
                    continue
                found.add(dataset.file.filename)
                found |= {of_storage for of_storage, _, _ in dataset.external or ()}
                if dataset.is_virtual:
                    for source in dataset.virtual_sources():
                        found |= {name for name, _ in numbered(source, dataset.shape)}
    places = {place_of(path, name) for name in found - {"."}}
    return sorted(str(place) for place in places if not place.exists() or not place.samefile(path))


def datasets(file: h5py.File, wanted: Sequence[str] = WANTED) -> Iterator[tuple[str, Any]]:
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

    for name in wanted:
        if "/" in name or name in file.keys():  # noqa: SIM118 (`in file` follows links)
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


def rows_of(space: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Rows of which a selection has something, (n,) of bool."""
    found = np.zeros(shape[0], bool)
    for part in selected(space, shape):
        along = part if part is ... else part[0]
        found[along if part is ... or isinstance(along, slice) else np.ravel(along)] = True
    return found


def numbered(source: Any, shape: tuple[int, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Files that a virtual dataset's source stands for, each with its rows, (n,) of bool.

    In the name of a source of blocks without an end, `%b` is the number of a block.
    """
    name, rows = source.file_name, rows_of(source.vspace, shape)
    if "%b" not in name.replace("%%", "") or not source.vspace.is_regular_hyperslab():
        yield name.replace("%%", "%"), rows
        return
    (start, *_), (stride, *_), _, (block, *_) = source.vspace.get_regular_hyperslab()
    for i, first in enumerate(range(int(start), shape[0], int(stride))):
        mine = np.zeros(len(rows), bool)
        mine[first : first + int(block)] = True
        yield name.replace("%b", str(i)).replace("%%", "%"), mine


def selected(space: Any, shape: tuple[int, ...]) -> Iterator[Any]:
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
