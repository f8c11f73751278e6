"""A loaded fit: a pure function of simulations, with what was measured; what it refuses."""

import copy
import json
import pickle

import h5py
import imnn_core
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="module")
def test_set(path_to_fit):
    """Simulations of the test set."""
    with h5py.File(path_to_fit.parents[3] / "test.h5") as file:
        return file["fiducial"][:]


def in_numpy(path_to_fit, d):
    """Summaries of (n, 10) in float64, and their Jacobian, layer by layer."""
    with h5py.File(path_to_fit) as file:
        (w1, b1), (w2, b2) = (
            [file[f"weights/best/{i}/{name}"][()].astype(np.float64) for name in "wb"]
            for i in (0, 1)
        )
        mean, scale = (file[f"inputs/{name}"][()] for name in ("mean", "scale"))
    h = (d - mean) / scale @ w1 + b1
    slope = np.where(h > 0, 1, 0.01)
    jacobian = np.einsum("ia,na,ab->nbi", w1 / scale[:, None], slope, w2)
    return (h * slope) @ w2 + b2, jacobian


@pytest.mark.parametrize("before", [(), (1,), (7,), (2, 3), (0,), (130,)])
def test_summaries_of_any_leading_shape(compressor, path_to_fit, before, rng):
    """Oracle: the layers in numpy. 130 simulations are more than are taken at a time."""
    d = rng.standard_normal((*before, 10))
    expected = in_numpy(path_to_fit, d.reshape(-1, 10))[0].reshape(*before, 2)
    for given, kind in ((d, np.ndarray), (d.astype("f4"), np.ndarray), (jnp.asarray(d), jax.Array)):
        found = compressor(given)
        assert isinstance(found, kind)
        assert (found.shape, found.dtype) == (expected.shape, np.float32)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_many_simulations_are_taken_block_by_block(compressor, path_to_fit, rng, monkeypatch):
    """Oracle: the layers in numpy; blocks of 25 simulations, the last of them shorter."""
    monkeypatch.setattr("imnn_core.fitted.compressor.BLOCK", 1)
    d = rng.standard_normal((61, 10))
    np.testing.assert_allclose(compressor(d), in_numpy(path_to_fit, d)[0], rtol=1e-4, atol=1e-5)


def test_lists_and_whole_numbers_are_simulations(compressor, path_to_fit):
    expected = in_numpy(path_to_fit, np.arange(10.0)[None])[0][0]
    for given in (list(range(10)), np.arange(10), np.arange(10, dtype=">f8")):
        np.testing.assert_allclose(compressor(given), expected, rtol=1e-4)


def test_it_can_be_transformed(compressor, path_to_fit, rng):
    """Oracle: the Jacobian in numpy."""
    d = rng.standard_normal((5, 10))
    x, jacobian = in_numpy(path_to_fit, d)
    d = jnp.asarray(d)
    np.testing.assert_allclose(jax.jit(compressor)(d), x, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(jax.vmap(compressor)(d), x, rtol=1e-4, atol=1e-5)
    forward = jax.vmap(jax.jacfwd(compressor))(d)
    np.testing.assert_allclose(forward, jacobian, rtol=1e-4, atol=1e-5)
    gradient = jax.grad(lambda d: compressor(d)[:, 1].sum())(d)
    np.testing.assert_allclose(gradient, jacobian[:, 1], rtol=1e-4, atol=1e-5)
    many = jnp.tile(d, (20, 1))  # in chunks
    gradient = jax.grad(lambda d: compressor(d)[:, 1].sum())(many)
    np.testing.assert_allclose(gradient, np.tile(jacobian[:, 1], (20, 1)), rtol=1e-4, atol=1e-5)
    of_theta = jax.jit(jax.jacfwd(compressor.estimates))(d[0])
    step, d = 1e-2 * np.eye(10), np.asarray(d)
    theta = compressor.estimates
    expected = (theta(d[0] + step) - theta(d[0] - step)).T / 2e-2
    np.testing.assert_allclose(of_theta, expected, atol=2e-2 * np.abs(expected).max())


def test_estimates_are_those_of_the_run(compressor, path_to_fit, test_set):
    """Oracle: estimates.csv, which `evaluate` wrote by another way."""
    table = pd.read_csv(path_to_fit.with_name("estimates.csv"))[["mu", "Sigma"]].to_numpy()
    found = compressor.estimates(test_set)
    assert found.dtype == np.float64
    scale = np.sqrt(np.diag(compressor.covariance))
    np.testing.assert_allclose((found - table) / scale, 0, atol=1e-5)
    in_jax = compressor.estimates(jnp.asarray(test_set))
    np.testing.assert_allclose((np.asarray(in_jax) - table) / scale, 0, atol=1e-4)


def test_nothing_that_it_knows_can_be_written_to(compressor):
    for array in (
        compressor.theta_fid,
        compressor.inputs.mean,
        compressor.F,
        compressor.covariance,
        *compressor.measured.statistics,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(TypeError):
        compressor.recipe["n_summaries"] = 7


def test_numbers_within_a_transformation_are_constants(compressor, test_set):
    """Oracle: the same outside."""
    d = test_set[:130]
    expected = compressor(d).sum()
    found = jax.jit(lambda t: t * compressor(d).sum() + compressor.estimates(d).sum() * 0)(2.0)
    assert float(found) == pytest.approx(2 * expected, rel=1e-5)
    found = jax.grad(lambda t: compressor([t] * 10)[0])(0.5)
    jacobian = jax.jacfwd(compressor)(jnp.full(10, 0.5))
    assert float(found) == pytest.approx(float(jacobian[0].sum()), rel=1e-4)


def test_what_it_knows(compressor, path_to_fit):
    """Oracle: information.json, as it was written."""
    information = json.loads(path_to_fit.with_name("information.json").read_text())
    F = information["splits"]["test"]["network"]["F"]["debiased"]
    np.testing.assert_array_equal(compressor.F, F)
    np.testing.assert_allclose(compressor.covariance @ F, np.eye(2), atol=1e-9)
    assert compressor.names == ("mu", "Sigma")
    assert compressor.theta_fid.tolist() == [0, 1]
    assert compressor.input_shape == (10,)
    assert compressor.recipe["max_iterations"] == 12
    assert compressor.provenance["seed"] == 1
    assert compressor.provenance["versions"]["jax"] == jax.__version__
    assert compressor.measured.test["n_s"] == 500
    assert compressor.trusted
    assert compressor.why_not == []
    assert "(10,) -> 2 summaries; parameters mu, Sigma" in repr(compressor)


def test_a_copy_by_a_pickle_is_the_same(compressor, test_set):
    """As processes hand it on; it is loaded anew from its file."""
    copies = pickle.loads(pickle.dumps(compressor)), copy.deepcopy(compressor)
    for each in copies:
        np.testing.assert_array_equal(each(test_set), compressor(test_set))


def test_it_works_where_jax_computes_in_float64(compressor, path_to_fit, float64, test_set):
    """Oracle: the same fit in float32."""
    expected = in_numpy(path_to_fit, test_set)[0]
    found = imnn_core.load(path_to_fit)
    for loaded in (found, compressor):
        for d in (test_set, jnp.asarray(test_set, "f8")):
            x = loaded(d)
            assert x.dtype == np.float32
            np.testing.assert_allclose(x, expected, rtol=1e-4, atol=1e-5)
    assert found.estimates(jnp.asarray(test_set)).shape == (500, 2)
