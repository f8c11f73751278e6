"""Checks of finite differences: whether seeds match, and whether steps are small enough."""

import math

import jax
import numpy as np
from imnn_core.compression.compressor import Summaries
from imnn_core.data import sources
from imnn_core.data.sources import Source, pieces
from imnn_core.evaluation.measure import statistics_of, weights_of_estimates
from imnn_core.gradient import fisher
from imnn_core.problems import Problem, simulations
from imnn_core.store.sizes import PIECE as BYTES

MOST, MOST_IN_NUMPY = 1000, 200  # simulations drawn with half the steps


def independence(source: Source) -> np.ndarray:
    """Variance of differences relative to that of independent draws, (n_params,).

    Var(d+ - d-) / (Var d+ + Var d-), each summed over a simulation's numbers: 0 for matched seeds
    and a small step, 1 for independent draws.

    Args:
        source: with simulations at shifted parameters, (n_d, 2, n_params, *input_shape).

    """
    shape = source.derivative.shape
    # Powers 1 and 2 of minus, plus and their difference, less the first simulation.
    sums = np.zeros((2, 3, *shape[2:]))
    first = None
    for _, block in pieces(source, "derivative", BYTES):
        block = block.astype(np.float64)
        first = block[0] if first is None else first
        minus, plus = (block[:, side] - first[side] for side in (0, 1))
        three = np.stack([minus, plus, plus - minus])
        sums += np.stack([three.sum(axis=1), (three**2).sum(axis=1)])
    variances = sums[1] / shape[0] - (sums[0] / shape[0]) ** 2  # (3, n_params, *input_shape)
    minus, plus, difference = variances.reshape(3, shape[2], -1).sum(axis=-1)
    return difference / np.where(minus + plus > 0, minus + plus, 1)


def some_of(problem: Problem, key: jax.Array, n_d: int) -> Source:
    """Draw the first simulations of a set of n_d again, up to MOST of them and BYTES."""
    numbers = np.prod(problem.input_shape) * (1 + 2 * problem.n_params)
    n = max(2, min(n_d, MOST_IN_NUMPY if problem.numpy else MOST, int(BYTES // (4 * numbers))))
    pieces = simulations.draw(problem, key, n, n)
    return sources.in_memory(*(np.concatenate(arrays) for arrays in zip(*pieces, strict=True)))


def change_of_det_F(summaries: Summaries, half: np.ndarray) -> tuple[float, float]:
    """Relative change of |F| with derivatives from half the steps, and its standard error.

    Both use the covariance of all summaries, and derivatives of the same simulations. The error is
    to first order in the change: d ln|F| = 2 tr(F^-1 D^T C^-1 dD). NaN where C or F is singular.

    Args:
        summaries: of a set, with the whole steps.
        half: dx/dtheta of its first n simulations with half the steps, (n, n_summaries, n_params).

    """
    whole = summaries.dx_dtheta[: len(half)]
    before, after = (
        statistics_of(summaries._replace(dx_dtheta=derivative)) for derivative in (whole, half)
    )
    if not (np.isfinite(before.F).all() and np.isfinite(after.F).all()):
        return math.nan, math.nan
    change = fisher.determinant(after.F) / fisher.determinant(before.F) - 1
    each = 2 * np.einsum("xa,nxa->n", weights_of_estimates(before), half - whole)
    return float(change), float(each.std(ddof=1) / np.sqrt(len(half)))
