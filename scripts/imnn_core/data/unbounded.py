"""Numbers of simulations, and combinations of them, that would have infinite information."""

from collections.abc import Iterator

import numpy as np
from imnn_core.data.gathered import Derivative, Fiducial
from imnn_core.problems import Problem
from imnn_core.problems.precision import coarseness, index_of

MANY = 3  # simulations for each number, from which on their covariance is known
ROUNDING = 1e-5  # of a slope, which is none


def unbounded(fiducial: Fiducial, derivative: Derivative, problem: Problem) -> Iterator[str]:
    """Numbers, and combinations of them, that never vary and depend on a parameter.

    They would have infinite information.
    """
    mean, deviation = fiducial.mean_and_deviation()
    why = "infinite information, which nothing measured has; leave it out"
    for name, sure in zip(problem.names, derivative.sure(mean) & ~fiducial.varies, strict=True):
        if sure.any():
            at = index_of(int(sure.argmax()), problem.input_shape)
            yield (
                f"expected numbers that vary where they depend on {name}, found "
                f"{mean[sure][0]:.6g} in all simulations at index {at} ({int(sure.sum())} of "
                f"{len(mean)} numbers are such): {why}"
            )
    places = np.flatnonzero(fiducial.varies)
    n_different = len(np.unique(fiducial.hashes[: fiducial.n_products]))
    if fiducial.products is None or n_different < MANY * len(places) or len(places) < 2:
        return
    scale = deviation[places]
    C = fiducial.covariance()
    values, vectors = np.linalg.eigh(C[np.ix_(places, places)] / np.outer(scale, scale))
    dtype = derivative.source.fiducial.dtype
    rounding = coarseness(mean[places], scale, dtype) ** 2
    slopes = derivative.slopes(mean)[:, places] / scale
    for value, v in zip(values, vectors.T, strict=True):
        if value > 10 * (v**2 @ rounding) + 1e-13 * len(places):
            return
        along = np.abs(slopes @ v)
        size = np.sqrt((slopes**2).sum(axis=1))
        if (along > ROUNDING * size).any():
            name = problem.names[int(np.argmax(along / np.where(size > 0, size, 1)))]
            parts = [
                f"{v[i] / scale[i]:.3g} times index {index_of(int(places[i]), problem.input_shape)}"
                for i in np.argsort(-np.abs(v))[:2]
            ]
            yield (
                f"expected combinations of numbers that vary where they depend on {name}, found "
                f"one that is the same in all simulations ({' and '.join(parts)}, …): {why}"
            )
            return
