"""What is computed on the host is computed in float64, while networks run in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import loaded, random_simulations, small_network
from imnn_core.gradient import aggregate, fisher, host
from imnn_core.training import iteration
from imnn_core.training import loop as fitting

SETTINGS = iteration.Settings(10.0, fisher.rate(10.0, 0.1), 10, 0, 1, 1)


def test_in_float64():
    """Oracle: numpy in float64; float32 has no digits for the difference, and jax stays in it."""
    found = host.in_float64(lambda a: {"sum": a["x"] + 1e-12})({"x": np.float32(1)})
    assert found["sum"] == np.float64(1) + 1e-12
    assert found["sum"].dtype == np.float64
    assert jnp.ones(1).dtype == jnp.float32


def test_moments_of_many_blocks_do_not_lose_digits(rng):
    """Oracle: numpy's mean and covariance in float64; merged in float32 they are off by more."""
    n = 20000
    x = (1 + rng.standard_normal((n, 2))).astype(np.float32)
    engine = aggregate.streamed(
        lambda _, batch: batch, iteration.loss_of(SETTINGS), jax.devices()[:1], block_bytes=100
    )
    m = engine.moments(jnp.zeros(()), loaded(engine, (x, np.ones((n, 2, 1), np.float32)), 10))
    assert all(leaf.dtype == np.float64 for leaf in m)
    np.testing.assert_allclose(m.mean, x.astype(np.float64).mean(axis=0), rtol=3e-8)
    np.testing.assert_allclose(
        m.scatter / (n - 1), np.cov(x.astype(np.float64), rowvar=False), rtol=1e-7, atol=3e-8
    )


def test_the_loss_in_the_history_is_the_loss_that_was_differentiated(rng):
    """Oracle: the engine's loss in float64, of which the row keeps float32's digits."""
    summarise, weights = small_network()
    engine = aggregate.streamed(
        summarise, iteration.loss_of(SETTINGS), jax.devices()[:1], block_bytes=500
    )
    data = loaded(engine, random_simulations(rng, np.float32, 40, 40), 6)
    optimiser = optax.adam(1e-3)
    for seed in range(5):
        weights = small_network(seed=seed)[1]
        m, loss, _ = engine.gradient(weights, data)
        result = fitting.fit(
            engine, optimiser, iteration.first_state(weights, optimiser), data, None, SETTINGS
        )
        assert loss.dtype == np.float64
        assert result.history[0, 0, iteration.QUANTITIES.index("loss")] == np.float32(loss)
        assert result.history[0, 0, 0] == pytest.approx(
            np.linalg.slogdet(fisher_of(m))[1], rel=2e-7
        )


def fisher_of(m):
    """F in numpy's float64."""
    return m.mean_derivative.T @ np.linalg.inv(m.scatter / (m.n_s - 1)) @ m.mean_derivative
