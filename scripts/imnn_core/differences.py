"""What finite differences by the parameters are worth: whether seeds match, and whether the steps are small enough."""

import math
from dataclasses import replace

import jax
import numpy as np
from imnn_core import chunks, fisher, simulations
from imnn_core.chunks import Source
from imnn_core.compress import Summaries
from imnn_core.problem import Problem

BYTES = 2**25  # of simulations that are read, or drawn, at a time
MOST, MOST_IN_NUMPY = 1000, 200  # simulations with half the steps


def independence(source: Source) -> np.ndarray:
    """Var(d+ - d-) / (Var d+ + Var d-), summed over a simulation's numbers, of each parameter, (n_params,).

    0 for matched seeds and a small step, 1 for independent draws.

    Args:
        source: with simulations at shifted parameters, (n_d, 2, n_params, *input_shape).

    """
    shape, dtype = source.derivative.shape, source.derivative.dtype
    row = np.empty((1, *shape[1:]), dtype).nbytes
    sums = np.zeros((2, 3, *shape[2:]))  # of minus, plus and their difference, less the first simulation: of powers 1 and 2
    first = None
    for start in range(0, shape[0], max(1, BYTES // row)):
        block = np.empty((min(max(1, BYTES // row), shape[0] - start), *shape[1:]), dtype)
        source.read("derivative", start, block)
        block = block.astype(np.float64)
        first = block[0] if first is None else first
        three = np.stack([block[:, 0] - first[0], block[:, 1] - first[1], block[:, 1] - block[:, 0] - (first[1] - first[0])])
        sums += np.stack([three.sum(axis=1), (three**2).sum(axis=1)])
    variances = sums[1] / shape[0] - (sums[0] / shape[0]) ** 2  # (3, n_params, *input_shape)
    minus, plus, difference = variances.reshape(3, shape[2], -1).sum(axis=-1)
    return difference / np.where(minus + plus > 0, minus + plus, 1)


def with_half_the_steps(problem: Problem, key: jax.Array, n_d: int) -> Source:
    """The first simulations of a set with half of delta_theta: at most MOST of them, nor more than BYTES."""
    half = replace(problem, delta_theta=problem.delta_theta / 2)
    numbers = np.prod(problem.input_shape) * (1 + 2 * problem.n_params)
    n = max(2, min(n_d, MOST_IN_NUMPY if problem.numpy else MOST, int(BYTES // (4 * numbers))))
    pieces = simulations.draw(half, key, n, n)
    return chunks.in_memory(*(np.concatenate(arrays) for arrays in zip(*pieces, strict=True)))


def change_of_det_F(summaries: Summaries, half: np.ndarray) -> tuple[float, float]:
    """Relative change of |F| with derivatives from half the steps, and its standard error; NaN where C or F has no inverse.

    The covariance is that of all summaries, the derivatives those of the same simulations; |F| to first order in their change:
    d ln|F| = 2 tr(F^-1 D^T C^-1 dD).

    Args:
        summaries: of a set, with the whole steps.
        half: dx/dtheta of its first n simulations with half the steps, (n, n_summaries, n_params).

    """
    if not (np.isfinite(half).all() and np.isfinite(summaries.x).all()):
        return math.nan, math.nan
    C = np.cov(summaries.x, rowvar=False, ddof=1).reshape(half.shape[1], half.shape[1])
    whole = summaries.dx_dtheta[: len(half)]
    D, D_half = whole.mean(axis=0), half.mean(axis=0)
    try:
        F, F_half = (derivative.T @ np.linalg.solve(C, derivative) for derivative in (D, D_half))
        slopes = 2 * np.linalg.solve(F, D.T @ np.linalg.inv(C))  # (n_params, n_summaries)
    except np.linalg.LinAlgError:
        return math.nan, math.nan
    change = fisher.determinant(F_half) / fisher.determinant(F) - 1
    each = np.einsum("ax,nxa->n", slopes, half - whole)
    return float(change), float(each.std(ddof=1) / np.sqrt(len(half)))
