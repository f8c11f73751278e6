"""The network of a recipe: the convolutional one, and users' own in plain JAX, flax, equinox."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import random_simulations
from imnn_core.config.recipe import Recipe
from imnn_core.data import chunks, sources
from imnn_core.gradient import aggregate, derivatives, fisher
from imnn_core.networks import architecture, kinds
from imnn_core.problems import Problem, shipped
from imnn_core.store.errors import InputError
from imnn_core.training import fitter as fitters
from imnn_core.training import iteration
from imnn_core.training import loop as fitting
from imnn_core.training.iteration import Settings
from jax.example_libraries import stax
from scipy import ndimage


def numpy_cnn(weights, d, strides, means, channels_last):
    """The same network by scipy's correlation with periodic borders, softplus, and sums written
    out.
    """
    h = np.asarray(d if channels_last else d[..., None], np.float64)
    found = []
    for layer, stride in zip(weights["layers"], strides, strict=True):
        w = np.asarray(layer["w"], np.float64)
        out = []
        for o in range(w.shape[-1]):
            # scipy centres a kernel of even size one point further to the right than (kernel - 1)
            # // 2
            origin = [-1 if n % 2 == 0 else 0 for n in w.shape[:-2]]
            total = sum(
                ndimage.correlate(h[..., i], w[..., i, o], mode="grid-wrap", origin=origin)
                for i in range(w.shape[-2])
            )
            out.append(total[(slice(None, None, stride),) * (h.ndim - 1)] + float(layer["b"][o]))
        h = np.logaddexp(np.stack(out, axis=-1), 0)
        found.append(h.mean(axis=tuple(range(h.ndim - 1))))
    x = np.concatenate(found) if means == "every" else found[-1]
    head = weights["head"]
    for layer in head[:-1]:
        x = np.logaddexp(x @ np.asarray(layer["w"]) + np.asarray(layer["b"]), 0)
    return x @ np.asarray(head[-1]["w"]) + np.asarray(head[-1]["b"])


@pytest.mark.parametrize(
    ("input_shape", "channels_last", "strides", "means", "kernel"),
    [
        ((12,), False, None, "last", 4),
        ((12,), False, None, "last", 1),
        ((8, 6), False, [2, 1], "every", 3),
        ((8, 6, 3), True, [1, 2], "last", 4),
        ((4, 6, 8), False, [2, 1], "every", 3),
    ],
)
def test_the_convolutional_network(
    float64, rng, input_shape, channels_last, strides, means, kernel
):
    """Oracle: scipy.ndimage.correlate with periodic borders."""
    network = kinds.cnn(2, (3, 4), kernel, strides, means, channels_last, head=(5,))
    weights = jax.tree.map(  # biases are not 0
        lambda w: np.asarray(w) + 0.1 * rng.standard_normal(w.shape),
        jax.jit(network.init, static_argnums=1)(jax.random.key(1), input_shape),
    )
    d = rng.standard_normal(input_shape)
    expected = numpy_cnn(weights, d, strides or [1, 1], means, channels_last)
    np.testing.assert_allclose(jax.jit(network.apply)(weights, d), expected, rtol=1e-10)


def test_shifts_of_the_grid_do_not_matter_to_it(float64, rng):
    network = kinds.cnn(2, (3, 4), 3, means="every", activation="tanh")
    weights = network.init(jax.random.key(1), (6, 9))
    d, apply = rng.standard_normal((6, 9)), jax.jit(network.apply)
    rolled = np.roll(d, (2, 5), axis=(0, 1))
    np.testing.assert_allclose(apply(weights, rolled), apply(weights, d), rtol=1e-12)


def test_a_square_layer_is_a_power_spectrum(float64, rng):
    """Oracle: Parseval: the mean of the square of a filtered field is the sum of its power times
    the filter's.
    """
    network = kinds.cnn(1, (1,), 3, activation="square")
    weights = network.init(jax.random.key(2), (8, 8))
    d = rng.standard_normal((8, 8))
    kernel = np.zeros((8, 8))
    w = np.asarray(weights["layers"][0]["w"])[:, :, 0, 0]
    for i in range(3):
        for j in range(3):
            kernel[(1 - i) % 8, (1 - j) % 8] = w[i, j]
    power = np.abs(np.fft.fft2(d) * np.fft.fft2(kernel)) ** 2 / 8**4
    head = weights["head"][0]
    np.testing.assert_allclose(
        network.apply(weights, d), power.sum() * head["w"][0] + head["b"], rtol=1e-10
    )


@pytest.mark.parametrize("kind", ["mlp", "deep_set", "cnn"])
def test_summaries_can_be_mapped(float64, rng, kind):
    """Oracle: A x + b, by numpy."""
    network = kinds.NETWORKS[kind](3)
    weights = network.init(jax.random.key(0), (6,))
    A, b, d = rng.standard_normal((3, 3)), rng.standard_normal(3), rng.standard_normal(6)
    mapped, apply = network.map_summaries(weights, A, b), jax.jit(network.apply)
    np.testing.assert_allclose(apply(mapped, d), A @ apply(weights, d) + b, rtol=1e-12)


# A user's own


def plain(n_summaries, width=5):
    def init(key, input_shape):
        return [
            jax.random.normal(key, (width, *input_shape)),
            jax.random.normal(key, (n_summaries, width)),
        ]

    def apply(weights, d):
        return weights[1] @ jnp.tanh(weights[0] @ d)

    return init, apply


class Module(nn.Module):
    n_summaries: int
    width: int = 5

    @nn.compact
    def __call__(self, d):
        return nn.Dense(self.n_summaries)(nn.softplus(nn.Dense(self.width)(d)))


def in_flax(n_summaries, width=5):
    module = Module(n_summaries, width)
    return lambda key, shape: module.init(key, jnp.zeros(shape)), module.apply


def in_equinox(n_summaries, width=5):
    def model(key):
        return eqx.nn.MLP(4, n_summaries, width, depth=2, key=key)

    static = eqx.partition(eqx.filter_eval_shape(model, jax.random.key(0)), eqx.is_array)[1]
    return (lambda key, shape: eqx.filter(model(key), eqx.is_array)), (
        lambda weights, d: eqx.combine(weights, static)(d)
    )


OWN = {"plain": plain, "flax": in_flax, "equinox": in_equinox}


def problem_with(**own):
    gaussian = shipped.gaussian(input_shape=(4,))
    return Problem(gaussian.simulator, [0, 1], ["mu", "Sigma"], [4], networks=own, name="mine")


@pytest.mark.parametrize(("name", "whiten"), [("flax", False), ("equinox", True)])
def test_a_fit_of_a_network_of_ones_own(float64, rng, name, whiten):
    """Oracle: jax.grad of the whole loss, a tenth of which is adam's mean after one iteration;
    and the fit lowers the loss.
    """
    recipe = Recipe(
        network={"kind": name, "width": 7},
        whiten=whiten,
        n_per_device=9,
        devices="cpu",
        n_devices=1,
    )
    fitter = fitters.build(recipe, problem_with(**OWN))
    simulations, kept = random_simulations(rng, float64, 40, 30, (4,)), []
    optimiser = optax.adam(1e-2)
    settings = Settings(10.0, fisher.rate(10.0, 0.1), 100, 0, 60, 60)
    with fitter.data(training=sources.in_memory(*simulations)) as sets:
        weights = fitter.first_state(1, sets["training"]).weights
        result = fitting.fit(
            fitter.engine,
            optimiser,
            iteration.first_state(weights, optimiser),
            sets["training"],
            None,
            settings,
            keep=lambda state, rows: kept.append(state),
        )

    def loss(weights):
        summaries = derivatives.exact(fitter.compressor.network.apply)(
            weights, chunks.Batch(*map(jnp.asarray, simulations))
        )
        m = fisher.moments(*summaries)
        return iteration.loss_of(fitter.settings)(fisher.covariance(m), m.mean_derivative)

    expected = jax.jit(jax.grad(loss))(weights)
    found = jax.tree.map(lambda m: 10 * m, kept[0].optimiser_state[0].mu)
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected))
    for one, other in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        # flax keeps its weights in float32
        tolerance = 1e-10 if other.dtype == np.float64 else 1e-5
        np.testing.assert_allclose(one, other, atol=tolerance * largest)
    row = dict(zip(iteration.QUANTITIES, result.history[:, 0].T, strict=True))
    assert row["loss"][-1] < row["loss"][0] - 0.2
    if whiten:
        np.testing.assert_allclose(row["penalty"][0], 0, atol=1e-5)


def test_a_pair_without_settings_is_taken_as_it_is():
    fitter = fitters.build(
        Recipe(network={"kind": "pair"}, n_devices=1), problem_with(pair=plain(2))
    )
    assert jax.tree.leaves(fitter.first_state(0).weights)[0].shape == (5, 4)


def integer_weights(n_summaries):
    return (
        lambda key, shape: {"a": jnp.ones(2), "steps": jnp.arange(2)}
    ), lambda weights, d: d[:2] * weights["a"]


@pytest.mark.parametrize(
    ("network", "own", "fault"),
    [
        (
            {"kind": "own"},
            {"own": 3},
            r"network 'own' of problem 'mine': expected a pair of functions \(init, apply\), found 3",
        ),
        (
            {"kind": "own", "depth": 3},
            {"own": plain},
            r"network 'own' of problem 'mine': expected a function of n_summaries and ",
        ),
        (
            {"kind": "own", "depth": 3},
            {"own": plain(2)},
            r"expected no settings, since it is a pair .*, found \{'depth': 3\}",
        ),
        (
            {"kind": "own"},
            {"own": plain(3)},
            r"network 'own': expected summaries of shape \(2,\), as n_summaries says, found \(3,\)",
        ),
        (
            {"kind": "own"},
            {"own": integer_weights},
            "network 'own': expected weights of real numbers, found int32 in steps",
        ),
        (
            {"kind": "own"},
            {"own": (lambda key, shape: 1.0, lambda w, d: d @ d @ d)},
            r"for simulations of shape \(4,\), found ",
        ),
        (
            {"kind": "own"},
            {"own": stax.serial(stax.Dense(3), stax.Relu, stax.Dense(2))},
            r"expected of init the weights alone, found \(shape, weights\), as init of "
            "jax.example_libraries.stax returns; take lambda key, shape",
        ),
        (
            {"kind": "own", "width": 3},
            {"own": lambda n_summaries: (lambda key, shape: 0, lambda w, d: d)},
            r"expected a function of n_summaries and \{'width': 3\}, found TypeError",
        ),
        (
            {"kind": "own"},
            {"own": (lambda key, shape: jax.random.normal(key, (-1, 2)), lambda w, d: d[:2])},
            r"expected no negative sizes of weights, found \(-1, 2\)",
        ),
        (
            {"kind": "own"},
            {"own": (3, lambda w, d: d)},
            r"a pair of functions .*, found \(3, <func",
        ),
        (
            {"kind": "own"},
            {"own": lambda n_summaries: 1 / 0},
            r"found ZeroDivisionError: division by zero",
        ),
        (
            {"kind": "own", "width": "1e-3"},
            {"own": lambda n, width: 1 / 0 if width == 1e-3 else plain(n)},
            "ZeroDivisionError",
        ),
        (
            {"kind": "mlp"},
            {"mlp": plain},
            "network.kind: expected another name for the problem's own network, found 'mlp'",
        ),
        (
            {"kind": "onw"},
            {"own": plain},
            r"network.kind: expected mlp, deep_set, cnn, own, found 'onw' \(nearest: own\)",
        ),
        (
            {"kind": "cnn", "channels_last": True},
            {},
            r"network: expected a grid of 1 to 3 dimensions, found 0 of \(4,\)",
        ),
    ],
)
def test_faults_of_networks(network, own, fault):
    with pytest.raises(InputError, match=fault) as caught:
        architecture.build(Recipe(network=network), problem_with(**own))
    assert "\n" not in str(caught.value)


def test_the_aggregate_of_a_convolutional_network(rng, float64):
    """Oracle: jax.grad of the whole loss."""
    from test_aggregate import LOSS, assert_is_the_direct_gradient

    network = kinds.cnn(2, (3,), 3)
    weights = network.init(jax.random.key(0), (6,))
    summarise = derivatives.exact(network.apply)
    simulations = random_simulations(rng, float64, 13, 9, (6,))
    engine = aggregate.resident(summarise, LOSS, jax.devices()[:1])
    assert_is_the_direct_gradient(engine, weights, simulations, summarise, 7, 1e-11)
