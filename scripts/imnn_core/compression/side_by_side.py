"""Compressions of the same simulations side by side.

The network, the score, a linear one, and the simulations themselves where their numbers are few.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.compression import linear
from imnn_core.compression.compressor import Compressor, Summaries
from imnn_core.data import sets
from imnn_core.data.sources import Source
from imnn_core.gradient.passes import Weights
from imnn_core.networks.kinds import Network
from imnn_core.problems.problem import Problem
from imnn_core.store.sizes import FEW_INPUTS


def side_by_side(
    network: Network, problem: Problem, n_summaries: int, is_centred: bool = False
) -> tuple[Callable, dict[str, slice]]:
    """Summaries of a simulation by several compressions at once.

    The score at theta_fid is there where the problem has a likelihood, unless the simulations come
    without their centre, for which jax's precision has no digits. The simulations themselves are
    there where they are at most FEW_INPUTS numbers.

    Returns apply, of weights {"network": …, "linear": b, "mean": …} and a simulation, and where
    each compression's summaries lie.
    """
    theta_fid = jnp.asarray(problem.theta_fid, jnp.result_type(float))
    n_inputs, n_params = math.prod(problem.input_shape), problem.n_params
    parts = {"network": (n_summaries, lambda w, d: network.apply(w["network"], d))}
    if problem.log_likelihood is not None and not is_centred:
        parts["score"] = n_params, lambda w, d: jax.grad(problem.log_likelihood)(theta_fid, d)
    parts["linear"] = n_params, lambda w, d: (d.reshape(-1) - w["mean"]) @ w["linear"]
    if n_inputs <= FEW_INPUTS:
        parts["simulations"] = n_inputs, lambda w, d: d.reshape(-1) - w["mean"]

    def apply(weights, d):
        return jnp.concatenate([of_part(weights, d) for _, of_part in parts.values()])

    stops = np.cumsum([n for n, _ in parts.values()]).tolist()
    starts = [0, *stops[:-1]]
    return apply, {name: slice(*ends) for name, *ends in zip(parts, starts, stops, strict=True)}


@dataclass(frozen=True)
class Compressions:
    """A fit's network beside other compressions, in one compressor.

    blocks: where the summaries of each lie. weights: of all. how: which covariance the linear one
    was made with.
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
    problem, dtype = fitted.problem, jnp.result_type(float)
    is_centred = fitted.inputs.centre is not None
    apply, blocks = side_by_side(fitted.network, problem, n_summaries, is_centred)
    network = fitted.network._replace(apply=apply)
    found = linear.compression(sets.tangents(fitted.seen(source), problem))
    of_all = {
        "network": weights,
        "linear": found.b.astype(dtype),
        "mean": found.mean.astype(dtype),
    }
    how = linear.how(found.shrinkage, len(found.mean))
    return Compressions(replace(fitted, network=network), blocks, of_all, how)
