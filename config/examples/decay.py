"""A signal that decays, in noise: copy this file, and put your own simulator in it."""

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.problems import Problem

TIMES, NOISE = np.linspace(0, 3, 30), 0.2


def signal(theta):
    height, rate = theta
    return height * jnp.exp(-rate * TIMES)


def simulator(key, theta):  # one simulation, in jax.numpy, from a random key and the parameters
    return signal(theta) + NOISE * jax.random.normal(key, TIMES.shape)


def log_likelihood(theta, d):  # leave it out if you do not know it
    return -0.5 * jnp.sum((d - signal(theta)) ** 2) / NOISE**2


problem = Problem(
    simulator,
    theta_fid=[1.0, 0.5],
    names=["height", "rate"],
    input_shape=TIMES.shape,
    log_likelihood=log_likelihood,
)
