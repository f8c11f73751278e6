"""Memory that jobs ask a cluster for, in MB, by what they compute on. Imports no jax.

A model of peaks: what every job takes (the two processes of Snakemake that a cluster's job has,
Python, jax and its compiler), the sets where they lie in memory, and what is computed of a chunk or
a block of simulations at a time; with a MARGIN on all but the sets, whose size is known. It was
fitted to the largest resident sets (Linux, CPU, jax 0.10, nothing compiled before) of simulate,
analytic_fisher, fit and evaluate with mlp, deep_set and cnn, resident and streamed, on 1000 and 100
000 draws of ten numbers, 1000 fields of 32 x 32 and 1300 of 32 x 32 x 32 (1 GB in two sets): it
asks for 1.4 to 2.3 times what they took, 0.6 to 4.9 GB with Snakemake. What a simulator of the
user's own takes nobody can know: a retry asks for more.
"""

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from imnn_core.config.network import Network
from imnn_core.config.recipe import Recipe

MB = 10**6
MARGIN = 1.3
SMALL = 800 * MB  # a figure, a table, a report: Snakemake, Python and matplotlib
DRAWING = 600 * MB  # a job that draws or reads simulations: Snakemake 300, Python and jax 300
JAX = 900 * MB  # of a fit or an evaluation, whose programs take more of jax's compiler
GPU = (
    3000 * MB
)  # of the host, of a job with a GPU: not measured, but what CUDA's libraries are known to take
PIECE = 2**25  # bytes of simulations that are drawn, or read, at a time, at most; or one simulation
# of a piece, in float32 and float64, while it is drawn, checked and written, or compressed linearly
COPIES = 8
BLOCKS, BLOCK = (
    7,
    2**21,
)  # blocks of a stream that are in memory, and bytes of one, or a chunk if that is more
ACTIVATIONS = 2**27  # kept between the passes, and of chunks side by side
HELD = 3  # times what a network computes of a chunk: forward, backward, and what XLA puts beside it
MOST_INPUTS, PER_INPUT = 4096, 10  # of a linear compression with all of C


class Simulations(NamedTuple):
    """What a job's memory depends on.

    shape: of one simulation.
    n_derivatives: arrays of this shape that its derivative is made of: n_params tangents, or 2
        n_params simulations.
    sets: bytes of each set.
    whole: bytes of a user's npz files, by set, which are read whole, whatever part of them is used;
        0 for others.
    """

    shape: Sequence[int]
    n_derivatives: int
    sets: dict[str, int]
    whole: dict[str, int]

    @property
    def row(self) -> int:
        """Bytes of one simulation with its derivative, in float32."""
        return 4 * math.prod(self.shape) * (1 + self.n_derivatives)

    @property
    def piece(self) -> int:
        """Bytes of the copies of those that are drawn, or read, at a time."""
        return COPIES * max(self.row, min(PIECE, max(self.sets.values())))


def bytes_of_set(shape: Sequence[int], n_derivatives: int, n_s: int, n_d: int) -> int:
    """Of n_s simulations, n_d of them with derivatives, in float32."""
    return 4 * math.prod(shape) * (n_s + n_d * n_derivatives)


def bytes_of_npz(path: str | Path) -> int:
    """Of the arrays in an npz file, however they are compressed there; 0 for another file."""
    if not (Path(path).is_file() and zipfile.is_zipfile(path)):  # a pipe would be waited for
        return 0
    with zipfile.ZipFile(path) as archive:
        return sum(member.file_size for member in archive.infolist())


def held(network: Network, shape: Sequence[int]) -> int:
    """Numbers that a network holds of one simulation: the simulation, patches of it, what comes out of each layer."""
    n = math.prod(shape)
    if network.kind == "mlp":
        return n + sum(network.hidden)
    if network.kind == "deep_set":
        return n + shape[0] * sum(network.hidden) + sum(network.head)
    if network.kind == "cnn":
        grid, n_in = (shape[:-1], shape[-1]) if network.channels_last else (shape, 1)
        total = n
        for n_out, stride in zip(
            network.channels, network.strides or [1] * len(network.channels), strict=True
        ):
            grid = [math.ceil(points / stride) for points in grid]
            total += math.prod(grid) * (network.kernel ** len(grid) * n_in + n_out)
            n_in = n_out
        return total
    return 20 * n  # one of the problem's own: a guess


def _asked(sets: float, rest: float, attempt: int) -> int:
    """MB, more of them in each attempt."""
    return attempt * math.ceil((sets + MARGIN * rest) / MB)


def _chunk(of: Simulations, recipe: Recipe) -> float:
    """Bytes that the network takes for a chunk of simulations and their derivatives."""
    return HELD * 4 * held(recipe.network, of.shape) * (1 + of.n_derivatives) * recipe.n_per_device


def _stream(of: Simulations, recipe: Recipe) -> int:
    """Bytes of a stream's blocks."""
    return BLOCKS * max(BLOCK, of.row * recipe.n_per_device)


def _host(n_gpus: int) -> int:
    return GPU if n_gpus else JAX


def of_small(attempt: int) -> int:
    """Of a job without simulations."""
    return _asked(0, SMALL, attempt)


def of_simulating(of: Simulations, attempt: int) -> int:
    """Of a job that draws simulations or goes through files of them, piece by piece."""
    return _asked(3 * max(of.whole.values(), default=0), DRAWING + of.piece, attempt)


def of_fitting(
    of: Simulations, recipe: Recipe, splits: Sequence[str], n_gpus: int, attempt: int
) -> int:
    """Of a fit whose sets are in memory, unless its recipe says `data: streamed`.

    With `data: auto` they are where they fit a quarter of the memory of the machine, if the cluster
        does not keep its jobs to
    what they ask for: so they are counted. Where it does, the fit streams them, and needs less.

    Args:
        splits: the sets that the fit reads.

    """
    sets = sum(of.sets[split] for split in splits) + 2 * sum(of.whole[split] for split in splits)
    chunk, stream = _chunk(of, recipe), _stream(of, recipe)
    if recipe.data == "streamed":
        return _asked(
            sets - sum(of.sets[split] for split in splits),
            _host(n_gpus) + stream + ACTIVATIONS + chunk,
            attempt,
        )
    changed = of.sets["training"] if recipe.augment and "training" in splits else 0
    return _asked(sets + changed, _host(n_gpus) + max(stream, ACTIVATIONS) + chunk, attempt)


def of_evaluating(of: Simulations, recipe: Recipe, n_gpus: int, attempt: int) -> int:
    """Of a job that compresses every set, block by block, and keeps the summaries in float64."""
    n_inputs, n_summaries = math.prod(of.shape), recipe.n_summaries + 2 * of.n_derivatives
    n = sum(of.sets.values()) / (4 * n_inputs * (1 + of.n_derivatives))  # of simulations
    summaries = 4 * 8 * n * n_summaries * (1 + of.n_derivatives)
    correlation = 5 * 8 * n_inputs**2 if n_inputs <= min(MOST_INPUTS, n / PER_INPUT) else 0
    rest = (
        _host(n_gpus)
        + max(of.piece + correlation, _stream(of, recipe) + _chunk(of, recipe))
        + summaries
    )
    return _asked(2 * max(of.whole.values(), default=0), rest, attempt)


def of_estimating(of: Simulations, recipe: Recipe, n_bytes: int, n_gpus: int, attempt: int) -> int:
    """Of a job that compresses observed data of so many bytes, all at once."""
    share = held(recipe.network, of.shape) / math.prod(of.shape)
    return _asked(2 * n_bytes, _host(n_gpus) + HELD * share * n_bytes, attempt)
