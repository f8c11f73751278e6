"""Sets of simulations that can be read by rows, wherever they lie."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np
from imnn_core.store.sizes import PIECE as BYTES


class Source(NamedTuple):
    """A set of simulations, wherever it lies, of which rows can be read.

    fiducial: shape and dtype of the simulations at theta_fid, (n_s, *input_shape).
    derivative: the same of the derivatives of the first n_d of them, (n_d, *derivative_shape).
    read: (name, start, out) fills ``out``, C-contiguous and of the same dtype, with the rows from
        ``start`` on of "fiducial" or "derivative".
    """

    fiducial: jax.ShapeDtypeStruct
    derivative: jax.ShapeDtypeStruct
    read: Callable[[str, int, np.ndarray], None]

    @property
    def n_bytes(self) -> int:
        """Size of the whole set."""
        return sum(
            math.prod(array.shape) * array.dtype.itemsize
            for array in (self.fiducial, self.derivative)
        )


def in_memory(fiducial: np.ndarray, derivative: np.ndarray) -> Source:
    """The source of two arrays, (n_s, *input_shape) and (n_d, *derivative_shape)."""
    arrays = {"fiducial": fiducial, "derivative": derivative}

    def read(name, start, out):
        out[:] = arrays[name][start : start + len(out)]

    return Source(
        *(jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays.values()), read
    )


def on_the_fly(n_s: int, n_d: int) -> Source:
    """The source of a set that each iteration draws anew: places for random keys."""

    def read(name, start, out):
        out[:] = 0

    return Source(
        jax.ShapeDtypeStruct((n_s, 2), np.uint32), jax.ShapeDtypeStruct((n_d, 2), np.uint32), read
    )


SMALL, SPAN = (
    2**14,
    2**23,
)  # bytes: rows closer than the first are read with what lies between, at most the second at once


def _runs(wanted: np.ndarray, n_bytes: int) -> list[tuple[int, int]]:
    """Where rows are cut into parts that are read at once: at most SPAN, without gaps of SMALL.

    Args:
        wanted: numbers of the rows, rising.
        n_bytes: of a row.

    """
    if not len(wanted):
        return []
    span = (wanted - wanted[0]) // max(1, SPAN // n_bytes)
    is_cut = (np.diff(wanted) > max(1, SMALL // n_bytes)) | (np.diff(span) > 0)
    edges = [0, *(np.flatnonzero(is_cut) + 1).tolist(), len(wanted)]
    return list(itertools.pairwise(edges))


def select(source: Source, rows: np.ndarray) -> Source:
    """Some of a source's simulations, in the order of their numbers.

    Args:
        source: of n_s simulations.
        rows: their numbers, rising.

    """
    n_d = int(np.searchsorted(rows, len(source.derivative)))

    def read(name, start, out):
        wanted = rows[start : start + len(out)]
        for a, b in _runs(wanted, max(1, out[:1].nbytes)):
            first, n = int(wanted[a]), int(wanted[b - 1] - wanted[a] + 1)
            if n == b - a:
                source.read(name, first, out[a:b])
            else:
                span = np.empty((n, *out.shape[1:]), out.dtype)
                source.read(name, first, span)
                out[a:b] = span[wanted[a:b] - first]

    def of_rows(array, n):
        return jax.ShapeDtypeStruct((n, *array.shape[1:]), array.dtype)

    return Source(of_rows(source.fiducial, len(rows)), of_rows(source.derivative, n_d), read)


def pieces(source: Source, name: str, n_bytes: int) -> Iterator[tuple[int, np.ndarray]]:
    """The rows of "fiducial" or "derivative", n_bytes at a time: (number of the first, rows)."""
    array = getattr(source, name)
    rows = max(1, n_bytes // max(1, math.prod(array.shape[1:]) * array.dtype.itemsize))
    for start in range(0, len(array), rows):
        piece = np.empty((min(rows, len(array) - start), *array.shape[1:]), array.dtype)
        source.read(name, start, piece)
        yield start, piece


def blocks(
    source: Source, name: str, delta_theta: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Rows in float64, flattened: (n, n_inputs), or of "derivative" (n, n_inputs, n_params)."""
    for _, block in pieces(source, name, BYTES):
        block = block.astype(np.float64)
        if name == "fiducial":
            yield block.reshape(len(block), -1)
        elif delta_theta is None:
            yield block.reshape(len(block), -1, block.shape[-1])
        else:
            minus, plus = (side.reshape(*side.shape[:2], -1) for side in (block[:, 0], block[:, 1]))
            yield np.moveaxis((plus - minus) / delta_theta[None, :, None], 1, -1)
