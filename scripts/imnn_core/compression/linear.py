"""A linear compression of the simulations themselves: what a network has to beat."""

import numpy as np
from imnn_core.data.sources import Source, blocks
from imnn_core.store.sizes import MOST_INPUTS

# Fewest simulations for each input, else only the variances are used: with two, half of F would be
# lost to noise.
PER_INPUT = 10


def compression(source: Source, delta_theta: np.ndarray | None = None) -> tuple[np.ndarray, str]:
    """The linear compression that keeps the information in the mean: b and how, summaries b^T d.

    b = C^-1 dmu/dtheta, (n_inputs, n_params), with C and mu the covariance and the mean of the
    simulations; with C's diagonal alone where the simulations are too few, or the inputs too many,
    for an inverse of all of it ("full" or "diagonal"). Columns have their largest entry at 1.

    Args:
        source: of the simulations.
        delta_theta: of finite differences, (n_params,); None for exact derivatives.

    Source: Heavens, Jimenez & Lahav 2000, arXiv:astro-ph/9911102 (MOPED).

    """
    n_s, n_d = len(source.fiducial), len(source.derivative)
    mean = sum(block.sum(axis=0) for block in blocks(source, "fiducial")) / n_s
    dmu_dtheta = sum(block.sum(axis=0) for block in blocks(source, "derivative", delta_theta)) / n_d
    scale = np.sqrt(
        sum(((block - mean) ** 2).sum(axis=0) for block in blocks(source, "fiducial")) / (n_s - 1)
    )
    scale = np.where(scale > 0, scale, np.inf)  # what never varies is left out
    b, how = dmu_dtheta / scale[:, None], "diagonal"
    if len(mean) <= min(MOST_INPUTS, n_s // PER_INPUT):
        standard = ((block - mean) / scale for block in blocks(source, "fiducial"))
        correlation = sum(block.T @ block for block in standard) / (
            n_s - 1
        )  # not C, so that units don't matter
        b, how = np.linalg.pinv(correlation, hermitian=True) @ b, "full"
    b = b / scale[:, None]
    largest = np.abs(b).max(axis=0)
    return b / np.where(largest > 0, largest, 1), how
