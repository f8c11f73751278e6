"""Arrays in npy files, read where they lie; a header is compared with what follows it."""

import math
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from imnn_core.data.npz import header_of


class Header(NamedTuple):
    """What an npy file says of its array, and where its numbers begin."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype
    offset: int

    @property
    def n_bytes(self) -> int:
        """Bytes of the numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


def fill_rows(descriptor: int, offset: int, out: np.ndarray) -> None:
    """Fill an array with a file's bytes from ``offset`` on.

    HDF5's own reading takes 140 microseconds more per call.
    """
    if not out.size:
        return
    rest = memoryview(out).cast("B")
    while rest and (n := os.preadv(descriptor, [rest], offset)):
        rest, offset = rest[n:], offset + n
    if rest:
        raise OSError("it ended early")


def header(path: str | Path) -> Header:
    """Shape, order and dtype of an npy file.

    Raises:
        ValueError: it is a pickle, or was cut off, or has more than one array.

    """
    with open(path, "rb") as file:
        shape, is_fortran, dtype = header_of(file)
        found = Header(shape, is_fortran and len(shape) > 1, dtype, file.tell())
        _check_size(file.fileno(), found)
    return found


def _check_size(descriptor: int, found: Header) -> None:
    rest = os.fstat(descriptor).st_size - found.offset
    if rest != found.n_bytes:
        raise ValueError(
            f"an npy file that was cut off or extended: {rest} bytes of {found.n_bytes} for the "
            f"shape {found.shape}"
        )


def read(path: str | Path, found: Header, start: int, out: np.ndarray) -> None:
    """Fill an array of this machine's order of bytes with rows, from ``start`` on."""
    if found.is_fortran:
        out[:] = cut(path, found, np.s_[start : start + len(out)])
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        of_row = math.prod(found.shape[1:]) * found.dtype.itemsize
        fill_rows(descriptor, found.offset + start * of_row, out)
        _check_size(descriptor, found)
    finally:
        os.close(descriptor)
    if not found.dtype.isnative:
        out.byteswap(inplace=True)


def cut(path: str | Path, found: Header, index: Any) -> np.ndarray:
    """A part of the array, by an index, in memory."""
    with open(path, "rb") as file:
        _check_size(file.fileno(), found)  # beyond its end a mapped file kills the process
        order = "F" if found.is_fortran else "C"
        if not found.n_bytes:
            return np.zeros(found.shape, found.dtype)[index]
        mapped = np.memmap(file, found.dtype, "r", found.offset, found.shape, order)
        return np.array(mapped[index], found.dtype.newbyteorder("="))
