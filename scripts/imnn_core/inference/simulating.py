"""Simulations at parameters that are asked for, compressed: what population Monte Carlo needs."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.fitted.compressor import Compressor
from imnn_core.problems import Problem, simulations
from imnn_core.problems.prior import Table
from imnn_core.problems.workers import Workers


def estimates_at(
    problem: Problem, compressor: Compressor, key: jax.Array, path: str, threads: int
) -> Callable[[np.ndarray, int], np.ndarray]:
    """A function of parameters (n, n_params) and the first one's number to estimates.

    Simulation i has the key fold_in(key, i). Where a simulation fails, there is NaN.

    Args:
        problem: with a simulator.
        compressor: of the fit.
        key: of the stream.
        path: of the problem's file, for a simulator in numpy.
        threads: processes of such a simulator.

    """
    draw = _by_workers(problem, key, path, threads) if problem.numpy else _in_jax(problem, key)

    def estimates(theta, first):
        d = draw(theta, first)
        bad = ~np.isfinite(d.reshape(len(d), -1)).all(axis=1)
        found = compressor.estimates(np.where(bad.reshape(-1, *[1] * (d.ndim - 1)), 0, d))
        return np.where(bad[:, None], np.nan, found)

    return estimates


def _in_jax(problem: Problem, key: jax.Array) -> Callable[[np.ndarray, int], np.ndarray]:
    @jax.jit
    def drawn(numbers, theta):
        def one(number, theta):
            return problem.simulator(jax.random.fold_in(key, number), theta)

        return jax.vmap(one)(numbers, theta)

    def draw(theta: Any, first: int) -> np.ndarray:
        numbers = np.arange(first, first + len(theta))
        return np.asarray(drawn(numbers, jnp.asarray(theta, jnp.result_type(float))))

    return draw


def _by_workers(
    problem: Problem, key: jax.Array, path: str, threads: int
) -> Callable[[np.ndarray, int], np.ndarray]:
    words = simulations.words_of(key)

    def draw(theta: np.ndarray, first: int) -> np.ndarray:
        given = problem.over(Table(problem.names, theta, first))
        d = np.empty((len(theta), *problem.input_shape))
        with Workers(given, path, words, threads) as workers:
            for _, start, rows in workers.drawn([("fiducial", first, first + len(theta))]):
                d[start - first : start - first + len(rows)] = rows
        return d

    return draw
