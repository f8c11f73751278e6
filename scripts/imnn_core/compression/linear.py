"""A linear compression of the simulations themselves: what a network has to beat."""

from typing import NamedTuple

import numpy as np
from imnn_core.data.sources import Source, blocks, spread
from imnn_core.store.sizes import MOST_INPUTS

FOLDS = 4  # of the simulations, each left out once
AMOUNTS = (0, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 1)  # of shrinkage, tried


class Linear(NamedTuple):
    """A linear compression, x = b^T (d - mean).

    b: (n_inputs, n_params); by the covariance that it was made with, x has the covariance 1, or at
        least the variance 1.
    mean: of the simulations, (n_inputs,).
    shrinkage: how far the covariance was moved towards its diagonal, 0 for not and 1 for wholly.
    """

    b: np.ndarray
    mean: np.ndarray
    shrinkage: float


class _Sums(NamedTuple):
    """Sums over simulations, less the mean and over the deviation of the whole set."""

    n_s: float
    n_d: float
    z: np.ndarray  # (n_inputs,)
    zz: np.ndarray  # (n_inputs, n_inputs)
    dz: np.ndarray  # of the derivatives, (n_inputs, n_params)

    def less(self, other: "_Sums") -> "_Sums":
        return _Sums(*(a - b for a, b in zip(self, other, strict=True)))

    @property
    def covariance(self) -> np.ndarray:
        return (self.zz - np.outer(self.z, self.z) / self.n_s) / (self.n_s - 1)

    @property
    def derivative(self) -> np.ndarray:
        return self.dz / self.n_d


def compression(source: Source) -> Linear:
    """The linear compression that keeps the information in the mean.

    b = C^-1 dmu/dtheta, with C and mu the covariance and the mean of the simulations. C is moved
    towards its diagonal, (1 - s) C + s diag C, since the inverse of a covariance of few simulations
    loses information. The s of AMOUNTS is taken with which b of three quarters of the simulations
    keeps the largest |F| of the fourth quarter, over all four. With more than MOST_INPUTS numbers
    the diagonal alone is used.

    Args:
        source: of the simulations, with tangents.

    Source: Heavens, Jimenez & Lahav 2000, arXiv:astro-ph/9911102 (MOPED); Ledoit & Wolf 2004,
        Journal of Multivariate Analysis 88, 365 (shrinkage).

    """
    n_d = len(source.derivative)
    mean, scale = (array.reshape(-1) for array in spread(source))
    scale = np.where(scale > 0, scale, np.inf)  # what never varies is left out
    if len(mean) > MOST_INPUTS:
        dmu_dtheta = sum(block.sum(axis=0) for block in blocks(source, "derivative")) / n_d
        b = dmu_dtheta / scale[:, None]
        return Linear(_normed(b, b.T @ b) / scale[:, None], mean, 1.0)
    folds = _folds(source, mean, scale)
    whole = _Sums(*(sum(each) for each in zip(*folds, strict=True)))
    shrinkage = _best(whole, folds)
    C = _shrunk(whole.covariance, shrinkage)
    b = _solve(C, whole.derivative)
    return Linear(_normed(b, b.T @ C @ b) / scale[:, None], mean, shrinkage)


def _folds(source, mean, scale):
    """Sums over FOLDS parts of the simulations, one after the other."""
    n_s, n_d, n_params = len(source.fiducial), len(source.derivative), source.derivative.shape[-1]
    k = len(mean)
    found = [
        _Sums(0.0, 0.0, np.zeros(k), np.zeros((k, k)), np.zeros((k, n_params)))
        for _ in range(FOLDS)
    ]
    for fold, part in _parts(source, "fiducial", n_s):
        z, s = (part - mean) / scale, found[fold]
        found[fold] = s._replace(n_s=s.n_s + len(z), z=s.z + z.sum(axis=0), zz=s.zz + z.T @ z)
    for fold, part in _parts(source, "derivative", n_d):
        s, dz = found[fold], part.sum(axis=0) / scale[:, None]
        found[fold] = s._replace(n_d=s.n_d + len(part), dz=s.dz + dz)
    return found


def _parts(source, name, n):
    """The rows of a source with the number of their fold; every FOLDS-th row is in one fold."""
    start = 0
    for block in blocks(source, name):
        of_row = (start + np.arange(len(block))) % FOLDS
        for fold in range(FOLDS):
            if (of_row == fold).any():
                yield fold, block[of_row == fold]
        start += len(block)


def _shrunk(C, shrinkage):
    never_varies = np.diag(C) <= 0
    return (1 - shrinkage) * C + np.diag(np.where(never_varies, 1, shrinkage * np.diag(C)))


def _solve(C, D):
    try:
        return np.linalg.solve(C, D)
    except np.linalg.LinAlgError:
        return np.full_like(D, np.nan)


def _best(whole, folds):
    """The amount of shrinkage with the largest ln |F| of folds that were left out."""
    if min(fold.n_d for fold in folds) < 2 or min(fold.n_s for fold in folds) < 3:
        return 1.0
    found = dict.fromkeys(AMOUNTS, 0.0)
    for fold in folds:
        kept = whole.less(fold)
        C, D = kept.covariance, kept.derivative
        for amount in AMOUNTS:
            found[amount] += _log_det_F(_solve(_shrunk(C, amount), D), fold)
        if kept.n_s < 2 * len(D):  # half of F would be lost to noise, or there is no inverse
            found[0] = -np.inf
    finite = {amount: value for amount, value in found.items() if np.isfinite(value)}
    return float(max(finite, key=finite.get)) if finite else 1.0


def _log_det_F(b, s):
    """Ln |F| of summaries b^T z of simulations with these sums; not finite without an inverse."""
    if not np.isfinite(b).all():
        return -np.inf
    C, D = b.T @ s.covariance @ b, b.T @ s.derivative
    (sign_C, log_C), (sign_D, log_D) = np.linalg.slogdet(C), np.linalg.slogdet(D)
    return 2 * log_D - log_C if sign_C > 0 and sign_D != 0 else -np.inf


def _normed(b, C):
    """The columns of b mixed so that summaries of covariance C have the covariance 1.

    If C has no inverse, the columns have the variance 1 where they have any.
    """
    size = np.sqrt(np.where(np.diag(C) > 0, np.diag(C), np.inf))
    b, C = b / size, C / np.outer(size, size)
    try:
        L = np.linalg.cholesky(C)
    except np.linalg.LinAlgError:
        return b
    if np.diag(L).min() < 1e-5:  # b would have no digits left in float32
        return b
    return np.linalg.solve(L, b.T).T


def how(shrinkage: float, n_inputs: int) -> str:
    """In words, which covariance a linear compression was made with."""
    if n_inputs > MOST_INPUTS:
        return f"the variances alone, since there are more than {MOST_INPUTS} numbers"
    if shrinkage in (0, 1):
        return "the variances alone" if shrinkage else "the full covariance"
    return f"the covariance moved by {100 * shrinkage:.2g} % towards its diagonal"
