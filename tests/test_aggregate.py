"""The aggregated gradient against the direct one."""

import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import loaded, random_simulations, small_network
from hypothesis import given, settings
from hypothesis import strategies as st
from imnn_core.data import chunks
from imnn_core.data.stream import Stream
from imnn_core.gradient import aggregate, derivatives, fisher, passes
from imnn_core.networks import kinds

N_S = 13
LOSS = partial(fisher.loss, strength=10.0, rate=fisher.rate(10.0, 0.1))


@functools.cache
def network(dtype, n_summaries=2, input_shape=(3,)):
    """One network of each kind and precision, so that the oracle is compiled once for each size."""
    # Of four summaries of 13 simulations, weights by which C is far from singular: its condition
    # number costs the oracle digits.
    return small_network(n_summaries, seed=2 * (n_summaries == 4), input_shape=input_shape)


@partial(jax.jit, static_argnums=0)
def direct(summarise, weights, fiducial, derivative):
    """Loss of all simulations at once, and its gradient; differentiated with no help of ours."""

    def loss(weights):
        m = fisher.moments(*summarise(weights, chunks.Batch(fiducial, derivative)))
        return LOSS(fisher.covariance(m), m.mean_derivative)

    return jax.value_and_grad(loss)(weights)


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def assert_is_the_direct_gradient(engine, weights, simulations, summarise, n_per_device, tolerance):
    """And the moments' own pass has the same moments."""

    def both(weights, data):
        return *engine.gradient(weights, data), engine.moments(weights, data)

    arguments = jax.device_put(weights, engine.home), loaded(engine, simulations, n_per_device)
    m, loss, found, alone = (jax.jit(both) if engine.fused else both)(*arguments)
    expected_loss, expected = direct(summarise, weights, *simulations)
    assert float(m.n_s) == len(simulations[0])
    assert float(m.n_d) == len(simulations[1])
    assert float(loss) == pytest.approx(float(expected_loss), rel=tolerance)
    scale = np.abs(flat(expected)).max()
    np.testing.assert_allclose(flat(found), flat(expected), rtol=tolerance, atol=tolerance * scale)
    np.testing.assert_allclose(flat(alone), flat(m), rtol=tolerance, atol=tolerance)


def tolerance_of(dtype):
    return 1e-5 if dtype == np.float32 else 1e-12


def engine_of(way, summarise, n_devices=1, parallel=1):
    """One of the ways for data to flow; streamed blocks hold two simulations at the least."""
    devices = jax.devices()[:n_devices]
    if way == "streamed":
        return aggregate.streamed(summarise, LOSS, devices, parallel, block_bytes=200)
    return aggregate.resident(summarise, LOSS, devices, parallel)


@pytest.mark.parametrize(
    ("way", "dtype", "n_devices", "parallel", "n_per_device", "n_d", "sizes"),
    [
        ("kept", "float64", 1, 1, 12, 1, (2, 2, (3,))),
        ("kept", "float32", 8, 1, 4, 5, (2, 2, (3,))),
        ("kept", "float64", 2, 10, 2, 5, (2, 2, (3,))),
        ("kept", "float64", 2, 1, 3, 9, (4, 3, (2, 3))),
        ("recomputed", "float32", 1, 2, 5, 13, (2, 2, (3,))),
        ("recomputed", "float64", 8, 10, 1, 5, (2, 2, (3,))),
        ("streamed", "float64", 1, 1, 1, 13, (2, 2, (3,))),
        ("streamed", "float32", 1, 2, 2, 9, (2, 2, (3,))),
        ("streamed", "float64", 8, 1, 4, 5, (2, 2, (3,))),
        ("streamed", "float64", 2, 10, 13, 1, (2, 2, (3,))),
        ("streamed", "float64", 1, 1, 100, 13, (3, 1, (1,))),
    ],
    indirect=["dtype"],
)
def test_every_way_and_size(
    dtype, rng, way, n_devices, parallel, n_per_device, n_d, sizes, monkeypatch
):
    """Oracle: jax.grad of the whole loss; 1e-12 of the largest component in float64, and in float32
    1e-5. Activations are kept from the first pass for the second, or computed again.
    """
    if way == "recomputed":
        monkeypatch.setattr(passes, "ACTIVATIONS", 0)
    n_summaries, n_params, input_shape = sizes
    summarise, weights = network(dtype, n_summaries, input_shape)
    simulations = random_simulations(rng, dtype, N_S, n_d, input_shape, n_params)
    engine = engine_of(way, summarise, n_devices, parallel)
    tolerance = tolerance_of(dtype)
    assert_is_the_direct_gradient(engine, weights, simulations, summarise, n_per_device, tolerance)


@pytest.fixture
def passes_over_data(monkeypatch):
    """A list that grows with each pass that an engine makes over a stream."""
    made, map_blocks = [], Stream.map
    monkeypatch.setattr(
        Stream, "map", lambda self, function: made.append(self) or map_blocks(self, function)
    )
    return made


@pytest.mark.parametrize(
    ("n_devices", "n_d", "n_params", "activations", "n_passes"),
    [
        (1, 190, 10, 2**26, 1),
        (8, 203, 10, 2**26, 1),
        (1, 203, 5, 2**26, 2),
        (1, 203, 10, 20_000, 2),
    ],
)
def test_data_far_larger_than_their_activations_are_read_once(
    float64, rng, n_devices, n_d, n_params, activations, n_passes, passes_over_data, monkeypatch
):
    """Oracle: as above. The network needs the simulations again, and gets them though their memory
    is used anew.

    Of a simulation's 10 + 10 n_params numbers 22 are kept: itself, its summaries, and whether it
    and its derivatives are there.
    """

    def summarise(weights, batch):
        return weights[None] * batch.fiducial, batch.derivative

    monkeypatch.setattr(passes, "ARRAY", 0)  # which would be most of what such small blocks leave
    monkeypatch.setattr(passes, "ACTIVATIONS", activations)
    fiducial, derivative = random_simulations(
        rng, float64, n_s=203, n_d=n_d, input_shape=(10,), n_params=n_params
    )
    simulations = fiducial, derivative + np.eye(10)[:, :n_params]  # far from a singular F
    devices = jax.devices()[:n_devices]
    engine = aggregate.streamed(
        summarise, LOSS, devices, block_bytes=10**4 if n_devices == 1 else 4 * 10**4
    )
    assert_is_the_direct_gradient(engine, rng.uniform(1, 2, 10), simulations, summarise, 2, 1e-12)
    assert len(passes_over_data) == n_passes + 1  # and one for the moments alone


def test_what_is_kept_counts_the_activations_and_what_each_array_takes(float64, rng):
    """Oracle: by hand. The network needs no activation but the simulations; with them x and what is
    present are kept.
    """
    one = passes.Passes(
        lambda w, batch: (w[None] * batch.fiducial, batch.derivative),
        jax.sharding.Mesh(jax.devices()[:1], ("devices",)),
        1,
    )
    engine = aggregate.streamed(lambda *_: None, LOSS, jax.devices()[:1])
    ((n_blocks, block),) = loaded(engine, random_simulations(rng, float64, 20, 20, (5,)), 20).blocks
    assert n_blocks == 1
    assert one.kept(np.ones(5), (block,)) == 8 * (20 * 5 + 20 * 5 + 20 + 20) + 4 * 2048


def test_streamed_moments_far_from_zero(rng):
    """Oracle: numpy's covariance in float64, of summaries in float32 whose mean is 1e4 times their
    spread.
    """
    x = (1e4 + rng.standard_normal((5000, 2))).astype(np.float32)
    engine = aggregate.streamed(
        lambda weights, batch: (batch.fiducial, batch.derivative),
        LOSS,
        jax.devices()[:1],
        block_bytes=2000,
    )
    m = engine.moments(jnp.zeros(()), loaded(engine, (x, np.ones((5000, 2, 1), np.float32)), 30))
    np.testing.assert_allclose(
        m.scatter / (5000 - 1), np.cov(x.astype(np.float64), rowvar=False), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(m.mean, x.astype(np.float64).mean(axis=0), rtol=1e-7)


@pytest.mark.long
@given(
    n_s=st.integers(6, 40),
    share=st.floats(0.01, 1),
    n_per_device=st.integers(1, 50),
    n_params=st.integers(1, 3),
    extra=st.integers(0, 2),
    input_shape=st.sampled_from([(1,), (4,), (2, 3)]),
)
@settings(max_examples=20, deadline=None)
def test_any_sizes(n_s, share, n_per_device, n_params, extra, input_shape):
    """Oracle: as above, on sizes that nobody chose."""
    with jax.enable_x64(True):
        rng = np.random.default_rng(n_s)
        summarise, weights = small_network(n_params + extra, input_shape=input_shape)
        simulations = random_simulations(
            rng,
            np.float64,
            max(n_s, n_params + extra + 3),
            max(1, int(share * n_s)),
            input_shape,
            n_params,
        )
        value, gradient = direct(summarise, weights, *simulations)
        if (
            not np.isfinite(value) or np.abs(flat(gradient)).max() > 1e6
        ):  # a nearly singular C: rounding has no bound
            return
        engine = aggregate.resident(summarise, LOSS, jax.devices()[:2])
        assert_is_the_direct_gradient(engine, weights, simulations, summarise, n_per_device, 1e-9)


def test_the_average_of_chunk_gradients_is_another_thing(float64, rng):
    """The trap that the two passes avoid: were it the same, they would not be needed."""
    summarise, weights = network(float64)
    simulations = random_simulations(rng, float64, n_s=40, n_d=40)
    expected = flat(direct(summarise, weights, *simulations)[1])
    parts = zip(*(np.split(array, 4) for array in simulations), strict=True)
    average = np.mean([flat(direct(summarise, weights, *part)[1]) for part in parts], axis=0)
    assert np.linalg.norm(average - expected) > 0.1 * np.linalg.norm(expected)


def test_derivatives_are_pushed_through_the_network(float64, rng):
    """Oracle: central differences of x along each parameter's derivative of d, accurate to h^2."""
    network = kinds.mlp(2, hidden=(5,), activation="softplus")
    weights = network.init(jax.random.key(0), (3,))
    compress = jax.vmap(lambda d: network.apply(weights, d))
    fiducial, derivative = map(jnp.asarray, random_simulations(rng, float64, n_s=4, n_d=3))
    x, dx_dtheta = derivatives.exact(network.apply)(weights, chunks.Batch(fiducial, derivative))
    h = 1e-5
    for p in range(derivative.shape[-1]):
        plus, minus = (compress(fiducial[:3] + s * h * derivative[..., p]) for s in (1, -1))
        np.testing.assert_allclose(dx_dtheta[..., p], (plus - minus) / (2 * h), atol=1e-8)
    np.testing.assert_allclose(x, compress(fiducial), rtol=1e-14)
