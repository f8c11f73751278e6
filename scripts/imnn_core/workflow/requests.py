"""Memory that jobs ask a cluster for, attempt × (base + k × size), in MB. Imports no jax.

The base is what every job takes: Snakemake's two processes, Python, jax and its compiler. The rest
follows from the size of the sets, of the blocks that are in memory at a time (store/sizes.py) and
of the network. Fitted to the largest resident sets (Linux, CPU, jax 0.10, nothing compiled before)
of simulate, analytic_fisher, fit and evaluate with mlp, deep_set and cnn, resident and streamed, on
1000 and 100 000 draws of ten numbers, 1000 fields of 32 x 32 and 1300 of 32 x 32 x 32.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from imnn_core.config.network import Network
from imnn_core.config.recipe import Recipe
from imnn_core.store.sizes import (
    ACTIVATIONS,
    AHEAD,
    BLOCK,
    FEW_INPUTS,
    MOST_INPUTS,
    PIECE,
    RUNNING,
)

MB = 10**6
MARGIN = 1.3  # on all but sets in memory, whose size is known
SMALL = 800 * MB  # a figure, a table, a report: Snakemake 300, Python and matplotlib 500
DRAWING = 600 * MB  # simulations that are drawn or read: Snakemake 300, Python and jax 300
WORKER = 200 * MB  # a process of a numpy simulator, without what the simulator itself needs
JAX = 950 * MB  # a fit or an evaluation, whose programs are larger
GPU = 3000 * MB  # the same with a GPU; not measured, but known of CUDA's libraries
COPIES = 8  # of a piece, in float32 and float64: drawn, checked, written, compressed linearly
HELD = 3  # times the numbers that a network holds: forward, backward, and XLA's own
NPZ = 2  # copies of an npz file, which is read whole whatever part of it is used


class Sizes(NamedTuple):
    """Sizes of a run's simulations.

    shape: of one simulation.
    n_derivatives: arrays of this shape in a derivative: n_params, or 2 n_params simulations.
    sets: bytes of each set.
    npz: bytes of the largest of the user's npz files, 0 if there are none.
    """

    shape: Sequence[int]
    n_derivatives: int
    sets: dict[str, int]
    npz: int = 0

    @property
    def row(self) -> int:
        """Bytes of one simulation with its derivative, in float32."""
        return bytes_of_set(self.shape, self.n_derivatives, 1, 1)


def bytes_of_set(shape: Sequence[int], n_derivatives: int, n_s: int, n_d: int) -> int:
    """Bytes of n_s simulations, n_d of them with derivatives, in float32."""
    return 4 * math.prod(shape) * (n_s + n_d * n_derivatives)


def held(network: Network, shape: Sequence[int]) -> int:
    """Numbers that a network holds of one simulation: inputs, patches and outputs of layers."""
    n = math.prod(shape)
    if network.kind == "mlp":
        return n + sum(network.hidden)
    if network.kind == "deep_set":
        return n + shape[0] * sum(network.hidden) + sum(network.head)
    if network.kind == "cnn":
        grid, n_in = (shape[:-1], shape[-1]) if network.channels_last else (shape, 1)
        strides = network.strides or [1] * len(network.channels)
        for n_out, stride in zip(network.channels, strides, strict=True):
            grid = [math.ceil(points / stride) for points in grid]
            n += math.prod(grid) * (network.kernel ** len(grid) * n_in + n_out)
            n_in = n_out
        return n
    return 20 * n  # the problem's own network: a guess


def _asked(attempt: int, estimated: float, known: float = 0) -> int:
    return attempt * math.ceil((known + MARGIN * estimated) / MB)


def _base(n_gpus: int) -> int:
    return GPU if n_gpus else JAX


def _piece(sizes: Sizes) -> int:
    """Bytes of the copies of the simulations that are drawn or read at a time."""
    return COPIES * max(sizes.row, min(PIECE, max(sizes.sets.values())))


def _chunks(sizes: Sizes, recipe: Recipe) -> int:
    """Bytes of the blocks that are streamed, and of the network on one chunk of them."""
    of_network = HELD * 4 * held(recipe.network, sizes.shape) * (1 + sizes.n_derivatives)
    blocks = (RUNNING + AHEAD) * max(BLOCK, sizes.row * recipe.n_per_device)
    return blocks + of_network * recipe.n_per_device


def of_small(attempt: int) -> int:
    """Of a job without simulations."""
    return _asked(attempt, SMALL)


def of_simulating(sizes: Sizes, attempt: int, n_workers: int = 0) -> int:
    """Of a job that draws simulations or checks files of them, piece by piece."""
    return _asked(attempt, DRAWING + n_workers * WORKER + _piece(sizes), (NPZ + 1) * sizes.npz)


def minutes(seconds: float, attempt: int) -> int:
    """That a job is given which takes so long, once more in each attempt; ten more to begin."""
    return attempt * (10 + math.ceil(MARGIN * seconds / 60))


def of_fitting(
    sizes: Sizes, recipe: Recipe, splits: Sequence[str], n_gpus: int, attempt: int
) -> int:
    """Of a fit to these sets, which are in memory unless the recipe has `data: streamed`.

    With `data: auto` they are, if they fit a quarter of the machine's memory and the cluster does
    not keep its jobs to what they ask for.
    """
    known = NPZ * sizes.npz * len(splits)
    if recipe.data != "streamed":
        known += sum(sizes.sets[split] for split in splits)
        known += sizes.sets["training"] if recipe.augment and "training" in splits else 0
    return _asked(attempt, _base(n_gpus) + ACTIVATIONS + _chunks(sizes, recipe), known)


def of_evaluating(sizes: Sizes, recipe: Recipe, n_gpus: int, attempt: int) -> int:
    """Of a job that compresses all sets block by block and keeps the summaries in float64."""
    n_inputs, n_params = math.prod(sizes.shape), sizes.n_derivatives  # or more than n_params
    n_summaries = recipe.of(n_params).n_summaries
    compressed = n_summaries + 2 * n_params + (n_inputs if n_inputs <= FEW_INPUTS else 0)
    n = sum(sizes.sets.values()) / sizes.row  # simulations
    summaries = 4 * 8 * n * (compressed * (1 + n_params) + n_summaries * 3 * n_params)
    covariance = 8 * 8 * n_inputs**2 if n_inputs <= MOST_INPUTS else 0
    at_a_time = max(_piece(sizes) + covariance, _chunks(sizes, recipe))
    return _asked(attempt, _base(n_gpus) + at_a_time + summaries, NPZ * sizes.npz)


def of_estimating(sizes: Sizes, recipe: Recipe, n_bytes: int, n_gpus: int, attempt: int) -> int:
    """Of a job that compresses observed data of this many bytes at once."""
    n_held = n_bytes / math.prod(sizes.shape) * held(recipe.network, sizes.shape)
    return _asked(attempt, _base(n_gpus) + HELD * n_held, NPZ * n_bytes)


def of_compressing(sizes: Sizes, recipe: Recipe, n_bytes: int, n_gpus: int, attempt: int) -> int:
    """Of a job that compresses files block by block; an npz file of this many bytes as a whole."""
    at_a_time = COPIES * max(sizes.row, PIECE) + _chunks(sizes, recipe)
    return _asked(attempt, _base(n_gpus) + at_a_time, NPZ * n_bytes)


def of_posterior(sizes: Sizes, recipe: Recipe, n_bytes: int, n_gpus: int, attempt: int) -> int:
    """Of a job with summaries of all simulations from the prior, which are so many bytes."""
    at_a_time = COPIES * max(sizes.row, PIECE) + _chunks(sizes, recipe)
    return _asked(attempt, _base(n_gpus) + at_a_time, 4 * n_bytes)
