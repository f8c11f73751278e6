"""Summaries of whole sets, and the linear ones that a network has to beat."""

import jax
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
    """Oracle: the closed form A^T C^-1 A; and the covariance 1 of its summaries."""
    source, A, C = linear_problem(rng, 20000)
    b, mean, shrinkage = linear.compression(source)
    assert shrinkage < 0.01
    expected = A.T @ np.linalg.solve(C, A)
    np.testing.assert_allclose(
        F_kept(b, source), expected, rtol=0.05, atol=0.05 * np.abs(expected).max()
    )
    x = (everything(source)[0].astype(float) - mean) @ b
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.cov(x, rowvar=False), np.eye(2), atol=0.03)


def correlated(rng, n, n_inputs=60, length=0.3):
    """Simulations of strongly correlated numbers, with the mean derivatives and C they have."""
    t = np.linspace(0, 1, n_inputs)
    C = np.exp(-np.abs(t[:, None] - t) / length) + 1e-3 * np.eye(n_inputs)
    D = np.stack([np.sin(8 * t), np.exp(-50 * (t - 0.5) ** 2)], axis=-1)
    d = rng.standard_normal((n, n_inputs)) @ np.linalg.cholesky(C).T
    return sources.in_memory(d, np.broadcast_to(D, (n, *D.shape))), D, C


def det_F_of(b, D, C):
    """|F| of summaries b^T d, from the true covariance."""
    return np.linalg.det((b.T @ D).T @ np.linalg.solve(b.T @ C @ b, b.T @ D))


def test_few_simulations_of_correlated_numbers_need_neither_all_of_c_nor_its_diagonal(rng):
    """Oracle: |F| from the true C: of all, and of b by the diagonal and by the inverse of all."""
    source, D, C = correlated(rng, 150)
    b, _, shrinkage = linear.compression(source)
    best = np.linalg.det(D.T @ np.linalg.solve(C, D))
    sample = np.cov(everything(source)[0], rowvar=False)
    diagonal, full = (D / np.diag(sample)[:, None], np.linalg.solve(sample, D))
    assert 0 < shrinkage < 1
    kept = det_F_of(b, D, C) / best
    assert kept > 0.75
    assert kept > 1.15 * max(det_F_of(each, D, C) / best for each in (diagonal, full))
    many, _, shrinkage_of_many = linear.compression(correlated(rng, 6000)[0])[0:3]
    assert shrinkage_of_many < shrinkage
    assert det_F_of(many, D, C) / best > 0.98


def test_independent_numbers_lose_nothing_to_a_covariance_of_few_simulations(rng):
    """Oracle: |F| = |D^T D| of independent numbers of variance 1; all of C would cost 6 %."""
    d = rng.standard_normal((1000, 30))
    D = np.stack([np.exp(-0.1 * np.arange(30)), np.arange(30) / 30], axis=-1)
    b, _, shrinkage = linear.compression(sources.in_memory(d, np.broadcast_to(D, (1000, 30, 2))))
    assert shrinkage > 0.3
    assert det_F_of(b, D, np.eye(30)) / np.linalg.det(D.T @ D) > 0.985
    assert linear.how(shrinkage, 30) in (
        "the variances alone",
        f"the covariance moved by {100 * shrinkage:.2g} % towards its diagonal",
    )


def test_very_few_simulations_are_read_in_pieces_and_constant_numbers_left_out(rng, monkeypatch):
    """Oracle: the same read at once; an input that never varies has no part in it."""
    fiducial, derivative = random_simulations(rng, np.float32, 19, 11, (4, 5), 2)
    fiducial[:, 0, 0] = 7
    at_once = linear.compression(sources.in_memory(fiducial, derivative))
    monkeypatch.setattr(sources, "BYTES", 100)
    found = linear.compression(sources.in_memory(fiducial, derivative))
    assert found.shrinkage == at_once.shrinkage > 0
    np.testing.assert_allclose(found.b, at_once.b, rtol=1e-6, atol=1e-9)
    assert (found.b[0] == 0).all()
    assert (found.b[1:] != 0).all()


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
    b = linear.compression(sources.in_memory(d * units, dd * units[:, None])).b
    expected = A.T @ np.linalg.solve(C, A)
    found = F_kept(b, sources.in_memory(d * units, dd * units[:, None]))
    np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.05 * np.abs(expected).max())


def test_a_covariance_too_large_is_not_inverted(rng, monkeypatch):
    """Oracle: numpy, (dmu/dtheta) / variance, in whatever mixture."""
    source, A, _ = linear_problem(rng, 600)
    monkeypatch.setattr(linear, "MOST_INPUTS", 5)
    b, _, shrinkage = linear.compression(source)
    assert shrinkage == 1
    assert "more than 5 numbers" in linear.how(shrinkage, 6)
    expected = A / everything(source)[0].var(axis=0, ddof=1)[:, None]
    mixture = np.linalg.lstsq(expected, b)[0]
    np.testing.assert_allclose(expected @ mixture, b, rtol=1e-5, atol=1e-7)


def test_a_mean_that_does_not_move_gives_nothing():
    source = sources.in_memory(
        np.random.default_rng(0).standard_normal((50, 3)), np.zeros((50, 3, 2))
    )
    assert (linear.compression(source).b == 0).all()
