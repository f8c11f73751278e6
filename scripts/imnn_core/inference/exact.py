"""The exact posterior on a grid, for one to three parameters whose likelihood is known."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.gradient import host
from imnn_core.inference.cells import Cells, Frame, chessboard, shares
from imnn_core.inference.standard import theta_of
from imnn_core.problems.prior import Prior
from imnn_core.store.errors import InputError
from scipy.special import logsumexp

log = logging.getLogger("imnn")
# By number of parameters: cells along an axis of the first grid, of those that zoom in, and of the
# last one; and how many of the best cells a grid hands on at least.
FIRST, ZOOM, LAST, BEST = (512, 48, 24), (64, 24, 16), (512, 80, 32), (4, 8, 12)
DROP = 16.0  # below the maximum, in ln p: 5.7 sigma of a Gaussian
REACH = 2.5  # of the first grid in the prior's sigma; others go further if they are asked to
MOST_GRIDS = 60
IN_MEMORY = 8_000_000  # numbers of simulations times cells at once
# Mean step of ln p from a cell to the next, from which on a grid is too coarse for what it covers:
# 0.1 to 0.3 of a Gaussian, tens of a thin and bent posterior between whose cells most of it lies.
ROUGH = 1.0
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
    """Posteriors of observations, each on a grid of its own, in a space where the prior is N(0, 1).

    prior: p(theta).
    cells: the grids, with the mass of each cell.
    mean: (n_obs, p).
    covariance: (n_obs, p, p).
    log_evidence: ln of the integral of likelihood times prior, (n_obs,).
    accurate: whether every second cell has the same evidence, mean and sigma
        within 2 %, (n_obs,).
    """

    prior: Prior
    cells: Cells
    mean: np.ndarray
    covariance: np.ndarray
    log_evidence: np.ndarray
    accurate: np.ndarray

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations, (n_obs, p)."""
        return _sd(self.covariance)

    def sample(self, n: int, seed: Any) -> np.ndarray:
        """Independent draws of equal weight, (n_obs, n, p).

        Args:
            n: draws for each observation.
            seed: an integer, a sequence of those, or a numpy.random.Generator.

        """
        return theta_of(self.prior, self.cells.sample(n, np.random.default_rng(seed)))


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
    size = LAST[p - 1] ** p * max(math.prod(d.shape[1:]), p)
    n_block = min(max(IN_MEMORY // size, 1), len(d))
    blocks = []
    for start in range(0, len(d), n_block):
        rows = np.minimum(np.arange(start, start + n_block), len(d) - 1)  # one shape, one program
        blocks.append(_of_block(log_likelihood, prior, d[rows], start))
    joined = [np.concatenate(each)[: len(d)] for each in zip(*blocks, strict=True)]
    *frame, mass, mean, covariance, log_evidence, accurate = joined
    if not np.all(accurate):
        wrong = np.flatnonzero(~accurate)
        log.warning(
            "the exact posterior of %d of %d observations (first: %d) has not converged on its "
            "grid; expected the same within %g %% of every second cell",
            len(wrong), len(d), wrong[0], 100 * TOLERANCE,
        )  # fmt: skip
    return Grid(prior, Cells(Frame(*frame), mass), mean, covariance, log_evidence, accurate)


def _of_block(log_likelihood, prior, d, first):
    """Arrays of the frame, mass, mean, covariance, log_evidence, accurate of some observations."""
    p, n = len(prior.names), LAST[len(prior.names) - 1]
    frame, is_found = _found(log_likelihood, prior, d, first)
    log_p, theta = _log_density(log_likelihood, prior, d, frame, n)
    log_volume, half = frame.log_volume() - p * np.log(n), chessboard(n, p)
    mass, mean, covariance, log_evidence = _moments(log_p, theta, log_volume)
    _, *coarse = _moments(log_p[:, half], theta[:, half], log_volume + np.log(2))
    with np.errstate(divide="ignore", invalid="ignore"):  # all mass in one cell: no sigma
        shift = (coarse[0] - mean) / _sd(covariance)
        ratio = _sd(coarse[1]) / _sd(covariance) - 1
        differences = np.column_stack([shift, ratio, coarse[2] - log_evidence])
    accurate = is_found & np.all(np.abs(differences) < TOLERANCE, axis=1)
    accurate &= roughness(log_p, mass, n, p) < ROUGH
    return *frame, mass.reshape(-1, *(n,) * p), mean, covariance, log_evidence, accurate


def roughness(log_p: np.ndarray, mass: np.ndarray, n: int, p: int) -> np.ndarray:
    """Mean of |ln p - ln p of the next cell| by mass, of the roughest axis, (n_obs,).

    Args:
        log_p, mass: of the cells, (n_obs, n**p).
        n: cells along each of p axes.

    """
    log_p, mass = (array.reshape(-1, *(n,) * p) for array in (log_p, mass))
    found = np.zeros(len(log_p))
    for axis in range(1, p + 1):
        with np.errstate(invalid="ignore"):  # -inf less -inf
            steps = np.abs(np.diff(log_p, axis=axis))
        between = mass + np.roll(mass, -1, axis=axis)
        between = np.delete(between, -1, axis=axis) / 2
        found = np.maximum(
            found,
            np.sum(np.where(np.isfinite(steps), steps, 0) * between, axis=tuple(range(1, p + 1))),
        )
    return found


def _found(log_likelihood, prior, d, first):
    """Frames that hold the posteriors, and whether each does, (n_obs,)."""
    p = len(prior.names)
    box = np.full((len(d), p), REACH)
    frame = Frame(np.repeat(np.eye(p)[None], len(d), axis=0), -box, box)
    is_found = np.zeros(len(d), bool)
    for i in range(MOST_GRIDS):
        n = (ZOOM if i else FIRST)[p - 1]
        log_p, _ = _log_density(log_likelihood, prior, d, frame, n)
        there = np.any(np.isfinite(log_p), axis=1)
        if not there.all():
            raise InputError(
                f"exact posterior: observation {first + np.argmin(there)}: expected a finite "
                "log-likelihood somewhere in the prior, found none on a grid over it"
            )
        smaller, is_open = frame.around_best(log_p, n, BEST[p - 1], DROP)
        is_small = smaller.log_volume() > frame.log_volume() - 0.3 * p
        frame = frame.where(is_found, smaller)
        is_found |= ~is_open & is_small
        if is_found.all():
            break
    return frame, is_found


def _log_density(log_likelihood, prior, d, frame, n):
    """Log of likelihood times prior (n_obs, n**p) on grids, and theta (n_obs, n**p, p) there."""
    p = len(prior.names)
    z = frame.z(shares(n, p)[None])
    theta = theta_of(prior, z)
    log_prior = -0.5 * np.sum(z**2, axis=-1) - 0.5 * p * np.log(2 * np.pi)
    return log_likelihoods(log_likelihood, theta, d) + log_prior, theta


def _moments(log_p, theta, log_volume):
    """Mass (n_obs, n), mean, covariance and log-evidence of log-densities (n_obs, n) at theta."""
    total = logsumexp(log_p, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # half of the cells may have none
        mass = np.exp(log_p - total)
    mean = np.einsum("on,oni->oi", mass, theta)
    centred = theta - mean[:, None]
    covariance = np.einsum("oni,onj->oij", mass[..., None] * centred, centred)
    return mass, mean, covariance, total[:, 0] + log_volume


def _sd(covariance):
    return np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
