"""Networks: what they do not depend on, and the affine map of their summaries."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from imnn_core.networks import kinds

KINDS = {
    "mlp": kinds.mlp(2, (7, 5), "softplus"),
    "deep_set": kinds.deep_set(2, (7, 5)),
    "deep_set with a head": kinds.deep_set(2, (7, 5), (4, 3)),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("input_shape", [(6,), (6, 2, 3)])
def test_mapped_summaries(name, input_shape, float64, rng):
    """Oracle: A x + b, by numpy."""
    network = KINDS[name]
    weights = network.init(jax.random.key(3), input_shape)
    d, A, b = rng.standard_normal(input_shape), rng.standard_normal((2, 2)), rng.standard_normal(2)
    x = network.apply(weights, d)
    assert x.shape == (2,)
    np.testing.assert_allclose(
        network.apply(network.map_summaries(weights, A, b), d), A @ x + b, rtol=1e-12
    )


@pytest.mark.parametrize("input_shape", [(6,), (6, 2, 3)])
def test_a_deep_set_does_not_know_the_order_of_its_elements(input_shape, float64, rng):
    """Oracle: the same network on permuted elements; and on each element twice, since the mean is
    the same.
    """
    network = KINDS["deep_set with a head"]
    weights = network.init(jax.random.key(3), input_shape)
    d = rng.standard_normal(input_shape)
    x = network.apply(weights, d)
    np.testing.assert_allclose(network.apply(weights, d[rng.permutation(6)]), x, rtol=1e-12)
    np.testing.assert_allclose(network.apply(weights, np.concatenate([d, d])), x, rtol=1e-12)
    assert (
        np.abs(network.apply(weights, d + np.arange(6).reshape(6, *[1] * (d.ndim - 1))) - x).max()
        > 1e-3
    )


def test_a_deep_set_by_hand():
    """Oracle: by hand: the mean of relu(2 d - 1), times 3, plus 4, for d = 0, 1, 2: (0 + 1 + 3) / 3
    * 3 + 4 = 8.
    """
    weights = {
        "element": [{"w": jnp.asarray([[2.0]]), "b": jnp.asarray([-1.0])}],
        "head": [{"w": jnp.asarray([[3.0]]), "b": jnp.asarray([4.0])}],
    }
    network = kinds.deep_set(1, (1,), activation="relu")
    assert network.apply(weights, jnp.arange(3.0)) == pytest.approx(8)


def test_the_classic_networks_weights_are_those_of_glorot():
    """Oracle: variance 2 / (n_in + n_out), known to 5 % from 400 x 400 numbers to 1 %; biases 0."""
    layers = kinds.mlp(2, (400, 400)).init(jax.random.key(0), (10,))
    assert [layer["w"].shape for layer in layers] == [(10, 400), (400, 400), (400, 2)]
    assert float(layers[1]["w"].var()) == pytest.approx(2 / 800, rel=0.05)
    assert all((layer["b"] == 0).all() for layer in layers)
