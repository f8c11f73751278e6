"""The proposal of population Monte Carlo in the unbounded space of a prior. Imports no jax."""

from typing import NamedTuple

import numpy as np
from imnn_core.problems.prior import Prior

WIDER = 2.0  # the kernel's covariance over the population's (Beaumont et al. 2009)
PAIRS = 1 << 17  # of points and particles, whose densities are computed together: 1 MiB


class Kernel(NamedTuple):
    """A mixture: the particles' t-distributions, and with a small share the prior.

    With Gaussians only, the tails of a posterior are lost where they are heavier than a
    Gaussian's: few particles lie there, with large weights, and in most populations none. t-
    distributions of the same covariance reach them, and the prior bounds all weights.

    z: particles, (n, p), unbounded.
    weights: theirs, (n,), with the sum 1.
    root: Cholesky factor of the covariance of each t-distribution, (p, p), lower.
    degrees: of freedom, more than 2; infinite for Gaussians.
    share: of the prior.
    """

    z: np.ndarray
    weights: np.ndarray
    root: np.ndarray
    degrees: float
    share: float


def kernel_of(z: np.ndarray, weights: np.ndarray, degrees: float, share: float) -> Kernel:
    """The kernel with twice the weighted covariance of a population, (n, p) and (n,)."""
    covariance = np.atleast_2d(np.cov(z.T, aweights=weights, ddof=0))
    return Kernel(z, weights, np.linalg.cholesky(WIDER * covariance), degrees, share)


def draw(kernel: Kernel, prior: Prior, rng: np.random.Generator, n: int) -> np.ndarray:
    """Draws of the mixture, (n, p); the first ones are the prior's.

    Both parts have their exact shares of any n, and particles are drawn from strata of equal
    weight, which leaves the density of the whole as it is.
    """
    of_prior = prior.to_unbounded(prior.draw(rng, n_of_prior(kernel.share, n)))
    n_rest = n - len(of_prior)
    u = (np.arange(n_rest) + rng.random(n_rest)) / n_rest
    total = np.cumsum(kernel.weights)
    chosen = np.searchsorted(total, u * total[-1], side="right")
    chosen = np.minimum(chosen, len(total) - 1)  # u may round to 1
    step = rng.standard_normal((n_rest, len(kernel.root)))
    if np.isfinite(kernel.degrees):
        step *= np.sqrt((kernel.degrees - 2) / rng.chisquare(kernel.degrees, (n_rest, 1)))
    return np.concatenate([of_prior, kernel.z[chosen] + step @ kernel.root.T])


def log_density(kernel: Kernel, prior: Prior, z: np.ndarray) -> np.ndarray:
    """Log-density of the mixture in unbounded space, (m, p) -> (m,)."""
    from_particles = np.log1p(-kernel.share) + _log_mixture(kernel, z)
    if kernel.share == 0:
        return from_particles
    return np.logaddexp(from_particles, np.log(kernel.share) + log_prior(prior, z))


def log_prior(prior: Prior, z: np.ndarray) -> np.ndarray:
    """Log-density of the prior in its unbounded space, (m, p) -> (m,)."""
    return prior.log_density(prior.from_unbounded(z)) + prior.log_jacobian(z)


def n_of_prior(share: float, n: int) -> int:
    """How many of n draws are the prior's."""
    return round(share * n)


def _log_mixture(kernel, z):
    """Log of sum_j w_j K(z_i - z_j), by blocks of points."""
    centre = np.average(kernel.z, axis=0, weights=kernel.weights)
    solved = np.linalg.solve(kernel.root, np.concatenate([kernel.z, z]).T - centre[:, None])
    particles, points = np.split(solved, [len(kernel.z)], axis=1)  # (p, n), (p, m)
    used = kernel.weights > 0
    particles, log_weights = particles[:, used], np.log(kernel.weights[used])
    rows = max(1, PAIRS // len(log_weights))
    blocks = [
        _log_sum(log_weights, particles, points[:, first : first + rows], kernel.degrees)
        for first in range(0, points.shape[1], rows)
    ]
    log_scale = np.log(np.diag(kernel.root)).sum()
    return np.concatenate(blocks) + _log_norm(len(points), kernel.degrees) - log_scale


def _log_sum(log_weights, particles, points, degrees):
    squared = np.zeros((points.shape[1], len(log_weights)))
    for of_point, of_particle in zip(points, particles, strict=True):
        squared += np.subtract.outer(of_point, of_particle) ** 2
    if np.isfinite(degrees):  # (1 + d^2 / (degrees - 2))^(-(degrees + p) / 2)
        terms = -(degrees + len(points)) / 2 * np.log1p(squared / (degrees - 2))
    else:
        terms = -squared / 2
    terms += log_weights
    largest = terms.max(axis=1, keepdims=True)
    terms -= largest
    return largest[:, 0] + np.log(np.exp(terms, out=terms).sum(axis=1))


def _log_norm(p, degrees):
    """Log of what normalises a t-distribution of unit covariance in p dimensions."""
    from scipy.special import gammaln

    if not np.isfinite(degrees):
        return -p / 2 * np.log(2 * np.pi)
    return gammaln((degrees + p) / 2) - gammaln(degrees / 2) - p / 2 * np.log(np.pi * (degrees - 2))
