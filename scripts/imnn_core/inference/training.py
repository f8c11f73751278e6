"""Training of a conditional mixture: the loop, early stopping, weights averaged over iterations."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from imnn_core.inference import mixture
from imnn_core.inference.mixture import Settings
from imnn_core.store.errors import InputError

Show = Callable[[int, int, str], None]  # epochs done, at most, a line


class _State(NamedTuple):
    weights: Any
    average: Any
    adam: Any


def _loss(weights, s, z):
    mixtures = mixture.of_summaries(weights, s, z.shape[1], jnp)
    return -mixture.log_density(mixtures, z[:, None], jnp).mean()


def _optimiser(weight_decay):
    return optax.chain(
        optax.clip_by_global_norm(5.0),
        optax.scale_by_adam(),
        optax.add_decayed_weights(weight_decay, lambda w: {k: k[0] == "w" for k in w}),
    )


@partial(jax.jit, static_argnames=("weight_decay", "averaged"), donate_argnums=0)
def _epoch(state, s, z, order, rates, weight_decay, averaged):
    """One step for each row of ``order``, (n_steps, n_batch), at the learning rates (n_steps,)."""
    optimiser = _optimiser(weight_decay)

    def step(state, batch):
        rows, rate = batch
        loss, gradient = jax.value_and_grad(_loss)(state.weights, s[rows], z[rows])
        change, adam = optimiser.update(gradient, state.adam, state.weights)
        weights = jax.tree.map(lambda w, c: w - rate * c, state.weights, change)
        average = jax.tree.map(lambda a, w: a + (w - a) / averaged, state.average, weights)
        return _State(weights, average, adam), loss

    state, losses = jax.lax.scan(step, state, (order, rates))
    return state, losses.mean()


_held_out_loss = jax.jit(_loss)


def trained(
    s: np.ndarray, z: np.ndarray, seed: list[int], settings: Settings, show: Show
) -> tuple[mixture.Weights, dict[str, Any]]:
    """The weights with the smallest loss on held-out simulations, and how they came.

    Args:
        s: scores of summaries, (n, n_summaries).
        z: scores of parameters, (n, n_params).
        seed: of the weights, and of the orders.
        settings: see `Settings`.
        show: is called after each epoch.

    Raises:
        InputError: no loss was finite.

    """
    rng = np.random.default_rng(seed)
    mixed = rng.permutation(len(s))
    n_held_out = max(1, round(settings.held_out * len(s)))
    held_out, rows = mixed[:n_held_out], mixed[n_held_out:]
    weights = mixture.initial(rng, s[rows], z[rows], settings.hidden, settings.n_components)
    s, z = (jnp.asarray(array, jnp.float32) for array in (s, z))
    weights = jax.tree.map(jnp.asarray, weights)
    there = s[held_out], z[held_out]
    decay = settings.weight_decay / len(rows)
    adam = _optimiser(decay).init(weights)
    state = _State(weights, jax.tree.map(jnp.copy, weights), adam)

    n_batch = min(settings.n_batch, len(rows))
    n_steps = len(rows) // n_batch
    wanted = np.clip(settings.most_epochs * n_steps, settings.least_steps, settings.most_steps)
    n_epochs = math.ceil(wanted / n_steps)
    averaged = max(1.0, settings.averaged * n_epochs * n_steps)
    best, report = (math.inf, 0, weights), {"training_loss": [], "held_out_loss": []}
    for epoch in range(n_epochs):
        order = rng.permutation(rows)[: n_steps * n_batch].reshape(n_steps, n_batch)
        rates = _rates(epoch * n_steps + np.arange(n_steps), n_epochs * n_steps, settings)
        state, loss = _epoch(state, s, z, order, rates, weight_decay=decay, averaged=averaged)
        loss_there = float(_held_out_loss(state.average, *there))
        report["training_loss"].append(float(loss))
        report["held_out_loss"].append(loss_there)
        if loss_there < best[0]:
            best = loss_there, epoch, jax.tree.map(np.asarray, state.average)
        show(epoch + 1, n_epochs, f"loss {float(loss):.4f}, held out {loss_there:.4f}")
        if epoch - best[1] >= max(2, settings.patience * n_epochs):
            break
    if not math.isfinite(best[0]):
        rate = settings.learning_rate
        raise InputError(f"training: expected a finite loss, found none at learning rate {rate:g}")
    return jax.tree.map(np.asarray, best[2]), report


def _rates(steps, n_steps, settings):
    """Learning rates: a linear rise over the first 2 % of all steps, then a cosine down to 0."""
    rise = max(1, 0.02 * n_steps)
    fall = 0.5 * (1 + np.cos(np.pi * np.clip((steps - rise) / (n_steps - rise), 0, 1)))
    return np.float32(settings.learning_rate * np.minimum((steps + 1) / rise, 1) * fall)
