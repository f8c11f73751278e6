"""The arrays and attributes of a file, whatever it is and whatever the library says of it.

All that is read of a user's file goes through here: HDF5, npz and npy. Nothing in it is executed.
"""

import contextlib
import functools
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from imnn_core.data import gaps, links, npy, npz
from imnn_core.data.file_kinds import what_is_there
from imnn_core.data.npy import fill_rows
from imnn_core.data.one_array import ATTRIBUTES
from imnn_core.store.errors import InputError, in_a_line

OF_YOUR_OWN = "it is a file of your own"  # what to do about it is yours to know
NAMELESS = "observed"  # what the one array of an npy file is called

LIBRARY_SAYS = {
    "unable to lock file": "a file that another program has open for writing; close it there",
    "already open for write": "a file that a program has open for writing, or did not close; close "
    "it there, or see h5clear",
    "truncated file": "a file that was cut off",
    "File is not a zip file": "an npz file that was cut off",
    "is encrypted": "an archive with a password",
    "Python objects in dtype": "objects of Python, a pickle, which is not read",
}


class Array(NamedTuple):
    """An array in a file.

    dtype: in this machine's order of bytes.
    read: (start, out) fills a C-contiguous array of this dtype with rows, from ``start`` on.
    cut: a part of it by an index, in memory.
    place: where a row lies, in words, if the array has more than one file.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[int, np.ndarray], None]
    cut: Callable[[Any], np.ndarray] | None = None
    place: Callable[[int], str] | None = None

    def whole(self) -> np.ndarray:
        """All of it."""
        if not self.shape:
            one = np.empty(1, self.dtype)
            self.read(0, one)
            return one[0]
        out = np.empty(self.shape, self.dtype)
        self.read(0, out)
        return out


class Opened(NamedTuple):
    """What is in a file.

    arrays: by name, such as `fiducial` or `shifted/mu/0.1`.
    attributes: those of ATTRIBUTES that are there: texts, numbers and lists of them.
    odd: what was found in place of an array, a clause, by name.
    names: of all that is there.
    is_loaded: whether arrays are read whole into memory, as those of npz files are.
    is_held: whether arrays can be read only as long as the file is open.
    is_named: whether a configuration names each array.
    of_npz: bytes of npz files that are in memory at a time, if they are not all of it.
    """

    arrays: Mapping[str, Array]
    attributes: Mapping[str, Any]
    odd: Mapping[str, str]
    names: list[str]
    is_loaded: bool = True
    is_held: bool = True
    is_named: bool = False
    of_npz: int | None = None

    @property
    def n_loaded(self) -> int:
        """Bytes that are read into memory whole."""
        return self.is_loaded * self.n_bytes if self.of_npz is None else self.of_npz

    @property
    def n_bytes(self) -> int:
        """Bytes of the arrays."""
        return sum(math.prod(each.shape) * each.dtype.itemsize for each in self.arrays.values())


def words(error: Exception) -> str:
    """What a library said of a file, in the first words of its message."""
    text = in_a_line(error)
    return next((plain for known, plain in LIBRARY_SAYS.items() if known in text), text)


@contextlib.contextmanager
def in_words(path: str | Path, expected: str, remedy: str = "") -> Iterator[None]:
    """Turn whatever a library raises about a file into one line that names it."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        end = f"; {remedy}" if remedy else ""
        raise InputError(f"{path}: expected {expected}, found {words(error)}{end}") from None


def _attribute(value: Any) -> Any:
    """An attribute as a text, a number, or lists of them."""
    if isinstance(value, h5py.Empty):
        raise ValueError("nothing in it")
    if isinstance(value, np.ndarray | np.generic):
        return _attribute(value.tolist())
    if isinstance(value, list | tuple):
        return [_attribute(item) for item in value]
    return value.decode("utf-8") if isinstance(value, bytes) else value


def plain(value: Any) -> Any:
    """An attribute of this project's own as a list or a number of Python."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def of_hdf5(dataset: h5py.Dataset, path: str | Path, name: str, remedy: str) -> Array:
    """The array of an HDF5 dataset, as long as its file is open.

    Args:
        dataset: of a shape.
        path: of the file that was opened, and
        name: of the dataset, for errors, with
        remedy: what to do about them.

    """
    dtype = dataset.dtype.newbyteorder("=")
    is_here = os.path.samefile(dataset.file.filename, path)
    as_in_memory = is_here and dataset.id.get_type() == h5py.h5t.py_create(dtype)
    offset = dataset.id.get_offset() if as_in_memory else None  # None, too, if not in one piece
    file, n_bytes = dataset.file, os.path.getsize(path)
    descriptor = file.id.get_vfd_handle()

    def in_full(of_dataset):
        with in_words(path, f"{name} that can be read", remedy):
            result = of_dataset()
            found = os.fstat(descriptor).st_size  # HDF5 reads zeros where a file has become shorter
        if found < n_bytes and is_here:
            raise InputError(
                f"{path}: expected {n_bytes} bytes as at the beginning, found {found}; {remedy}"
            )
        return result

    def fill(start, out):
        if not dataset.shape:
            out[0] = dataset[()]
        elif file and offset is not None and len(out):
            fill_rows(descriptor, offset + start * out[0].nbytes, out)
        elif len(out):
            dataset.read_direct(out, np.s_[start : start + len(out)])

    def read(start, out):
        in_full(lambda: fill(start, out))

    return Array(tuple(dataset.shape), dtype, read, lambda index: in_full(lambda: dataset[index]))


def of_memory(array: np.ndarray) -> Array:
    """The array of an array."""

    def read(start, out):
        out[:] = array[start : start + len(out)] if array.shape else array

    return Array(array.shape, array.dtype.newbyteorder("="), read, lambda index: array[index])


def _opened_hdf5(path, stack, choose):
    file = stack.enter_context(h5py.File(path, "r"))
    arrays, odd, attributes, there = {}, {}, {}, links.names_of(file)
    for name, item in links.datasets(file, choose(there) if choose else links.WANTED):
        if isinstance(item, Exception):
            odd[name] = f"a link that leads nowhere: {in_a_line(item)}"
        elif isinstance(item, h5py.Group):
            if choose or (name != "shifted" and name.count("/") != 1):
                odd[name] = "a group"
        elif not isinstance(item, h5py.Dataset):
            odd[name] = "a named type, which has no numbers"
        elif item.shape is None:
            odd[name] = "an empty dataset"
        else:
            try:
                of_nowhere = list(gaps.of_dataset(item, path))
                if of_nowhere:
                    odd[name] = "; ".join(of_nowhere)
                else:
                    arrays[name] = of_hdf5(item, path, name, OF_YOUR_OWN)
            except Exception as error:  # whatever the library raises, as of types that numpy lacks
                odd[name] = words(error)
    for name in ATTRIBUTES:
        if name in file.attrs:
            with in_words(path, f"an attribute {name} that can be read"):
                attributes[name] = _attribute(file.attrs[name])
    return Opened(arrays, attributes, odd, there, is_loaded=False)


def _opened_npz(path, choose):
    arrays, odd, attributes = {}, {}, {}
    load = functools.cache(functools.partial(npz.load, path))
    wanted = (*links.WANTED, *ATTRIBUTES)
    found = npz.headers(path, lambda name: choose is not None or name.split("/")[0] in wanted)
    chosen = {*choose(list(found)), *ATTRIBUTES} if choose else found
    for name, header in found.items():
        if header is None or name not in chosen:
            continue
        if isinstance(header, Exception):
            odd[name] = words(header)
        elif name in ATTRIBUTES:
            with in_words(path, f"an array {name} that can be read"):
                attributes[name] = _attribute(load(name))
        else:

            def read(start, out, name=name):
                with in_words(path, f"{name} that can be read", OF_YOUR_OWN):
                    of_memory(load(name)).read(start, out)

            def cut(index, name=name):
                with in_words(path, f"{name} that can be read", OF_YOUR_OWN):
                    return load(name)[index]

            shape, dtype = header
            arrays[name] = Array(shape, dtype.newbyteorder("="), read, cut)
    return Opened(arrays, attributes, odd, list(found))


def _opened_npy(path):
    header = npy.header(path)

    def read(start, out):
        with in_words(path, "an npy file that can be read", OF_YOUR_OWN):
            npy.read(path, header, start, out)

    def cut(index):
        with in_words(path, "an npy file that can be read", OF_YOUR_OWN):
            return npy.cut(path, header, index)

    array = Array(header.shape, header.dtype.newbyteorder("="), read, cut)
    return Opened({NAMELESS: array}, {}, {}, [NAMELESS], is_loaded=False, is_held=False)


@contextlib.contextmanager
def open_file(
    path: str | Path,
    kinds: str = "HDF5 or npz",
    choose: Callable[[list[str]], list[str]] | None = None,
) -> Iterator[Opened]:
    """What is in an HDF5, npz or npy file (of which the one array is called `observed`).

    Args:
        path: to any file at all.
        kinds: of files that are expected, for errors.
        choose: which of the arrays that are there to open, by their names, in groups too; those
            of a set of simulations, if None.

    Raises:
        InputError: it is none of these, or can't be read.

    """
    path = Path(path)
    expected = f"an {kinds} file"
    with contextlib.ExitStack() as stack:
        with in_words(path, expected):
            what = what_is_there(path, "npy" in kinds)
            if what is not None:
                raise InputError(f"{path}: expected {expected}, found {what}")
            with open(path, "rb") as file:
                head = file.read(6)
            if head == b"\x93NUMPY":
                opened = _opened_npy(path)
            elif head.startswith(b"PK"):
                opened = _opened_npz(path, choose)
            else:
                opened = _opened_hdf5(path, stack, choose)
        yield opened
