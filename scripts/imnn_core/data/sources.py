"""Sets of simulations that can be read by rows, wherever they lie."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.store.sizes import PIECE as BYTES


class Source(NamedTuple):
    """A set of simulations, wherever it lies, of which rows can be read.

    fiducial: shape and dtype of the simulations at theta_fid, (n_s, *input_shape).
    derivative: the same of the derivatives of the first n_d of them, (n_d, *derivative_shape).
    read: (name, start, out) fills ``out``, C-contiguous and of the same dtype, with the rows from
        ``start`` on of "fiducial" or "derivative".
    counts: how many simulations there are at each of the shifted parameters, (n_columns,), where
        the derivatives are simulations; a row has 0 where there is none. None for tangents.
    place: where a row of "fiducial" or "derivative" lies, in words, if the set has several files.
    """

    fiducial: jax.ShapeDtypeStruct
    derivative: jax.ShapeDtypeStruct
    read: Callable[[str, int, np.ndarray], None]
    counts: tuple[int, ...] | None = None
    place: Callable[[str, int, int | None], str] | None = None

    def at(self, name: str, row: int, column: int | None = None) -> str:
        """Where a row of "fiducial" or "derivative" lies, behind its number in a message.

        Args:
            name: "fiducial" or "derivative".
            row: its number.
            column: which of the simulations at shifted parameters; those that are not finite, if
                None.

        """
        return f" ({self.place(name, int(row), column)})" if self.place else ""

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


def shifted_in_memory(fiducial: np.ndarray, shifted: np.ndarray) -> Source:
    """The source of simulations at theta_fid, and at shifted parameters.

    Args:
        fiducial: (n_s, *input_shape).
        shifted: (n_d, …, *input_shape).

    """
    n_columns = math.prod(shifted.shape[1 : shifted.ndim - fiducial.ndim + 1])
    return in_memory(fiducial, shifted)._replace(counts=(len(shifted),) * n_columns)


def differenced(source: Source, weights: np.ndarray) -> Source:
    """The source with tangents in place of simulations at shifted parameters, in float64.

    Where the parameters have different numbers of simulations, the tangents by those with fewer are
    0 in the rows without and larger in the others: the mean over all rows is that over the
    simulations there are.

    Args:
        source: with simulations at shifted parameters.
        weights: of the fiducial simulation and of those in each derivative, (n_params, 1 +
            n_columns).

    """
    n_s, shape = len(source.fiducial), source.fiducial.shape[1:]
    counts = np.array([n_s, *source.counts])
    each = np.array([counts[row != 0].min() for row in weights])
    n_d, of_fiducial = int(each.max()), weights[:, 0].any()

    def read(name, start, out):
        if name == "fiducial":
            source.read(name, start, out)
            return
        d = np.empty((len(out), *source.derivative.shape[1:]), source.derivative.dtype)
        source.read(name, start, d)
        tangents = np.tensordot(
            d.reshape(len(out), len(source.counts), -1).astype(np.float64),
            weights[:, 1:],
            axes=(1, 1),
        )  # (n, n_inputs, n_params)
        if of_fiducial:
            d = np.empty((len(out), *shape), source.fiducial.dtype)
            source.read("fiducial", start, d)
            tangents += d.reshape(len(out), -1, 1) * weights[:, 0]
        present = start + np.arange(len(out))[:, None] < each
        tangents *= (present * (n_d / each))[:, None, :]
        out[:] = tangents.reshape(out.shape)

    derivative = jax.ShapeDtypeStruct((n_d, *shape, len(weights)), np.float64)
    return Source(source.fiducial, derivative, read, place=source.place)


def beside(fiducial: Source, derivative: Source) -> Source:
    """Derivatives of the first simulations of another source, with these."""
    n = len(derivative.derivative)
    of_both = {"fiducial": fiducial, "derivative": derivative}
    shape = jax.ShapeDtypeStruct((n, *fiducial.fiducial.shape[1:]), fiducial.fiducial.dtype)

    def read(name, start, out):
        of_both[name].read(name, start, out)

    return Source(shape, derivative.derivative, read, derivative.counts)


def complete(source: Source) -> Source:
    """The source with the simulations that are there at every one of the shifted parameters."""
    n = min(source.counts)
    derivative = jax.ShapeDtypeStruct((n, *source.derivative.shape[1:]), source.derivative.dtype)
    return source._replace(derivative=derivative, counts=(n,) * len(source.counts))


def narrowed(source: Source, centre: np.ndarray | None = None) -> Source:
    """The source in the precision that jax computes in, or less.

    Args:
        source: of any floating-point numbers.
        centre: taken off from the simulations before they are rounded, (*input_shape); nothing, if
            None.

    """
    widest = np.dtype(jnp.result_type(float))

    def of(array):
        is_wide = (
            jnp.issubdtype(array.dtype, jnp.floating) and array.dtype.itemsize > widest.itemsize
        )
        return jax.ShapeDtypeStruct(array.shape, widest) if is_wide else array

    def read(name, start, out):
        array = getattr(source, name)
        is_centred = centre is not None and (name == "fiducial" or source.counts is not None)
        if array.dtype == out.dtype and not is_centred:
            source.read(name, start, out)
            return
        wide = np.empty(out.shape, array.dtype)
        source.read(name, start, wide)
        out[:] = wide - centre if is_centred else wide

    fiducial, derivative = of(source.fiducial), of(source.derivative)
    if (fiducial, derivative) == (source.fiducial, source.derivative) and centre is None:
        return source
    return Source(fiducial, derivative, read, source.counts)


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

    counts = source.counts and tuple(np.searchsorted(rows, source.counts).tolist())
    fiducial, derivative = of_rows(source.fiducial, len(rows)), of_rows(source.derivative, n_d)
    place = source.place and (lambda name, row, c: source.place(name, int(rows[row]), c))
    return Source(fiducial, derivative, read, counts, place)


def pieces(source: Source, name: str, n_bytes: int) -> Iterator[tuple[int, np.ndarray]]:
    """The rows of "fiducial" or "derivative", n_bytes at a time: (number of the first, rows)."""
    array = getattr(source, name)
    rows = max(1, n_bytes // max(1, math.prod(array.shape[1:]) * array.dtype.itemsize))
    for start in range(0, len(array), rows):
        piece = np.empty((min(rows, len(array) - start), *array.shape[1:]), array.dtype)
        source.read(name, start, piece)
        yield start, piece


def blocks(source: Source, name: str) -> Iterator[np.ndarray]:
    """Rows in float64, flattened: (n, n_inputs), or of tangents (n, n_inputs, n_params)."""
    for _, block in pieces(source, name, BYTES):
        last = block.shape[-1:] if name == "derivative" else ()
        yield block.astype(np.float64).reshape(len(block), -1, *last)


def spread(source: Source) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each number of a simulation, each (*input_shape).

    The set is read twice.
    """
    n_s, shape = len(source.fiducial), source.fiducial.shape[1:]
    mean = sum(block.sum(axis=0) for block in blocks(source, "fiducial")) / n_s
    variance = sum(((block - mean) ** 2).sum(axis=0) for block in blocks(source, "fiducial")) / n_s
    return mean.reshape(shape), np.sqrt(variance).reshape(shape)
