"""Summaries of whole sets, and the linear ones that a network has to beat."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import everything, random_simulations
from imnn_core.compression import compressor, linear
from imnn_core.data import sources
from imnn_core.evaluation import measure
from imnn_core.gradient import derivatives


@pytest.mark.parametrize(("n_s", "n_d"), [(23, 23), (23, 9), (8, 1)])
@pytest.mark.parametrize(("n_per_device", "n_devices"), [(5, 1), (100, 1), (4, 2), (1, 8)])
def test_every_simulation_once_and_in_order(rng, monkeypatch, n_s, n_d, n_per_device, n_devices):
    """Oracle: numpy, on a quadratic network: x = (w . d)^2, dx/dtheta = 2 (w . d)(w . dd)."""
    monkeypatch.setattr(compressor, "BLOCK", 300)  # so that there are many blocks
    fiducial, derivative = random_simulations(rng, np.float32, n_s, n_d, (3,), 2)
    w = rng.standard_normal((3, 2)).astype(np.float32)
    compressed = compressor.compress(
        derivatives.exact(lambda w, d: (d @ w) ** 2),
        jax.devices()[:n_devices],
        n_per_device,
        parallel=1,
    )
    x, dx = compressed(w, sources.in_memory(fiducial, derivative))
    assert x.dtype == dx.dtype == np.float64
    projected = fiducial @ w
    np.testing.assert_allclose(x, projected**2, rtol=1e-4, atol=1e-5)
    expected = 2 * projected[:n_d, :, None] * np.einsum("dk,ndp->nkp", w, derivative)
    np.testing.assert_allclose(dx, expected, rtol=1e-3, atol=1e-4)


def linear_problem(rng, n, n_inputs=6):
    """Simulations d = A theta + noise of covariance C, so that a linear compression keeps
    everything.
    """
    A, mix = rng.standard_normal((n_inputs, 2)), rng.standard_normal((n_inputs, n_inputs))
    fiducial = (5 + rng.standard_normal((n, n_inputs)) @ mix.T).astype(np.float32)
    derivative = np.broadcast_to(A, (n, n_inputs, 2)).astype(np.float32)
    return sources.in_memory(fiducial, derivative), A, mix @ mix.T


def F_kept(b, source):
    summaries = compressor.compress(
        derivatives.exact(lambda b, d: d @ b), jax.devices()[:1], 100, parallel=1
    )(b.astype(np.float32), source)
    return measure.statistics_of(summaries).F


def test_a_linear_compression_keeps_all_that_is_in_the_mean(rng):
    """Oracle: the closed form A^T C^-1 A."""
    source, A, C = linear_problem(rng, 20000)
    b, how = linear.compression(source)
    assert how == "full"
    np.testing.assert_allclose(np.abs(b).max(axis=0), 1)
    expected = A.T @ np.linalg.solve(C, A)
    np.testing.assert_allclose(
        F_kept(b, source), expected, rtol=0.05, atol=0.05 * np.abs(expected).max()
    )


def test_with_few_simulations_it_uses_the_variances_alone(rng, monkeypatch):
    """Oracle: numpy, (dmu/dtheta) / variance; an input that never varies is left out."""
    monkeypatch.setattr(sources, "BYTES", 100)  # so that it is read in many pieces
    fiducial, derivative = random_simulations(rng, np.float32, 19, 11, (4, 5), 2)
    fiducial[:, 0, 0] = 7
    b, how = linear.compression(sources.in_memory(fiducial, derivative))
    assert how == "diagonal"
    expected = (
        derivative.reshape(11, 20, 2).mean(axis=0)[1:]
        / fiducial.reshape(19, 20).var(axis=0, ddof=1)[1:, None]
    )
    np.testing.assert_allclose(b[1:] / b[1], expected / expected[0], rtol=1e-4)
    assert (b[0] == 0).all()


@pytest.mark.parametrize("unit", [1, 1e-9])
def test_neither_units_nor_a_sum_that_is_constant_matter(rng, unit):
    """Oracle: the closed form A^T C^-1 A of the inputs that are free; one is minus the sum of the
    others, one constant.
    """
    source, A, C = linear_problem(rng, 20000)
    units = np.where(np.arange(8) < 3, unit, 1).astype(np.float32)
    d, dd = (
        np.concatenate([array, -array.sum(axis=1, keepdims=True), 0 * array[:, :1]], axis=1)
        for array in everything(source)
    )
    b, how = linear.compression(sources.in_memory(d * units, dd * units[:, None]))
    assert how == "full"
    expected = A.T @ np.linalg.solve(C, A)
    found = F_kept(b, sources.in_memory(d * units, dd * units[:, None]))
    np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.05 * np.abs(expected).max())


def test_a_covariance_too_large_or_too_noisy_is_not_inverted(rng, monkeypatch):
    """Oracle: by hand, the bounds as stated: ten simulations per input, and MOST_INPUTS."""
    source, _, _ = linear_problem(rng, 60)
    assert linear.compression(source)[1] == "full"
    assert linear.compression(linear_problem(rng, 59)[0])[1] == "diagonal"
    monkeypatch.setattr(linear, "MOST_INPUTS", 5)
    assert linear.compression(source)[1] == "diagonal"


def test_a_mean_that_does_not_move_gives_nothing():
    source = sources.in_memory(
        np.random.default_rng(0).standard_normal((50, 3)), np.zeros((50, 3, 2))
    )
    assert (linear.compression(source)[0] == 0).all()
    assert jnp.isfinite(linear.compression(source)[0]).all()
