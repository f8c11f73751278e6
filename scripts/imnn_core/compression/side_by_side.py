"""Compressions of the same simulations side by side: the network, the score, and a linear one."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.compression import linear
from imnn_core.compression.compressor import Compressor, Summaries
from imnn_core.data.sources import Source
from imnn_core.gradient.passes import Weights
from imnn_core.networks.kinds import Network
from imnn_core.problems.problem import Problem
from imnn_core.problems.simulator import steps


def side_by_side(
    network: Network, problem: Problem, n_summaries: int
) -> tuple[Callable, dict[str, slice]]:
    """Summaries of a simulation by several compressions at once: network, score, linear.

    The score at theta_fid is there where the problem has a likelihood.

    Returns apply, of weights {"network": …, "linear": b} and a simulation, and where each
    compression's summaries lie.
    """
    theta_fid = jnp.asarray(problem.theta_fid, jnp.result_type(float))
    parts = {"network": lambda weights, d: network.apply(weights["network"], d)}
    if problem.log_likelihood is not None:
        parts["score"] = lambda weights, d: jax.grad(problem.log_likelihood)(theta_fid, d)
    parts["linear"] = lambda weights, d: d.reshape(-1) @ weights["linear"]

    def apply(weights, d):
        return jnp.concatenate([part(weights, d) for part in parts.values()])

    sizes = [n_summaries, *[problem.n_params] * (len(parts) - 1)]
    stops = np.cumsum(sizes).tolist()
    starts = [0, *stops[:-1]]
    return apply, {name: slice(*ends) for name, *ends in zip(parts, starts, stops, strict=True)}


@dataclass(frozen=True)
class Compressions:
    """A fit's network, the score and a linear compression, side by side in one compressor.

    blocks: where the summaries of each lie. weights: of all. how: of the linear compression.
    """

    compressor: Compressor
    blocks: dict[str, slice]
    weights: dict
    how: str

    def of(self, source: Source) -> dict[str, Summaries]:
        """Summaries of a set, by compression."""
        summaries = self.compressor.summaries(self.weights, source)
        return {name: summaries.part(block) for name, block in self.blocks.items()}


def compressions_of(
    fitted: Compressor, weights: Weights, source: Source, n_summaries: int
) -> Compressions:
    """The compressions of a fitted compressor; the linear one is that of the source."""
    problem = fitted.problem
    apply, blocks = side_by_side(fitted.network, problem, n_summaries)
    network = fitted.network._replace(apply=apply)
    b, how = linear.compression(source, steps(problem))
    of_all = {"network": weights, "linear": b.astype(source.fiducial.dtype)}
    return Compressions(replace(fitted, network=network), blocks, of_all, how)
