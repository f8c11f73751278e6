"""Problems: a simulator with its parameters, and what is known exactly about it."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Problem(NamedTuple):
    """A simulator and its fiducial parameters.

    name: as in the configuration.
    names: of the parameters, (n_params,).
    symbols: the same for figures, in matplotlib's TeX.
    theta_fid: fiducial parameters, (n_params,), float64.
    input_shape: of one simulation.
    simulator: (key, theta) -> d (*input_shape), differentiable by theta (n_params,).
    log_likelihood: (theta, d) -> ln p(d | theta), or None where it is not known.
    fisher: theta -> F (n_params, n_params), or None where it is not known.
    """

    name: str
    names: tuple[str, ...]
    symbols: tuple[str, ...]
    theta_fid: np.ndarray
    input_shape: tuple[int, ...]
    simulator: Callable
    log_likelihood: Callable | None = None
    fisher: Callable | None = None


def gaussian(theta_fid=(0.0, 1.0), input_shape=(10,)) -> Problem:
    """Independent draws of N(mu, Sigma), with theta = (mu, Sigma) and Sigma the variance.

    F = diag(n / Sigma, n / (2 Sigma^2)) for n draws, so |F| = 50 for ten draws at theta = (0, 1).
    """
    n = math.prod(input_shape)

    def simulator(key, theta):
        mu, sigma_squared = theta
        return mu + jnp.sqrt(sigma_squared) * jax.random.normal(key, tuple(input_shape))

    def log_likelihood(theta, d):
        mu, sigma_squared = theta
        return -0.5 * (jnp.sum((d - mu) ** 2) / sigma_squared + n * jnp.log(2 * jnp.pi * sigma_squared))

    def fisher(theta):
        _, sigma_squared = theta
        return np.diag([n / sigma_squared, n / (2 * sigma_squared**2)])

    return Problem(
        name="gaussian",
        names=("mu", "Sigma"),
        symbols=(r"$\mu$", r"$\Sigma$"),
        theta_fid=np.asarray(theta_fid, dtype=np.float64),
        input_shape=tuple(input_shape),
        simulator=simulator,
        log_likelihood=log_likelihood,
        fisher=fisher,
    )


PROBLEMS = {"gaussian": gaussian}


def build(kind: str, theta_fid, input_shape) -> Problem:
    """The problem of a configuration's `problem:`."""
    return PROBLEMS[kind](theta_fid=theta_fid, input_shape=input_shape)
