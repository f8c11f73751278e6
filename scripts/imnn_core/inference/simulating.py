"""Simulations at parameters that are asked for, compressed: what population Monte Carlo needs."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.fitted.compressor import Compressor
from imnn_core.fitted.load import of_files
from imnn_core.problems import Problem, load, simulations
from imnn_core.problems.numbered import Table
from imnn_core.problems.workers import Workers

# Key of the stream, parameters (n, n_params), number of the first -> estimates (n, n_params).
Estimates = Callable[[jax.Array, np.ndarray, int], np.ndarray]
Draw = Callable[[jax.Array, np.ndarray, int], np.ndarray]  # the same to simulations


def of_fit(
    problem: Mapping[str, Any],
    path_to_fit: str,
    path_to_information: str,
    threads: int,
    path_to_theta: str | None = None,
) -> Estimates:
    """`estimates_at` for a stored fit.

    Args:
        problem: arguments of `load.build`.
        path_to_fit, path_to_information: the fit, and what was measured of it.
        threads: processes of a simulator in numpy.
        path_to_theta: theta_fid of a refinement, or None.

    """
    path, built = problem["kind"], load.at(path_to_theta, **problem)
    return estimates_at(built, of_files(path_to_fit, path_to_information, built), path, threads)


def estimates_at(problem: Problem, compressor: Compressor, path: str, threads: int) -> Estimates:
    """A function of a key, parameters and the first one's number to estimates.

    Simulation i has the key fold_in(key, i). Where a simulation fails, there is NaN.

    Args:
        problem: with a simulator.
        compressor: of the fit.
        path: of the problem's file, for a simulator in numpy.
        threads: processes of such a simulator.

    """
    draw = _by_workers(problem, path, threads) if problem.numpy else _in_jax(problem)

    def estimates(key, theta, first):
        d = draw(key, theta, first)
        bad = ~np.isfinite(d.reshape(len(d), -1)).all(axis=1)
        found = compressor.estimates(np.where(bad.reshape(-1, *[1] * (d.ndim - 1)), 0, d))
        return np.where(bad[:, None], np.nan, found)

    return estimates


def _in_jax(problem: Problem) -> Draw:
    @jax.jit
    def drawn(key, numbers, theta):
        def one(number, theta):
            return problem.simulator(jax.random.fold_in(key, number), theta)

        return jax.vmap(one)(numbers, theta)

    def draw(key, theta, first):
        numbers = np.arange(first, first + len(theta))
        return np.asarray(drawn(key, numbers, jnp.asarray(theta, jnp.result_type(float))))

    return draw


def _by_workers(problem: Problem, path: str, threads: int) -> Draw:
    def draw(key, theta, first):
        given, words = problem.over(Table(problem.names, theta, first)), simulations.words_of(key)
        d = np.empty((len(theta), *problem.input_shape))
        with Workers(given, path, words, threads) as workers:
            for _, start, rows in workers.drawn([("fiducial", first, first + len(theta))]):
                d[start - first : start - first + len(rows)] = rows
        return d

    return draw
