"""The proposal of population Monte Carlo in the unbounded space of a prior. Imports no jax."""

from math import lgamma
from typing import NamedTuple

import numpy as np
from imnn_core.problems.prior import Prior

WIDER = 2.0  # the kernel's covariance over the population's (Beaumont et al. 2009)
TEMPER = 0.75  # see kernel_of; 0 is Beaumont et al.'s, with a third of the precision
PAIRS = 1 << 14  # of points and particles, whose densities are computed together: 128 KiB


class Kernel(NamedTuple):
    """A mixture: the particles' t-distributions, and with a small share the prior.

    With Gaussians only, the tails of a posterior are lost where they are heavier than a
    Gaussian's: few particles lie there, with large weights, and in most populations none. t-
    distributions of the same covariance reach them, and the prior bounds all weights.

    z: particles, (n, p), unbounded.
    weights: theirs, (n,), with the sum 1.
    root: Cholesky factor of the covariance of each t-distribution, (p, p), lower.
    degrees: of freedom, an integer of at least 3.
    share: of the prior.
    """

    z: np.ndarray
    weights: np.ndarray
    root: np.ndarray
    degrees: int
    share: float


def kernel_of(
    prior: Prior, z: np.ndarray, weights: np.ndarray, degrees: int, share: float
) -> Kernel:
    """The kernel with twice the weighted covariance of a population, (n, p) and (n,).

    What is drawn is accepted in proportion to the likelihood L, so that accepted particles lie more
    densely than their posterior, prior L, and few lie in its tails. Per simulation, estimates
    have the least variance if draws are distributed about as prior L^(1/2). So particles are drawn
    with their weights times (prior / f)^TEMPER, where f is their density, smoothed by the
    population's own covariance.
    """
    root = np.linalg.cholesky(np.atleast_2d(np.cov(z.T, aweights=weights, ddof=0)))
    log_f = _log_mixture(Kernel(z, weights, root, degrees, 0.0), z)
    log_factors = TEMPER * (log_prior(prior, z) - log_f)
    drawn = weights * np.exp(log_factors - log_factors.max())
    return Kernel(z, drawn / drawn.sum(), np.sqrt(WIDER) * root, degrees, share)


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
    """Log of sum_j w_j K(z_i - z_j), by blocks of points.

    K ~ (1 + d^2 / (degrees - 2))^(-(degrees + p) / 2), of which no sum underflows, unlike one of
    Gaussians.
    """
    centre = np.average(kernel.z, axis=0, weights=kernel.weights)
    solved = np.linalg.solve(kernel.root, np.concatenate([kernel.z, z]).T - centre[:, None])
    scaled = solved.T / np.sqrt(kernel.degrees - 2)
    particles, points = np.split(scaled, [len(kernel.z)])  # (n, p), (m, p)
    rows = max(1, PAIRS // len(particles))
    sums = [
        _powers(points[first : first + rows], particles, kernel.degrees + z.shape[1])
        @ kernel.weights
        for first in range(0, len(points), rows)
    ]
    log_scale = np.log(np.diag(kernel.root)).sum()
    return np.log(np.concatenate(sums)) + _log_norm(z.shape[1], kernel.degrees) - log_scale


def _powers(points, particles, m):
    """(1 + d^2)^(-m / 2) of all pairs, by multiplications, ten times as quick as a power."""
    ones = np.ones(len(points)) + np.sum(points**2, axis=1)
    base = np.add.outer(ones, np.sum(particles**2, axis=1))
    base -= 2 * points @ particles.T
    np.maximum(base, 1, out=base)  # rounding
    if m % 2:
        np.sqrt(base, out=base)
    factor = np.divide(1, base, out=base)
    left, product = (m if m % 2 else m // 2), 1.0
    while left:
        if left % 2:
            product = product * factor
        left //= 2
        if left:
            factor = factor * factor
    return product


def _log_norm(p, degrees):
    """Log of what normalises a t-distribution of unit covariance in p dimensions."""
    half = degrees / 2
    return lgamma(half + p / 2) - lgamma(half) - p / 2 * np.log(np.pi * (degrees - 2))
