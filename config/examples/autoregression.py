"""A series in which each value remembers the one before: a simulator in plain numpy.

It has a network of its own.
"""

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.problems import Problem

LENGTH = 30


def simulator(rng, theta):  # one simulation, from numpy's random generator and the parameters
    memory, noise = theta
    series = np.empty(LENGTH)
    value = noise / np.sqrt(1 - memory**2) * rng.standard_normal()
    for i in range(LENGTH):
        series[i] = value
        value = memory * value + noise * rng.standard_normal()
    return series


def products(n_summaries, lags=3):
    """Means of products of values that are 0, 1, … lags - 1 apart, and a linear map of them."""

    def init(key, input_shape):
        return {"w": jax.random.normal(key, (n_summaries, lags)) / lags}

    def apply(weights, d):
        means = [jnp.mean(d[: len(d) - lag] * d[lag:]) for lag in range(lags)]
        return weights["w"] @ jnp.stack(means)

    return init, apply


problem = Problem(
    simulator,
    theta_fid=[0.5, 1.0],
    names=["memory", "noise"],
    input_shape=[LENGTH],
    networks={"products": products},
    symbols=["$a$", r"$\sigma$"],
    numpy=True,  # jax can neither compile it nor differentiate it
)
