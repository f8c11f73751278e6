"""How sets of simulations are cut: into blocks, and these into chunks of equal size."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.data.sources import Source

# bytes; XLA's CPU backend computes on an array of the host without a copy where it begins at such
# an address
ALIGNMENT = 64


class Batch(NamedTuple):
    """Simulations for one call of `summarise`.

    fiducial: (n, *input_shape). derivative: (n_d, *derivative_shape).

    The derivatives are those of the first n_d simulations, 1 <= n_d <= n: tangents (*input_shape,
    n_params), or with finite differences simulations at shifted parameters (2, n_params,
    *input_shape). Drawn on the fly, both are random keys.
    """

    fiducial: jax.Array
    derivative: jax.Array


class Chunks(NamedTuple):
    """Simulations cut into chunks of equal size, filled up where they do not divide.

    batch: with a first axis over chunks.
    present_x, present_d: 1 for what counts, 0 for filling, (n_chunks, n) and (n_chunks, n_d).
    index: number of each simulation in its set, (n_chunks, n).
    """

    batch: Batch
    present_x: jax.Array
    present_d: jax.Array
    index: jax.Array


class Group(NamedTuple):
    """Consecutive simulations that all have derivatives, or all have none, and how they are cut.

    start, n: the first of them, and how many. derivatives: whether they have them.
    n_blocks: parts that are on the devices one after another; n_chunks: of a block; size:
        simulations of a chunk.
    """

    start: int
    n: int
    derivatives: bool
    n_blocks: int
    n_chunks: int
    size: int


def cut(
    source: Source, n_per_device: int, n_devices: int = 1, block_bytes: int | None = None
) -> tuple[Group, ...]:
    """How a source is cut: simulations with derivatives first, then the rest.

    A pass over the latter is cheaper. Chunks are of like size, so that the last has little filling.

    Args:
        source: of n_s simulations, n_d of them with derivatives.
        n_per_device: simulations of a chunk, at most; n_s need not be divisible by it.
        n_devices: the chunks of a block are dealt to so many devices.
        block_bytes: a block has as many chunks as fit in so many bytes, at least one for each
            device; all, if None.

    """
    n_s, n_d = len(source.fiducial), len(source.derivative)
    row = math.prod(source.fiducial.shape[1:]) * source.fiducial.dtype.itemsize
    tangents = math.prod(source.derivative.shape[1:]) * source.derivative.dtype.itemsize

    def group(start, n, derivatives):
        at_once = n
        if block_bytes is not None:
            fitting = block_bytes // (row + tangents * derivatives)
            at_once = max(n_per_device * n_devices, fitting)
        n_blocks = math.ceil(n / at_once)
        n_chunks = n_devices * math.ceil(n / (n_blocks * n_devices * n_per_device))
        size = math.ceil(n / (n_blocks * n_chunks))
        n_blocks = math.ceil(n / (n_chunks * size))  # fewer, where rounding up has filled them
        return Group(start, n, derivatives, n_blocks, n_chunks, size)

    return tuple(group(*part) for part in ((0, n_d, True), (n_d, n_s - n_d, False)) if part[1])


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An empty array that begins at a multiple of ALIGNMENT, of which jax needs no copy."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(n_bytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


def empty(source: Source, group: Group) -> Chunks:
    """Memory for a block of a group, on the host."""
    # Without derivatives there is one that does not count: jaxlib 0.11 crashes on empty arrays over
    # several devices.
    n_d = group.size if group.derivatives else 1
    rows = (group.n_chunks, group.size)
    present = source.fiducial.dtype
    present = (
        present if np.issubdtype(present, np.floating) else np.dtype(jnp.result_type(float))
    )  # as of random keys
    return Chunks(
        Batch(
            aligned((*rows, *source.fiducial.shape[1:]), source.fiducial.dtype),
            aligned((group.n_chunks, n_d, *source.derivative.shape[1:]), source.derivative.dtype),
        ),
        aligned(rows, present),
        aligned((group.n_chunks, n_d), present),
        aligned(rows, np.uint32),
    )


def fill(source: Source, group: Group, block: int, out: Chunks) -> Chunks:
    """Read block number ``block`` of a group into the memory of `empty`."""
    rows = group.n_chunks * group.size
    first = block * rows
    n = min(rows, group.n - first)

    def read(name, array):
        array = array.reshape(-1, *array.shape[2:])
        source.read(name, group.start + first, array[:n])
        array[n:] = array[:1]  # filled up with a simulation, on which the network is defined

    read("fiducial", out.batch.fiducial)
    out.present_x.reshape(-1)[:] = np.arange(rows) < n
    out.index.reshape(-1)[:] = group.start + first + np.arange(rows)
    if group.derivatives:
        read("derivative", out.batch.derivative)
        out.present_d[:] = out.present_x
    else:
        out.batch.derivative[:] = 0
        out.present_d[:] = 0
    return out
