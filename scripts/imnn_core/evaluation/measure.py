"""Fisher information of summaries and the assumptions behind it, debiased and with errors.

In float64, from the summaries of all simulations of a set.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from imnn_core.compression.compressor import Summaries
from imnn_core.evaluation.jackknife import Estimate, groups_of, jackknife
from imnn_core.gradient.fisher import Moments, Statistics, covariance
from imnn_core.gradient.matrices import is_positive_definite


class Sums(NamedTuple):
    """Sums over simulations, of summaries x less the mean of the whole set.

    The sums of a group can then be subtracted from those of the set without cancellation. Those of
    many sets or groups are stacked along axes before the ones named here.
    """

    n_s: np.ndarray  # number of simulations, ()
    n_d: np.ndarray  # number of derivatives, ()
    x: np.ndarray  # (k,)
    xx: np.ndarray  # x x^T, (k, k)
    dx: np.ndarray  # dx/dtheta, (k, n_params)
    x_with_dx: np.ndarray  # x of the simulations that have derivatives, (k,)
    dx_x: np.ndarray  # dx/dtheta times x, of the same simulations, (k, n_params, k)
    z: np.ndarray  # powers 1 to 4 of each parameter's estimates less their mean, (4, n_params)


def sums_of_groups(summaries: Summaries, counts: Sequence[int] = ()) -> Sums:
    """Sums over each group of the jackknife, stacked; counts as of `jackknife.groups_of`."""
    n_s, n_d = len(summaries.x), len(summaries.dx_dtheta)
    x = summaries.x - summaries.x.mean(axis=0)
    z = x @ weights_of_estimates(statistics_of(summaries))

    def of_group(rows):
        with_dx = rows[rows < n_d]
        dx = summaries.dx_dtheta[with_dx]
        return Sums(
            n_s=np.float64(len(rows)),
            n_d=np.float64(len(with_dx)),
            x=x[rows].sum(axis=0),
            xx=x[rows].T @ x[rows],
            dx=dx.sum(axis=0),
            x_with_dx=x[with_dx].sum(axis=0),
            dx_x=np.tensordot(dx, x[with_dx], axes=(0, 0)),
            z=np.stack([(z[rows] ** power).sum(axis=0) for power in (1, 2, 3, 4)]),
        )

    return jax.tree.map(
        lambda *leaves: np.stack(leaves), *map(of_group, groups_of(n_s, n_d, counts))
    )


def or_nan(function: Callable, A: np.ndarray) -> np.ndarray:
    """What numpy.linalg makes of each of stacked square matrices; NaN where it finds nothing.

    Args:
        function: (…, k, k) -> (…, k, k), which may raise LinAlgError.
        A: (…, k, k).

    """
    try:
        return function(A)
    except np.linalg.LinAlgError:
        if A.ndim == 2:
            return np.full_like(A, np.nan)
        return np.stack([or_nan(function, one) for one in A])


def moments(s: Sums) -> Moments:
    """Moments of the summaries, their mean relative to that of the whole set."""
    n_s, n_d = s.n_s[..., None], s.n_d[..., None, None]
    scatter = s.xx - s.x[..., :, None] * s.x[..., None, :] / n_s[..., None]
    return Moments(s.n_s, s.n_d, s.x / n_s, scatter, s.dx / n_d)


def whitening(m: Moments) -> np.ndarray:
    """L^-1 with C = L L^T, (…, k, k); NaN where C is not positive definite."""
    C = m.scatter / (m.n_s - 1)[..., None, None]
    return or_nan(np.linalg.inv, or_nan(np.linalg.cholesky, C))


def factor(m: Moments) -> np.ndarray:
    """Upper triangular R with F = R^T R, (…, n_params, n_params).

    From a QR decomposition of L^-1 dmu/dtheta, so that F keeps its digits where parameters are
    nearly degenerate. NaN where C is not positive definite, and where the derivative by some
    parameter is a combination of the others, so that F has no inverse.

    Source: Golub & Van Loan 2013, Matrix Computations, section 5.3.
    """
    R = np.linalg.qr(whitening(m) @ m.mean_derivative, mode="r")
    diagonal = np.abs(np.diagonal(R, axis1=-2, axis2=-1))
    rounding = R.shape[-1] * np.finfo(R.dtype).eps * np.linalg.norm(R, axis=-2)
    return np.where((diagonal > rounding).all(axis=-1)[..., None, None], R, np.nan)


def log_det(R: np.ndarray) -> np.ndarray:
    """Ln det R^T R of triangular matrices, (…)."""
    return 2 * np.log(np.abs(np.diagonal(R, axis1=-2, axis2=-1))).sum(axis=-1)


def distribution(z: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Skewness and excess kurtosis from sums of the powers 1 to 4 of n numbers, (…, 4, n_params).

    Both are 0 for a Gaussian.
    """
    m1, m2, m3, m4 = np.moveaxis(z / np.asarray(n)[..., None, None], -2, 0)
    variance = m2 - m1**2
    third = m3 - 3 * m1 * m2 + 2 * m1**3
    fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    return third / variance**1.5, fourth / variance**2 - 3


def sigma_of(R: np.ndarray) -> np.ndarray:
    """Cramer-Rao bound of each parameter, sqrt((F^-1)_aa), of a factor of F, (…, n_params)."""
    return np.linalg.norm(or_nan(np.linalg.inv, R), axis=-1)


def change_of_covariance(s: Sums, L_inv: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Relative change of C when a parameter changes by its Cramer-Rao bound, (…, n_params).

    To first order: the largest absolute eigenvalue of sigma_a C^-1 dC/dtheta_a, with
    sigma_a^2 = (F^-1)_aa and dC/dtheta_a the covariance of dx/dtheta_a with x plus its transpose.
    F assumes a constant C, so that this should be far less than 1.

    Args:
        s: sums.
        L_inv: their `whitening`, (…, k, k).
        sigma: the bounds, (…, n_params).

    """
    n_d = s.n_d[..., None, None, None]
    products = s.dx_x - s.dx[..., None] * s.x_with_dx[..., None, None, :] / n_d
    cross = np.swapaxes(products / (n_d - 1), -3, -2)  # (…, n_params, k, k)
    L_inv = L_inv[..., None, :, :]
    changes = L_inv @ (cross + np.swapaxes(cross, -1, -2)) @ np.swapaxes(L_inv, -1, -2)
    finite = np.isfinite(changes).all(axis=(-2, -1))
    eigenvalues = np.linalg.eigvalsh(np.where(finite[..., None, None], changes, 0))
    largest = np.where(finite, np.abs(eigenvalues).max(axis=-1), np.nan)
    return sigma * largest


def information(R: np.ndarray) -> dict[str, np.ndarray]:
    """F, |F| and the Cramer-Rao bound sigma of each parameter, of a factor of F."""
    return {
        "F": np.swapaxes(R, -1, -2) @ R,
        "det_F": np.exp(log_det(R)),
        "sigma": sigma_of(R),
    }


def description(s: Sums, sigma: np.ndarray) -> dict[str, np.ndarray]:
    """|C|, and how far the assumptions of F hold.

    Those are skewness and excess kurtosis of the estimates, and `change_of_covariance` for the
    Cramer-Rao bounds sigma.
    """
    skewness, excess_kurtosis = distribution(s.z, s.n_s)
    L_inv = whitening(moments(s))
    return {
        "det_C": np.exp(-log_det(L_inv)),
        "skewness": skewness,
        "excess_kurtosis": excess_kurtosis,
        "covariance_change": change_of_covariance(s, L_inv, sigma),
    }


def ratio(a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """Ratios of two informations, by their factors: of |F|, and of F_aa of each parameter."""
    return {
        "det_F": np.exp(log_det(a) - log_det(b)),
        "F_diagonal": (np.linalg.norm(a, axis=-2) / np.linalg.norm(b, axis=-2)) ** 2,
    }


def statistics_of(summaries: Summaries) -> Statistics:
    """Statistics of a set of summaries; F and C^-1 are NaN where C is not positive definite."""
    x, n_s = summaries.x.astype(np.float64), np.float64(len(summaries.x))
    mean, n_d = x.mean(axis=0), np.float64(len(summaries.dx_dtheta))
    scatter, dx = (x - mean).T @ (x - mean), summaries.dx_dtheta.astype(np.float64)
    m = Moments(n_s, n_d, mean, scatter, dx.mean(axis=0))
    L_inv = whitening(m)
    A = L_inv @ m.mean_derivative
    return Statistics(A.T @ A, covariance(m), L_inv.T @ L_inv, mean, m.mean_derivative)


def weights_of_estimates(statistics: Statistics) -> np.ndarray:
    """Weights of the summaries in estimates of theta: C^-1 (dmu/dtheta) F^-1.

    (n_summaries, n_params); NaN where C or F is singular.
    """
    if not is_positive_definite(statistics.F):
        return np.full_like(statistics.dmu_dtheta, np.nan)
    try:
        return np.linalg.solve(statistics.C, statistics.dmu_dtheta) @ np.linalg.inv(statistics.F)
    except np.linalg.LinAlgError:
        return np.full_like(statistics.dmu_dtheta, np.nan)


def estimates(x: np.ndarray, statistics: Statistics, theta_fid: np.ndarray) -> np.ndarray:
    """Quasi-maximum-likelihood estimates of theta from summaries x, (n, n_params).

    theta_fid + F^-1 (dmu/dtheta)^T C^-1 (x - mu): one step of Fisher scoring from theta_fid, for
    Gaussian x with a mean linear in theta. Unbiased near theta_fid, with covariance F^-1.
    """
    return theta_fid + (x - statistics.mu) @ weights_of_estimates(statistics)


def measure(compressions: dict[str, Summaries], counts: Sequence[int] = ()) -> Estimate:
    """Measure everything that is kept of a set.

    Args:
        compressions: summaries of the same simulations, by name: "network", and "score", "linear"
            and "simulations" where there are any.
        counts: numbers of simulations with a derivative by one parameter, where they differ.

    Returns:
        An Estimate whose fields are mappings: of each compression its `information`, of network
        and score also their `description`; and as "over_score" and "over_linear" the `ratio` of
        the network to them.

    """

    def quantity(sums):
        factors = {name: factor(moments(s)) for name, s in sums.items()}
        found = {name: information(R) for name, R in factors.items()}
        for name in sums.keys() & {"network", "score"}:
            found[name] |= description(sums[name], found[name]["sigma"])
        network = factors.pop("network")
        factors.pop("simulations", None)
        return found | {f"over_{name}": ratio(network, R) for name, R in factors.items()}

    groups = {name: sums_of_groups(summaries, counts) for name, summaries in compressions.items()}
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):  # NaN and infinity are told
        return jackknife(groups, quantity)
