"""Training simulations in a new order of their elements, the same in both passes of the gradient
and in both engines.
"""

import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import loaded, random_simulations, small_network
from imnn_core.config.recipe import Recipe
from imnn_core.data import chunks, sources
from imnn_core.gradient import aggregate, augment, derivatives, fisher
from imnn_core.problems import shipped, simulations
from imnn_core.store.errors import InputError
from imnn_core.training import fitter as fitters
from imnn_core.training import iteration
from imnn_core.training import loop as fitting

KEY = jax.random.key(11)


def parts_of(source, n_per_device, n_devices=1):
    return [
        chunks.fill(source, group, 0, chunks.empty(source, group))
        for group in chunks.cut(source, n_per_device, n_devices)
    ]


def rows(parts, present, name):
    return np.concatenate(
        [getattr(part.batch, name)[getattr(part, present) == 1] for part in parts]
    )


permute = jax.jit(augment.permute, static_argnums=0)
gaussian = functools.cache(shipped.gaussian)


def permuted(source, key=KEY, n_per_device=7, n_devices=1):
    """Fiducial and derivative of a source after the augmentation, as two arrays."""
    problem = gaussian(input_shape=source.fiducial.shape[1:])
    parts = [
        jax.tree.map(np.asarray, permute(problem, key, part))
        for part in parts_of(source, n_per_device, n_devices)
    ]
    return rows(parts, "present_x", "fiducial"), rows(parts, "present_d", "derivative")


@pytest.mark.parametrize("input_shape", [(5,), (5, 2)])
def test_elements_and_their_derivatives_change_places_together(rng, input_shape):
    """Oracle: each number was drawn once, and its derivative is known from it."""
    fiducial = (
        rng.permutation(23 * int(np.prod(input_shape))).reshape(23, *input_shape).astype(np.float32)
    )
    derivative = np.stack([2 * fiducial[:17], -3 * fiducial[:17]], axis=-1)
    d, dd = permuted(sources.in_memory(fiducial, derivative))
    np.testing.assert_array_equal(dd, np.stack([2 * d[:17], -3 * d[:17]], axis=-1))
    first_of_element = d.reshape(23, 5, -1)[:, :, 0]
    np.testing.assert_array_equal(
        np.sort(first_of_element), np.sort(fiducial.reshape(23, 5, -1)[:, :, 0])
    )
    orders = {
        tuple(np.argsort(np.argsort(a)) - np.argsort(np.argsort(b)))
        for a, b in zip(first_of_element, fiducial.reshape(23, 5, -1)[:, :, 0], strict=True)
    }
    assert len(orders) > 15  # each simulation has an order of its own
    assert (
        np.abs(permuted(sources.in_memory(fiducial, derivative), jax.random.key(12))[0] - d).max()
        > 0
    )


@pytest.mark.parametrize(("n_per_device", "n_devices"), [(1, 1), (4, 3)])
def test_the_order_does_not_depend_on_the_chunks(rng, n_per_device, n_devices):
    source = sources.in_memory(*random_simulations(rng, np.float32, 23, 17, (5,)))
    for one, other in zip(
        permuted(source), permuted(source, KEY, n_per_device, n_devices), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_every_order_is_as_likely():
    """Oracle: 6 orders of three elements, 6000 simulations: chi squared of 5 degrees of freedom,
    its 99.9 % point 20.5.
    """
    fiducial = np.tile(np.arange(3, dtype=np.float32), (6000, 1))
    d, _ = permuted(sources.in_memory(fiducial, np.zeros((1, 3, 1), np.float32)), n_per_device=1000)
    _, counts = np.unique(d, axis=0, return_counts=True)
    assert len(counts) == 6
    assert ((counts - 1000) ** 2 / 1000).sum() < 20.5


@pytest.mark.parametrize("data", ["resident", "streamed"])
def test_the_gradient_is_that_of_the_permuted_simulations(rng, data):
    """Oracle: jax.grad of the whole loss of simulations that were permuted beforehand."""
    recipe = Recipe(
        augment="permute",
        data=data,
        n_per_device=7,
        devices="cpu",
        n_devices=2,
        network={"hidden": [5], "activation": "softplus"},
    )
    fitter = fitters.build(recipe, shipped.gaussian(input_shape=(4,)))
    source = sources.in_memory(*random_simulations(rng, np.float32, 40, 30, (4,)))
    weights = fitter.compressor.network.init(jax.random.key(0), (4,))
    change = fitter.augment(seed=3)
    with fitter.data(training=source) as sets:
        gradient_of = (
            jax.jit(fitter.engine.gradient) if fitter.engine.fused else fitter.engine.gradient
        )
        gradient, again = (
            gradient_of(weights, change(jax.device_put(i, fitter.engine.home), sets["training"]))[2]
            for i in (5, 6)
        )
    key = jax.random.fold_in(simulations.seed_key(3, "augment"), 5)
    batch = chunks.Batch(*map(jnp.asarray, permuted(source, key)))

    def loss(weights):
        m = fisher.moments(*derivatives.exact(fitter.compressor.network.apply)(weights, batch))
        return iteration.loss_of(fitter.settings)(fisher.covariance(m), m.mean_derivative)

    expected = jax.jit(jax.grad(loss))(weights)
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected))
    for one, other in zip(*map(jax.tree.leaves, (gradient, expected)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * largest)
    assert any(
        np.abs(one - other).max() > 0.01 * largest
        for one, other in zip(*map(jax.tree.leaves, (gradient, again)), strict=True)
    )


def averaged_by_hand(engine, optimiser, weights, data, averaging, n):
    """The average after each update, and validation ln |F| at it: a plain loop."""

    @jax.jit
    def step(weights, average, state, data):
        F = fisher.statistics(engine.moments(average, data[1])).F
        updates, state = optimiser.update(engine.gradient(weights, data[0])[2], state, weights)
        weights = jax.tree.map(jnp.add, weights, updates)
        new = jax.tree.map(lambda a, w: averaging * a + (1 - averaging) * w, average, weights)
        return fisher.log_det(F), (weights, new, state)

    carry, found = (weights, weights, optimiser.init(weights)), []
    for _ in range(n):
        average = carry[1]
        log_det_F, carry = step(*carry, data)
        found.append((average, float(log_det_F)))
    return found, carry[1]


def test_validation_judges_the_average_of_the_weights(rng):
    """Oracle: a plain loop with the definition of the moving average."""
    settings = iteration.Settings(10.0, fisher.rate(10.0, 0.1), 100, 0, 25, 7, averaging=0.8)
    summarise, weights = small_network()
    engine = aggregate.resident(summarise, iteration.loss_of(settings), jax.devices()[:1])
    data = [loaded(engine, random_simulations(rng, np.float32, 40, 40), 13) for _ in range(2)]
    optimiser = optax.adam(1e-2)
    result = fitting.fit(
        engine, optimiser, iteration.first_state(weights, optimiser, 0.8), *data, settings
    )
    by_hand, average = averaged_by_hand(engine, optimiser, weights, data, 0.8, 25)
    np.testing.assert_allclose(
        result.history[:, 1, 0], [value for _, value in by_hand], rtol=1e-3, atol=1e-4
    )
    best = int(np.argmax(result.history[:, 1, 0]))
    assert int(result.state.best.iteration) == best
    for found, expected in (
        (result.state.best.weights, by_hand[best][0]),
        (result.state.average, average),
    ):
        for one, other in zip(
            found, expected, strict=True
        ):  # biases of the output have no gradient but rounding
            np.testing.assert_allclose(one["w"], other["w"], rtol=1e-3, atol=1e-4)
    assert any(
        np.abs(a - w).max() > 1e-3
        for a, w in zip(
            *map(jax.tree.leaves, (result.state.average, result.state.weights)), strict=True
        )
    )


@pytest.mark.parametrize(
    ("data", "network"),
    [("resident", {"kind": "deep_set", "hidden": [8]}), ("streamed", {"hidden": [8]})],
)
def test_a_whitened_fit_begins_with_summaries_of_covariance_one(data, network):
    """Oracle: numpy's mean and covariance of the network's summaries, and F from the definition
    before and after.
    """
    problem = shipped.gaussian()
    recipe = Recipe(
        whiten=True, data=data, network=network, n_per_device=100, devices="cpu", n_devices=1
    )
    pieces = list(simulations.draw(problem, simulations.seed_key(1, "training"), 500, 400))
    source = sources.in_memory(pieces[0].fiducial, pieces[0].derivative)
    fitter = fitters.build(recipe, problem)
    with fitter.data(training=source) as sets:
        state = fitter.first_state(1, sets["training"])
        F = [
            np.asarray(fisher.statistics(fitter.moments(w, sets["training"])).F)
            for w in (state.weights, fitter.first_state(1).weights)
        ]
    x = np.asarray(
        jax.jit(jax.vmap(partial(fitter.compressor.network.apply, state.weights)))(
            pieces[0].fiducial
        ),
        np.float64,
    )
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=2e-3)
    np.testing.assert_allclose(np.cov(x, rowvar=False), np.eye(2), atol=2e-3)
    np.testing.assert_allclose(F[0], F[1], rtol=2e-2, atol=2e-2 * np.abs(F[1]).max())
    for one, other in zip(
        jax.tree.leaves(state.best.weights), jax.tree.leaves(state.weights), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_summaries_that_cannot_be_whitened():
    recipe = Recipe(whiten=True, n_summaries=9, network={"hidden": [3]}, n_devices=1)
    fitter = fitters.build(recipe, shipped.gaussian(input_shape=(4,)))
    source = sources.in_memory(np.ones((50, 4), np.float32), np.ones((50, 4, 1), np.float32))
    with (
        fitter.data(training=source) as sets,
        pytest.raises(InputError, match="whiten: expected a covariance .* found one that has none"),
    ):
        fitter.first_state(1, sets["training"])
