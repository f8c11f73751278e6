"""The Gaussian posterior of estimates: N(estimate, covariance) times the prior, normalised."""

from typing import Any, NamedTuple

import numpy as np
from imnn_core.inference.standard import log_masses, normal_factors, truncated
from imnn_core.problems.prior import Prior
from imnn_core.store.errors import InputError
from imnn_core.store.wording import shown
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

LOG_2PI = np.log(2 * np.pi)


class Draws(NamedTuple):
    """Weighted draws of the posterior of each observation.

    theta: (n_obs, n, p).
    weights: their largest is 1; NaN where the prior has no mass left, (n_obs, n).
    effective: number of independent draws that they are worth, 0 where weights are NaN, (n_obs,).
    log_mass: ln of the integral of Gaussian times prior. Where it is far below that of other
        observations, the prior misses the estimate, (n_obs,).
    log_mass_error: its standard error, 0 where it has a closed form, (n_obs,).
    """

    theta: np.ndarray
    weights: np.ndarray
    effective: np.ndarray
    log_mass: np.ndarray
    log_mass_error: np.ndarray


class _Product(NamedTuple):
    """Gaussian times the Gaussian factors of the prior: means (n_obs, p), lower Cholesky factor."""

    mean: np.ndarray
    cholesky: np.ndarray
    bounds: np.ndarray


def sample(estimates: Any, covariance: Any, prior: Prior, n: int, seed: Any) -> Draws:
    """Draws of N(estimate, covariance) times the prior.

    Normal factors of the prior are multiplied into the Gaussian, which is then drawn coordinate by
    coordinate between the bounds, each by the inverse of its own distribution (Geweke 1991,
    Hajivassiliou & McFadden 1998, Keane 1994). Weights are equal if the product is diagonal.
    With a log-uniform prior every second draw is one of the prior, and weights are those of the
    mixture of both (Veach & Guibas 1995).

    Args:
        estimates: (n_obs, p).
        covariance: of each of them, (p, p).
        prior: within its bounds the estimates may lie or not.
        n: draws for each estimate.
        seed: an integer, a sequence of those, or a numpy.random.Generator.

    Raises:
        InputError: the covariance is not positive definite.

    """
    rng = np.random.default_rng(seed)
    estimates, covariance = np.asarray(estimates, np.float64), np.asarray(covariance, np.float64)
    try:
        np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        raise InputError(
            "covariance of estimates: expected a positive definite matrix, found "
            f"{shown(covariance.tolist())}"
        ) from None
    n_obs, p = estimates.shape
    there = np.all(np.isfinite(estimates), axis=1)
    centre = np.where(there[:, None], estimates, prior.quantile(np.full(p, 0.5))[None])
    product = _product(centre, covariance, prior)
    theta, log_q = _sequential(product, rng.random((n_obs, n, p)))
    if any("log_uniform" in kinds for kinds in prior.spec.values()):
        theta[:, 1::2] = prior.draw(rng, n_obs * (n // 2)).reshape(n_obs, -1, p)
        log_q = _log_q(product, theta)
        share = (n // 2) / n  # of the prior among the proposals
        with np.errstate(divide="ignore"):
            log_q = np.logaddexp(np.log1p(-share) + log_q, np.log(share) + prior.log_density(theta))
    log_w = _log_normal(theta, centre, covariance) + prior.log_density(theta) - log_q
    return _weighted(theta, np.where(there[:, None], log_w, np.nan))


def log_density(
    theta: Any, estimates: Any, covariance: Any, prior: Prior, n: int = 10_000, seed: Any = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Normalised log-density of the posterior of each estimate.

    Args:
        theta: (n_obs, k, p), or (n_obs, p) for one each.
        estimates: (n_obs, p).
        covariance: of each of them, (p, p).
        prior: p(theta).
        n: draws that find the mass, where it has no closed form.
        seed: of these.

    Returns:
        ln p(theta | estimate), (n_obs, k) or (n_obs,), -inf outside of the prior, and its standard
        error from the mass, (n_obs,).

    """
    theta, estimates = np.asarray(theta, np.float64), np.asarray(estimates, np.float64)
    if theta.ndim == 2:
        found, error = log_density(theta[:, None], estimates, covariance, prior, n, seed)
        return found[:, 0], error
    draws = sample(estimates, covariance, prior, n, seed)
    found = _log_normal(theta, estimates, covariance) + prior.log_density(theta)
    return found - draws.log_mass[:, None], draws.log_mass_error


def _product(estimates, covariance, prior):
    """Multiply the normal factors of the prior into the Gaussian."""
    factors = [factor or (0.0, np.inf) for factor in normal_factors(prior)]
    means, variances = np.array(factors).T ** np.array([[1], [2]])
    # C' = (C^-1 + V^-1)^-1 = C (1 + V^-1 C)^-1,  m' = x + C' V^-1 (v - x)
    combined = np.linalg.solve(
        (np.eye(len(means)) + covariance / variances[:, None]).T, covariance.T
    ).T
    combined = (combined + combined.T) / 2
    mean = estimates + ((means[None] - estimates) / variances[None]) @ combined
    return _Product(mean, np.linalg.cholesky(combined), prior.bounds)


def _ends(product, i, z):
    """Ends of coordinate i in its own sigma, given those before it, (n_obs, n) each."""
    L = product.cholesky
    centre = product.mean[:, i, None] + z[..., :i] @ L[i, :i]
    return [(end - centre) / L[i, i] for end in product.bounds[i]]


def _sequential(product, uniform):
    """Draws within the bounds, (n_obs, n, p), and their log-densities (n_obs, n)."""
    z, log_q = np.zeros_like(uniform), 0.0
    for i in range(uniform.shape[-1]):
        a, b = _ends(product, i, z)
        log_mass, *ends = log_masses(a, b)
        with np.errstate(divide="ignore"):
            drawn = truncated(*ends, np.log(uniform[..., i]), np.log1p(-uniform[..., i]))
        z[..., i] = np.clip(drawn, a, b)
        log_q = log_q - log_mass
    theta = product.mean[:, None] + z @ product.cholesky.T
    theta = np.clip(theta, *product.bounds.T)  # an end may be off by a digit
    return theta, log_q + _log_standard(z, product.cholesky)


def _log_q(product, theta):
    """Log-density of what `_sequential` draws, (n_obs, n)."""
    z = _whitened(theta, product.mean, product.cholesky)
    masses = [log_masses(*_ends(product, i, z))[0] for i in range(theta.shape[-1])]
    return _log_standard(z, product.cholesky) - sum(masses)


def _whitened(theta, mean, cholesky):
    """Deviations from the mean in units of sigma, uncorrelated, (n_obs, n, p)."""
    deviations = theta - mean[:, None]
    columns = deviations.reshape(-1, deviations.shape[-1]).T  # (p, n_obs n)
    return solve_triangular(cholesky, columns, lower=True).T.reshape(deviations.shape)


def _log_standard(z, cholesky):
    """Log-density of a Gaussian at whitened deviations (n_obs, n, p)."""
    return (
        -0.5 * np.sum(z**2, axis=-1)
        - np.log(np.diagonal(cholesky)).sum()
        - 0.5 * LOG_2PI * z.shape[-1]
    )


def _log_normal(theta, estimates, covariance):
    """Log-density of N(estimate, covariance), (n_obs, n)."""
    cholesky = np.linalg.cholesky(np.asarray(covariance, np.float64))
    return _log_standard(_whitened(theta, estimates, cholesky), cholesky)


def _weighted(theta, log_w):
    """Draws with the logs of their weights, (n_obs, n)."""
    n = log_w.shape[1]
    largest = np.max(log_w, axis=1, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, np.nan)
    weights = np.exp(log_w - largest)
    total, squares = weights.sum(axis=1), np.sum(weights**2, axis=1)
    effective = total**2 / squares
    error = np.sqrt(np.maximum(n / effective - 1, 0) / n)
    return Draws(
        theta,
        weights,
        np.nan_to_num(effective, nan=0.0),
        logsumexp(log_w, axis=1) - np.log(n),
        np.where(error < 1e-6, 0, error),
    )
