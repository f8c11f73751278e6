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
from imnn_core.data import gaps, links, npz
from imnn_core.data.file_kinds import what_is_there
from imnn_core.store.errors import InputError, in_a_line

OF_YOUR_OWN = "it is a file of your own"  # what to do about it is yours to know
ATTRIBUTES = ("names", "theta_fid", "delta_theta")
NAMELESS = "observed"  # what the one array of an npy file is called

LIBRARY_SAYS = {
    "unable to lock file": "a file that another program has open for writing; close it there",
    "already open for write": "a file that a program has open for writing, or did not close; close "
    "it there, or see h5clear",
    "truncated file": "a file that was cut off",
    "File is not a zip file": "an npz file that was cut off",
    "is encrypted": "an archive with a password",
    "mmap length is greater": "an npy file that was cut off",
    "Python objects in dtype": "objects of Python, a pickle, which is not read",
}


class Array(NamedTuple):
    """An array in a file.

    dtype: in this machine's order of bytes.
    read: (start, out) fills a C-contiguous array of this dtype with rows, from ``start`` on.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[int, np.ndarray], None]

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
    """

    arrays: Mapping[str, Array]
    attributes: Mapping[str, Any]
    odd: Mapping[str, str]
    names: list[str]
    is_loaded: bool = True

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


def fill_rows(descriptor: int, offset: int, out: np.ndarray) -> None:
    """Fill an array with a file's bytes from ``offset`` on.

    HDF5's own reading takes 140 microseconds more per call.
    """
    rest = memoryview(out).cast("B")
    while rest and (n := os.preadv(descriptor, [rest], offset)):
        rest, offset = rest[n:], offset + n
    if rest:
        raise OSError("it ended early")


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

    def read(start, out):
        with in_words(path, f"{name} that can be read", remedy):
            if not dataset.shape:
                out[0] = dataset[()]
            elif file and offset is not None and len(out):
                fill_rows(descriptor, offset + start * out[0].nbytes, out)
            elif len(out):
                dataset.read_direct(out, np.s_[start : start + len(out)])
            found = os.fstat(descriptor).st_size  # HDF5 reads zeros where a file has become shorter
        if found < n_bytes and is_here:
            raise InputError(
                f"{path}: expected {n_bytes} bytes as at the beginning, found {found}; {remedy}"
            )

    return Array(tuple(dataset.shape), dtype, read)


def of_memory(array: np.ndarray) -> Array:
    """The array of an array."""

    def read(start, out):
        out[:] = array[start : start + len(out)] if array.shape else array

    return Array(array.shape, array.dtype.newbyteorder("="), read)


def _opened_hdf5(path, stack):
    file = stack.enter_context(h5py.File(path, "r"))
    arrays, odd, attributes = {}, {}, {}
    for name, item in links.datasets(file):
        if isinstance(item, Exception):
            odd[name] = f"a link that leads nowhere: {in_a_line(item)}"
        elif isinstance(item, h5py.Group):
            if name != "shifted" and name.count("/") != 1:
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
    return Opened(arrays, attributes, odd, links.names_of(file), is_loaded=False)


def _opened_npz(path):
    arrays, odd, attributes = {}, {}, {}
    load = functools.cache(functools.partial(npz.load, path))
    wanted = (*links.WANTED, *ATTRIBUTES)
    found = npz.headers(path, lambda name: name.split("/")[0] in wanted)
    for name, header in found.items():
        if header is None:
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

            shape, dtype = header
            arrays[name] = Array(shape, dtype.newbyteorder("="), read)
    return Opened(arrays, attributes, odd, list(found))


def _opened_npy(path):
    array = np.lib.format.open_memmap(path, mode="r")  # its header's size is compared
    return Opened({NAMELESS: of_memory(np.array(array))}, {}, {}, [NAMELESS])


@contextlib.contextmanager
def open_file(path: str | Path, kinds: str = "HDF5 or npz") -> Iterator[Opened]:
    """What is in an HDF5, npz or npy file (of which the one array is called `observed`).

    Args:
        path: to any file at all.
        kinds: of files that are expected, for errors.

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
                opened = _opened_npz(path)
            else:
                opened = _opened_hdf5(path, stack)
        yield opened
