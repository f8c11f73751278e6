"""What stands between simulations and a network, all from one set of simulations.

The digits and the scale that are taken off before the network, and the linear compression that it
begins from.
"""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.data.sources import Source, spread
from imnn_core.networks.kinds import Network
from imnn_core.problems.precision import COARSE, coarseness
from imnn_core.store import fits

NEARLY_ZERO = 0.01  # of its first output, what a network beside a linear compression gives


class Inputs(NamedTuple):
    """Arrays before a network; each is None where the network goes without.

    centre: taken off in float64, before numbers are rounded to jax's precision, (*input_shape).
    mean, scale: of what is left, taken off before the network, () or (*input_shape).
    linear: b of a linear compression beside the network, (n_inputs, n_params).
    linear_mean: mean of what is left, for that compression, (n_inputs,).
    """

    centre: np.ndarray | None = None
    mean: np.ndarray | None = None
    scale: np.ndarray | None = None
    linear: np.ndarray | None = None
    linear_mean: np.ndarray | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that there are, by name."""
        return {name: array for name, array in self._asdict().items() if array is not None}


AS_THEY_ARE = Inputs()


def centre_of(source: Source) -> np.ndarray | None:
    """The mean of a set's simulations where rounding to jax's precision would lose their digits.

    None where it would not, or where the set has no more digits itself.
    """
    dtype = np.dtype(jnp.result_type(float))
    if source.fiducial.dtype.itemsize <= dtype.itemsize:
        return None
    mean, deviation = spread(source)
    return mean if coarseness(mean, deviation, dtype).max() > COARSE else None


def scale_of(source: Source, how: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of a set; what never varies has the deviation 1.

    Args:
        source: of the simulations.
        how: "all" for one mean and one standard deviation of all numbers, (), "each" for those of
            each number of a simulation, (*input_shape).

    """
    mean, scale = spread(source)
    if how == "all":
        of_each, mean = mean, mean.mean()
        scale = np.sqrt(np.mean(scale**2 + (of_each - mean) ** 2))
    return np.asarray(mean), np.where(scale > 0, scale, 1)


def of_fit(path: str | Path) -> Inputs:
    """What stands before a fit's network, from its file."""
    return Inputs(**fits.read_arrays(path, "inputs") or {})


def before(network: Network, inputs: Inputs) -> Network:
    """The network on standardised simulations, beside a linear compression if there is one."""
    if inputs.mean is not None:
        network = _scaled(network, inputs)
    return network if inputs.linear is None else _beside_linear(network, inputs)


def _scaled(network, inputs):
    def apply(weights, d):
        mean, scale = (jnp.asarray(number, d.dtype) for number in (inputs.mean, inputs.scale))
        return network.apply(weights, (d - mean) / scale)

    return network._replace(apply=apply)


def _beside_linear(network, inputs):
    """Summaries A b^T (d - mean) + network(d), the latter nearly zero to begin with.

    Summaries beyond n_params begin as the network alone.
    """
    n_params = inputs.linear.shape[1]

    def init(key, input_shape):
        weights = network.init(key, input_shape)
        n_summaries = len(jax.eval_shape(network.apply, weights, jnp.zeros(input_shape)))
        small = jnp.where(jnp.arange(n_summaries) < n_params, NEARLY_ZERO, 1.0)
        zero = jnp.zeros(n_summaries)
        return {
            "network": network.map_summaries(weights, jnp.diag(small), zero),
            "A": jnp.eye(n_summaries, n_params),
            "b": zero,
        }

    def apply(weights, d):
        b, mean = (jnp.asarray(array, d.dtype) for array in (inputs.linear, inputs.linear_mean))
        linear = (d.reshape(-1) - mean) @ b
        return weights["A"] @ linear + weights["b"] + network.apply(weights["network"], d)

    def map_summaries(weights, A, b):
        of_network = network.map_summaries(weights["network"], A, jnp.zeros_like(b))
        return {"network": of_network, "A": A @ weights["A"], "b": A @ weights["b"] + b}

    return Network(init, apply, map_summaries)
