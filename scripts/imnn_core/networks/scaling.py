"""The scale of simulations, taken off before a network sees them."""

from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from imnn_core.data.sources import Source, blocks
from imnn_core.networks.kinds import Network
from imnn_core.store import fits


class Scaling(NamedTuple):
    """Mean and standard deviation of simulations, of all numbers or of each.

    Both are (), or (*input_shape).
    """

    mean: np.ndarray
    scale: np.ndarray


def of_source(source: Source, how: str) -> Scaling:
    """Of a set of simulations, read twice, piece by piece; what never varies has the scale 1.

    Args:
        source: of the simulations.
        how: "all" for one mean and one standard deviation of all numbers, "each" for those of each
            number of a simulation.

    """
    n_s = len(source.fiducial)
    shape, pooled = ((), np.mean) if how == "all" else (source.fiducial.shape[1:], np.asarray)
    mean = pooled(sum(block.sum(axis=0) for block in blocks(source, "fiducial")) / n_s)
    variance = pooled(
        sum(((block - mean) ** 2).sum(axis=0) for block in blocks(source, "fiducial")) / n_s
    )
    scale = np.sqrt(np.where(variance > 0, variance, 1))
    return Scaling(mean.reshape(shape), scale.reshape(shape))


def of_fit(path: str | Path) -> Scaling | None:
    """How a fit's network saw the simulations, from its file; None for as they are."""
    found = fits.read_arrays(path, "inputs")
    return found and Scaling(**found)


def scaled(network: Network, scaling: Scaling | None) -> Network:
    """The network on (d - mean) / scale; as it is, if None."""
    if scaling is None:
        return network

    def apply(weights, d):
        mean, scale = (jnp.asarray(number, d.dtype) for number in scaling)
        return network.apply(weights, (d - mean) / scale)

    return network._replace(apply=apply)
