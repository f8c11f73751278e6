"""The simulations of one step of population Monte Carlo. Imports no jax."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from imnn_core.inference import pmc_kernel, rejection
from imnn_core.problems.prior import Prior

Simulate = Callable[[np.ndarray, int], np.ndarray]


class Sizes(NamedTuple):
    """How many simulations are kept, are asked for together, and are drawn at most."""

    n_kept: int
    batch: int
    most: int


class Drawn(NamedTuple):
    """The nearest simulations of a step so far, and how many there were."""

    z: np.ndarray
    distance: np.ndarray
    n: int
    n_within: int
    n_failed: int


def nearest(
    simulate: Simulate,
    prior: Prior,
    propose: Callable[[np.random.Generator], np.ndarray],
    observed: np.ndarray,
    words: tuple[int, ...],
    sizes: Sizes,
    first: int,
    target: float,
) -> Drawn:
    """Batches until as many as wanted lie within target; of all of them the nearest.

    Args:
        simulate: see `pmc.run`.
        prior: of the parameters.
        propose: draws of a batch, unbounded, by a generator.
        observed: summaries, (k,).
        words: of the random stream of this step; a batch adds its number.
        sizes: of the step.
        first: number of its first simulation.
        target: distance within which the wanted ones are to lie.

    """
    drawn = Drawn(np.empty((0, len(prior.names))), np.empty(0), 0, 0, 0)
    while drawn.n < sizes.most and drawn.n_within < sizes.n_kept:
        stream = np.random.SeedSequence(words, spawn_key=(drawn.n // sizes.batch,))
        rng = np.random.Generator(np.random.Philox(stream))
        z = propose(rng)
        theta, possible = _parameters(prior, z)
        s = np.asarray(simulate(theta, first + drawn.n), np.float64)
        distance = np.sqrt(rejection.squared_distances(s, observed))
        failed = ~np.isfinite(distance)
        distance[failed | ~possible] = np.inf
        drawn = _with(drawn, z, distance, failed.sum(), target, sizes.n_kept)
    return drawn


def _parameters(prior, z):
    """Parameters, and whether the prior has a density there; elsewhere its median stands in."""
    theta = prior.from_unbounded(z)
    with np.errstate(invalid="ignore"):
        possible = np.isfinite(pmc_kernel.log_prior(prior, z))
    median = prior.quantile(np.full(theta.shape[1:], 0.5))
    return np.where(possible[:, None], theta, median), possible


def _with(drawn, z, distance, n_failed, target, n_kept):
    all_z, all_distances = np.concatenate([drawn.z, z]), np.append(drawn.distance, distance)
    order = rejection.smallest(all_distances, n_kept)
    order = order[np.isfinite(all_distances[order])]
    return Drawn(
        all_z[order],
        all_distances[order],
        drawn.n + len(z),
        drawn.n_within + int((distance <= target).sum()),
        drawn.n_failed + int(n_failed),
    )
