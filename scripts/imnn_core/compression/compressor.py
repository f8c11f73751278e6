"""Every simulation of a set to its summaries, on the host: what a measurement starts from."""

import contextlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from imnn_core.data import chunks
from imnn_core.data.sources import Source
from imnn_core.data.stream import Stream
from imnn_core.gradient import passes
from imnn_core.gradient.aggregate import BLOCK
from jax.sharding import Mesh, NamedSharding, PartitionSpec


class Summaries(NamedTuple):
    """Summaries of a set of simulations, in float64.

    x: at theta_fid, (n_s, n_summaries).
    dx_dtheta: derivatives of the first n_d of them, (n_d, n_summaries, n_params).
    """

    x: np.ndarray
    dx_dtheta: np.ndarray

    def part(self, block: slice) -> "Summaries":
        """Some of the summaries of each simulation."""
        return Summaries(self.x[:, block], self.dx_dtheta[:, block])


def compressor(
    summarise: passes.Summarise, devices: Sequence[jax.Device], n_per_device: int, parallel: int = 1
) -> Callable[[passes.Weights, Source], Summaries]:
    """A function of weights and a source that compresses the source, read once, block by block.

    Args:
        summarise: of one batch, see `derivatives`.
        devices: they share the chunks.
        n_per_device: simulations of a chunk, at most.
        parallel: chunks that a device may have in work side by side.

    """
    mesh = Mesh(np.asarray(devices), ("devices",))
    everywhere, shared = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), ("devices",)))
    program = jax.jit(passes.build(summarise, mesh, parallel).summaries)

    def compress(weights, source):
        weights = jax.device_put(weights, everywhere)
        groups = chunks.cut(source, n_per_device, mesh.size, BLOCK)
        x, dx_dtheta = [], []
        with contextlib.closing(Stream(source, groups, shared, once=True)) as stream:
            results = stream.map(lambda block: program(weights, (block,))[0])
            for group in groups:
                blocks = [jax.tree.map(np.asarray, next(results)) for _ in range(group.n_blocks)]
                of_group = [
                    np.concatenate([array.reshape(-1, *array.shape[2:]) for array in arrays])
                    for arrays in zip(*blocks, strict=True)
                ]
                x.append(of_group[0][: group.n])  # without what fills the last block
                dx_dtheta.append(of_group[1][: group.n if group.derivatives else 0])
        return Summaries(*(np.concatenate(arrays).astype(np.float64) for arrays in (x, dx_dtheta)))

    return compress
