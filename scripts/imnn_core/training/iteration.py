"""One iteration of a fit: what it changes, and the row that it leaves in the history."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from imnn_core.gradient import fisher
from imnn_core.gradient.fisher import Moments
from imnn_core.gradient.passes import Weights

# A row of the history: logarithms, since |F| of many parameters leaves the range of float32.
QUANTITIES = ("log_det_F", "log_det_C", "penalty", "coupling", "loss")


class Best(NamedTuple):
    """The weights with the largest |F| so far, and that |F|: one value, so that they stay together.

    iteration: updates that led to them, ().
    """

    weights: Weights
    log_det_F: jax.Array
    iteration: jax.Array


class State(NamedTuple):
    """All that an iteration changes.

    average: of the weights so far, the later ones counting more, or None where none is taken.
    since_best: iterations since |F| last rose, (). iteration: updates done, (). failed: 1 where the
    last iteration met a number that is not finite, ().
    """

    weights: Weights
    average: Weights | None
    optimiser_state: Any
    best: Best
    since_best: jax.Array
    iteration: jax.Array
    failed: jax.Array

    @property
    def judged(self) -> Weights:
        """The weights that validation judges: the average where one is taken."""
        return self.weights if self.average is None else self.average


class Settings(NamedTuple):
    """The recipe's numbers that the loop needs; see `recipe.Recipe`."""

    strength: float
    rate: float
    patience: int
    min_iterations: int
    max_iterations: int
    report_every: int
    averaging: float = 0.0


def loss_of(settings: Settings) -> Callable:
    """The loss as a function of C and dmu/dtheta, for an engine."""
    return partial(fisher.loss, strength=settings.strength, rate=settings.rate)


def first_state(
    weights: Weights, optimiser: optax.GradientTransformation, averaging: float = 0.0
) -> State:
    """The state before any update; ``averaging`` as in `Settings`."""
    best = Best(weights, jnp.asarray(-jnp.inf), jnp.asarray(0))
    average = weights if averaging else None
    return State(
        weights,
        average,
        optimiser.init(weights),
        best,
        jnp.asarray(0),
        jnp.asarray(0),
        jnp.asarray(0),
    )


def row(m: Moments, settings: Settings) -> jax.Array:
    """The QUANTITIES of a set with these moments, (len(QUANTITIES),)."""
    C = fisher.covariance(m)
    log_det_F = fisher.log_det_information(C, m.mean_derivative)
    Lambda_2 = fisher.penalty(C)
    r = fisher.coupling(Lambda_2, settings.strength, settings.rate)
    return jnp.stack([log_det_F, fisher.log_det(C), Lambda_2, r, r * Lambda_2 - log_det_F])


def rows_of(settings, moments_of_splits):
    """The row of the history of each split, (n_splits, len(QUANTITIES))."""
    return jnp.stack([row(m, settings) for m in moments_of_splits])


def advance(optimiser, averaging, state, rows, gradient):
    """One update; the rows of the history are those at the weights before it."""
    decisive = rows[
        -1, QUANTITIES.index("log_det_F")
    ]  # of validation, or of training where there is no other
    finite = [jnp.isfinite(rows[0, QUANTITIES.index("loss")])]
    finite += [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(gradient)]
    rose = decisive > state.best.log_det_F
    here = Best(state.judged, decisive.astype(state.best.log_det_F.dtype), state.iteration)
    updates, optimiser_state = optimiser.update(gradient, state.optimiser_state, state.weights)
    weights = optax.apply_updates(state.weights, updates)
    return State(
        weights=weights,
        average=None
        if state.average is None
        else optax.incremental_update(weights, state.average, 1 - averaging),
        optimiser_state=optimiser_state,
        best=jax.tree.map(lambda new, old: jnp.where(rose, new, old), here, state.best),
        since_best=jnp.where(rose, 0, state.since_best + 1),
        iteration=state.iteration + 1,
        failed=1 - jnp.all(jnp.stack(finite)).astype(state.failed.dtype),
    )
