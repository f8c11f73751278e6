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
    """The source of a set that is drawn anew in every iteration: places for the random keys, nothing more."""

    def read(name, start, out):
        out[:] = 0

    return Source(
        jax.ShapeDtypeStruct((n_s, 2), np.uint32), jax.ShapeDtypeStruct((n_d, 2), np.uint32), read
    )


SMALL, SPAN = (
    2**14,
    2**23,
)  # bytes: rows closer than the first are read with what lies between, at most the second at once


def select(source: Source, rows: np.ndarray) -> Source:
    """Some of a source's simulations, in the order of their numbers.

    Args:
        source: of n_s simulations.
        rows: their numbers, rising.

    """
    n_d = int(np.searchsorted(rows, len(source.derivative)))

    def read(name, start, out):
        wanted = rows[start : start + len(out)]
        n_bytes = max(1, out[:1].nbytes)
        piece = (wanted - wanted[:1]) // max(1, SPAN // n_bytes)
        far = np.diff(wanted) > max(1, SMALL // n_bytes)
        edges = [0, *(np.flatnonzero(far | (np.diff(piece) > 0)) + 1).tolist(), len(wanted)]
        for a, b in itertools.pairwise(edges):
            if b == a:
                continue
            first, n = wanted[a], wanted[b - 1] - wanted[a] + 1
            if n == b - a:
                source.read(name, int(first), out[a:b])
            else:
                span = np.empty((n, *out.shape[1:]), out.dtype)
                source.read(name, int(first), span)
                out[a:b] = span[wanted[a:b] - first]

    def of_rows(array, n):
        return jax.ShapeDtypeStruct((n, *array.shape[1:]), array.dtype)

    return Source(of_rows(source.fiducial, len(rows)), of_rows(source.derivative, n_d), read)


def pieces(source: Source, name: str, n_bytes: int) -> Iterator[tuple[int, np.ndarray]]:
    """The rows of "fiducial" or "derivative" in order, as many at a time as n_bytes hold: (number of the first, rows)."""
    array = getattr(source, name)
    rows = max(1, n_bytes // max(1, math.prod(array.shape[1:]) * array.dtype.itemsize))
    for start in range(0, len(array), rows):
        piece = np.empty((min(rows, len(array) - start), *array.shape[1:]), array.dtype)
        source.read(name, start, piece)
        yield start, piece


def blocks(
    source: Source, name: str, delta_theta: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """The rows of "fiducial" or "derivative" in float64, flattened: (n, n_inputs) or (n, n_inputs, n_params)."""
    for _, block in pieces(source, name, BYTES):
        block = block.astype(np.float64)
        if name == "fiducial":
            yield block.reshape(len(block), -1)
        elif delta_theta is None:
            yield block.reshape(len(block), -1, block.shape[-1])
        else:
            minus, plus = (side.reshape(*side.shape[:2], -1) for side in (block[:, 0], block[:, 1]))
            yield np.moveaxis((plus - minus) / delta_theta[None, :, None], 1, -1)
