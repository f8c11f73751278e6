"""Population Monte Carlo ABC: particles that come nearer to the observation step by step.

Imports no jax.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from imnn_core.inference import pmc_kernel, pmc_step, rejection
from imnn_core.problems.prior import Prior
from imnn_core.store.errors import InputError

NOT_FAR = 2.5  # the last step is made at once if it lies within quantile / NOT_FAR


class Settings(NamedTuple):
    """How the population is made, and when it is good enough.

    n_particles: of the population.
    quantile: of the population's distances, which is the next epsilon.
    batch: simulations asked for together, always as many.
    degrees: of freedom of the kernel's t-distributions, an integer of at least 3.
    share: of draws that come from the prior, so that no weight is large.
    epsilon_end: no smaller epsilon is asked for.
    smallest_acceptance: a step that accepts fewer is the last one.
    most_simulations: never more than these are drawn.
    most_steps: never more than these are made.
    """

    n_particles: int = 4000
    quantile: float = 0.25
    batch: int = 10_000
    degrees: int = 5
    share: float = 0.1
    epsilon_end: float = 0.0
    smallest_acceptance: float = 0.005
    most_simulations: int = 10_000_000
    most_steps: int = 50


class Population(NamedTuple):
    """Particles after some steps, and the history of the steps: plain arrays, to be stored.

    z: particles in the prior's unbounded space, (n_particles, n_params).
    theta: the same as parameters.
    weights: (n_particles,), with the sum 1.
    distance: of their summaries from the observed ones, (n_particles,).
    epsilon: within which a step's particles lie, (n_steps,).
    acceptance: share of a step's simulations within the epsilon that was asked for, (n_steps,).
    n_simulations: drawn up to the end of a step, failed ones included, (n_steps,).
    n_failed: simulations of a step that were not finite, (n_steps,).
    n_effective: effective sample size, 1 / sum of squared weights, (n_steps,).
    """

    z: np.ndarray
    theta: np.ndarray
    weights: np.ndarray
    distance: np.ndarray
    epsilon: np.ndarray
    acceptance: np.ndarray
    n_simulations: np.ndarray
    n_failed: np.ndarray
    n_effective: np.ndarray


def log_step(population: Population) -> None:
    """One line of the log on the latest step."""
    logging.getLogger("imnn").info(
        "pmc: step %d: epsilon %.3g, acceptance %.2g, %d simulations so far, of %d particles %.0f "
        "effective",
        len(population.epsilon),
        population.epsilon[-1],
        population.acceptance[-1],
        population.n_simulations[-1],
        len(population.weights),
        population.n_effective[-1],
    )


def run(
    simulate: pmc_step.Simulate,
    prior: Prior,
    observed: np.ndarray,
    key: tuple[int, ...],
    settings: Settings,
    *,
    resume: Population | None = None,
    save: Callable[[Population], None] = lambda population: None,
    show: Callable[[Population], None] = log_step,
) -> Population:
    """A weighted sample of the posterior given summaries within epsilon of the observed ones.

    A step draws from the kernel around the particles and keeps the n_particles nearest to the
    observation, as soon as these lie within a quantile of the distances before. The weight of a
    particle is the prior's density over the kernel's, in unbounded space. All random numbers are
    functions of the key, the step and the number of the batch, so that a resumed run goes on to
    the same bits.

    Args:
        simulate: (theta (batch, n_params), first) -> summaries (batch, k), scaled such that the
            Euclidean distance is wanted; row i is the simulation of number first + i. Rows that
            are not finite have failed.
        prior: of theta.
        observed: summaries, (k,).
        key: words of the random stream.
        settings: see there.
        resume: what ``save`` was given.
        save: is called after each step, before ``show``.
        show: is called after each step.

    Raises:
        InputError: most_simulations don't suffice for a first population, most simulations from
            the prior fail, or the observation is not finite.

    Source: Beaumont, Cornuet, Marin & Robert 2009, Biometrika 96, 983.

    """
    observed = np.asarray(observed, np.float64)
    rejection.expect_finite(observed[None])
    population = resume
    if population is None:
        population = _first(simulate, prior, observed, key, settings)
        save(population)
        show(population)
    while reason_to_stop(population, settings) is None:
        population = _next(simulate, prior, observed, key, settings, population)
        save(population)
        show(population)
    return population


def reason_to_stop(population: Population, settings: Settings) -> str | None:
    """Why no further step follows; None if one does."""
    epsilon = population.epsilon[-1]
    if epsilon <= settings.epsilon_end:
        return f"epsilon has reached {settings.epsilon_end:g}"
    if population.acceptance[-1] < settings.smallest_acceptance:
        return f"fewer than {settings.smallest_acceptance:g} of simulations were accepted"
    if population.n_simulations[-1] + settings.batch > settings.most_simulations:
        return f"{settings.most_simulations} simulations were allowed"
    if len(population.epsilon) >= settings.most_steps:
        return f"{settings.most_steps} steps were allowed"
    if _next_epsilon(population, settings) >= epsilon:
        return "the summaries come no nearer: most distances are equal"
    return None


def _first(simulate, prior, observed, key, settings):
    """The nearest of a batch from the prior: rejection at the quantile."""
    n = _batches(settings.n_particles / settings.quantile, settings) * settings.batch
    if n > settings.most_simulations:
        raise InputError(
            f"pmc: expected most_simulations of at least {n}, from which the first population of "
            f"{settings.n_particles} is taken, found {settings.most_simulations}"
        )

    def propose(rng):
        return prior.to_unbounded(prior.draw(rng, settings.batch))

    sizes = pmc_step.Sizes(settings.n_particles, settings.batch, n)
    drawn = pmc_step.nearest(simulate, prior, propose, observed, (*key, 0), sizes, 0, -np.inf)
    if len(drawn.distance) < settings.n_particles:
        raise InputError(
            f"pmc: expected at least {settings.n_particles} simulations from the prior with finite "
            f"summaries, found {n - drawn.n_failed} of {n}"
        )
    nothing = Population(*[np.empty(0)] * len(Population._fields))
    weights = np.full(settings.n_particles, 1 / settings.n_particles)
    return _population(prior, drawn, weights, settings.n_particles / n, nothing)


def _next(simulate, prior, observed, key, settings, before):
    share = pmc_kernel.n_of_prior(settings.share, settings.batch) / settings.batch
    kernel = pmc_kernel.kernel_of(prior, before.z, before.weights, settings.degrees, share)
    step, spent = len(before.epsilon), int(before.n_simulations[-1])
    allowed = _batches(settings.n_particles / settings.smallest_acceptance, settings)
    most = min(allowed * settings.batch, settings.most_simulations - spent)
    target = _next_epsilon(before, settings)

    def propose(rng):
        return pmc_kernel.draw(kernel, prior, rng, settings.batch)

    sizes = pmc_step.Sizes(settings.n_particles, settings.batch, most - most % settings.batch)
    words = (*key, step)
    drawn = pmc_step.nearest(simulate, prior, propose, observed, words, sizes, spent, target)
    acceptance = drawn.n_within / drawn.n
    if len(drawn.distance) < settings.n_particles or drawn.distance[-1] >= before.epsilon[-1]:
        weights, drawn = before.weights, drawn._replace(z=before.z, distance=before.distance)
    else:
        weights = importance(prior, kernel, drawn.z)
    return _population(prior, drawn, weights, acceptance, before)


def importance(prior: Prior, kernel: pmc_kernel.Kernel, z: np.ndarray) -> np.ndarray:
    """Weights of draws of a kernel, prior over kernel, (n, p) -> (n,) with the sum 1."""
    log_weights = pmc_kernel.log_prior(prior, z) - pmc_kernel.log_density(kernel, prior, z)
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum()


def _population(prior, drawn, weights, acceptance, before):
    spent = before.n_simulations[-1] if len(before.n_simulations) else 0
    return Population(
        drawn.z,
        prior.from_unbounded(drawn.z),
        weights,
        drawn.distance,
        np.append(before.epsilon, drawn.distance[-1]),
        np.append(before.acceptance, acceptance),
        np.append(before.n_simulations, spent + drawn.n).astype(np.int64),
        np.append(before.n_failed, drawn.n_failed).astype(np.int64),
        np.append(before.n_effective, 1 / np.sum(weights**2)),
    )


def _next_epsilon(population, settings):
    """The weighted quantile of the distances; the last one at once, if it is not far from that."""
    reached = np.cumsum(population.weights)
    n_within = np.searchsorted(population.distance, settings.epsilon_end, side="right")
    if n_within and reached[n_within - 1] > settings.quantile / NOT_FAR:
        return settings.epsilon_end
    at = min(int(np.searchsorted(reached, settings.quantile)), len(reached) - 1)
    return max(population.distance[at], settings.epsilon_end)


def _batches(n, settings):
    return int(np.ceil(n / settings.batch))
