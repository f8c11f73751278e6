"""The exact posterior on a grid, for one to three parameters whose likelihood is known."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.gradient import host
from imnn_core.inference.cells import Cells, along, centres, halves, region, widths
from imnn_core.problems.prior import Prior
from imnn_core.store.errors import InputError
from scipy.special import logsumexp

log = logging.getLogger("imnn")
# By number of parameters: cells along an axis of the first grid, of those that zoom in, and of the
# last one; and how many of the best cells a grid hands on at least.
FIRST, ZOOM, LAST, BEST = (512, 64, 24), (64, 32, 16), (512, 96, 40), (4, 12, 40)
DROP = 16.0  # below the maximum, in ln p: 5.7 sigma of a Gaussian
MOST_GRIDS = 60
IN_MEMORY = 8_000_000  # numbers of simulations times cells at once
TOLERANCE = 0.02  # of the mean in sigma, of sigma's ratio, and of ln evidence


@partial(jax.jit, static_argnums=0)
def _log_likelihoods(log_likelihood, theta, d):
    """Log-likelihoods, theta (n_obs, n, p) and d (n_obs, *input_shape) -> (n_obs, n)."""

    def of_one(theta, d):
        return jax.vmap(lambda theta: jnp.reshape(log_likelihood(theta, d), ()))(theta)

    return jax.vmap(of_one)(theta, d)


def log_likelihoods(log_likelihood: Callable, theta: Any, d: Any) -> np.ndarray:
    """Log-likelihoods in float64 on the host, of parameters (n_obs, n, p) of each observation.

    What is no number, or +inf, counts as -inf.

    Args:
        log_likelihood: (theta (p,), d (*input_shape)) -> ln p(d | theta) in JAX.
        theta: (n_obs, n, p), or (n_obs, p) for one each.
        d: (n_obs, *input_shape).

    Returns:
        (n_obs, n), or (n_obs,).

    """
    theta, d = np.asarray(theta, np.float64), np.asarray(d, np.float64)
    if theta.ndim == 2:
        return log_likelihoods(log_likelihood, theta[:, None], d)[:, 0]
    n_parts = min(math.ceil(theta.shape[1] * d.size / IN_MEMORY), theta.shape[1])
    with jax.enable_x64(True), jax.default_device(host.device()):
        parts = [
            np.asarray(_log_likelihoods(log_likelihood, part, d))
            for part in np.array_split(theta, n_parts, axis=1)
        ]
    found = np.concatenate(parts, axis=1)
    return np.where(found < np.inf, found, -np.inf)  # NaN is not < inf


@dataclass(frozen=True, eq=False)
class Grid:
    """Posteriors of observations, each on a grid of its own in the prior's unbounded space.

    prior: p(theta).
    cells: the grids, with the mass of each cell.
    log_evidence: ln of the integral of likelihood times prior, (n_obs,).
    accurate: whether half as many cells along each axis have the same evidence, mean and sigma
        within 2 %, (n_obs,).
    """

    prior: Prior
    cells: Cells
    log_evidence: np.ndarray
    accurate: np.ndarray

    @cached_property
    def _theta(self) -> np.ndarray:
        """Parameters at the centres of cells along each axis, (n_obs, n, p)."""
        return self.prior.from_unbounded(centres(self.cells.low, self.cells.high, self.cells.n))

    @cached_property
    def mean(self) -> np.ndarray:
        """Means, (n_obs, p)."""
        return self.cells.mean(self._theta)

    @cached_property
    def covariance(self) -> np.ndarray:
        """Covariances, (n_obs, p, p)."""
        return self.cells.covariance(self._theta)

    @cached_property
    def sd(self) -> np.ndarray:
        """Standard deviations, (n_obs, p)."""
        return self.cells.sd(self._theta)

    def quantiles(self, levels: Sequence[float]) -> np.ndarray:
        """Quantiles of the marginal posteriors, (n_levels, n_obs, p)."""
        return self.prior.from_unbounded(self.cells.quantiles(np.asarray(levels, np.float64)))

    def sample(self, n: int, seed: Any) -> np.ndarray:
        """Independent draws of equal weight, (n_obs, n, p).

        Cells are drawn by their mass, and a draw is uniform within its cell, which makes sigma
        larger by 0.1 % (two parameters) to 0.5 % (three).

        Args:
            n: draws for each observation.
            seed: an integer, a sequence of those, or a numpy.random.Generator.

        """
        return self.prior.from_unbounded(self.cells.sample(n, np.random.default_rng(seed)))


def posterior(
    log_likelihood: Callable, prior: Prior, d: Any, input_shape: Sequence[int] | None = None
) -> Grid:
    """The exact posterior p(theta | d) of each observation, by the midpoint rule.

    A first grid covers the prior. Each grid then hands on the region of its best cells, until that
    holds all within e^-16 of the maximum; the last and finest grid covers it. A mode that is much
    narrower than the first grid's cells (a hundredth of the prior with two parameters) is found if
    the likelihood rises towards it; a second one may be missed.

    Args:
        log_likelihood: (theta (p,), d (*input_shape)) -> ln p(d | theta) in JAX.
        prior: of one to three parameters.
        d: observations, (n_obs, *input_shape), or one (*input_shape) if ``input_shape`` says so.
        input_shape: of one observation.

    Raises:
        InputError: four parameters or more, observations that are not finite, or one that has no
            posterior: its likelihood is no number or 0 over the whole first grid.

    """
    d, p = np.asarray(d, np.float64), len(prior.names)
    d = d[None] if input_shape is not None and d.shape == tuple(input_shape) else d
    if p > len(LAST):
        raise InputError(f"exact posterior: expected at most {len(LAST)} parameters, found {p}")
    if not d.ndim or not np.all(np.isfinite(d)):
        raise InputError("exact posterior: expected observations of finite numbers, found others")
    size = LAST[p - 1] ** p * math.prod(d.shape[1:])
    n_block = min(max(IN_MEMORY // size, 1), len(d))
    blocks = []
    for start in range(0, len(d), n_block):
        rows = np.minimum(np.arange(start, start + n_block), len(d) - 1)  # one shape, one program
        blocks.append(_of_block(log_likelihood, prior, d[rows], start))
    arrays = [np.concatenate(each)[: len(d)] for each in zip(*blocks, strict=True)]
    low, high, mass, log_evidence, accurate = arrays
    if not np.all(accurate):
        wrong = np.flatnonzero(~accurate)
        log.warning(
            "the exact posterior of %d of %d observations (first: %d) has not converged on its "
            "grid; expected the same within %g %% with half of the cells",
            len(wrong), len(d), wrong[0], 100 * TOLERANCE,
        )  # fmt: skip
    return Grid(prior, Cells(low, high, mass), log_evidence, accurate)


def _of_block(log_likelihood, prior, d, first):
    """Low, high, mass, log_evidence and accurate of a block of observations."""
    p = len(prior.names)

    def log_density(z):  # (n_obs, n, p) -> (n_obs, *cells)
        return _log_density(log_likelihood, prior, d, z)

    ends = prior.to_unbounded(prior.quantile(np.array([[1e-6], [1 - 1e-6]]) * np.ones(p)))
    low, high = (np.tile(end, (len(d), 1)) for end in ends)
    for i in range(MOST_GRIDS):
        log_p = log_density(centres(low, high, (ZOOM if i else FIRST)[p - 1]))
        found = np.max(log_p, axis=tuple(range(1, p + 1)))
        if not np.all(np.isfinite(found)):
            raise InputError(
                f"exact posterior: observation {first + np.argmin(np.isfinite(found))}: expected a "
                "finite log-likelihood somewhere in the prior, found none on a grid over it"
            )
        before = high - low
        low, high, is_open = region(log_p, low, high, BEST[p - 1], DROP)
        if not is_open.any() and np.all(high - low > 0.7 * before):
            break
    log_p = log_density(centres(low, high, LAST[p - 1]))
    log_volume = np.log(widths(low, high, LAST[p - 1])).sum(axis=1)
    log_evidence, mass = _normalised(log_p, log_volume)
    cells = Cells(low, high, mass)
    coarse_evidence, coarse_mass = _normalised(halves(log_p), log_volume + p * np.log(2))
    theta = prior.from_unbounded(centres(low, high, LAST[p - 1]))
    accurate = np.abs(coarse_evidence - log_evidence) < TOLERANCE
    accurate &= _agree(cells, theta, Cells(low, high, coarse_mass), theta[:, ::2])
    return low, high, mass, log_evidence, accurate & ~is_open


def _log_density(log_likelihood, prior, d, z):
    """Log-density of likelihood, prior and Jacobian at all combinations of z (n_obs, n, p)."""
    n_obs, n, p = z.shape
    along_axes = prior.from_unbounded(z)
    theta = np.empty((n_obs, *(n,) * p, p))
    for i in range(p):
        theta[..., i] = along(along_axes[..., i], i, p)
    found = log_likelihoods(log_likelihood, theta.reshape(n_obs, -1, p), d)
    found = found.reshape(theta.shape[:-1])
    # The prior is a product: along each axis its density is one with the others at their medians.
    middle = prior.to_unbounded(prior.quantile(np.full(p, 0.5)))
    at_middle = prior.log_density(prior.from_unbounded(middle)) + prior.log_jacobian(middle)
    for i in range(p):
        one_varies = np.where(np.arange(p) == i, z, middle[None, None])
        of_prior = prior.log_density(prior.from_unbounded(one_varies))
        of_prior = of_prior + prior.log_jacobian(one_varies) - at_middle
        found = found + along(of_prior, i, p)
    return found + at_middle


def _normalised(log_p, log_volume):
    """Log-evidence (n_obs,), and the mass of each cell, of log-densities (n_obs, *cells)."""
    axes = tuple(range(1, log_p.ndim))
    total = logsumexp(log_p, axis=axes, keepdims=True)
    with np.errstate(invalid="ignore"):  # half of the cells may have none
        return total.reshape(-1) + log_volume, np.exp(log_p - total)


def _agree(cells, theta, coarse, coarse_theta):
    """Whether two grids have the same means and sigmas, (n_obs,)."""
    mean, sd = cells.mean(theta), cells.sd(theta)
    shift = np.abs(coarse.mean(coarse_theta) - mean) / sd
    ratio = np.abs(coarse.sd(coarse_theta) / sd - 1)
    return np.all((shift < TOLERANCE) & (ratio < TOLERANCE), axis=1)
