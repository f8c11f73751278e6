"""A loaded fit: a pure function of simulations, with what was measured; what it refuses."""

import copy
import json
import pickle
import shutil

import h5py
import imnn_core
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from fitted_run import FIT, made, placed
from imnn_core.store import fits, texts
from imnn_core.store.errors import InputError
from small_run import do_evaluate, do_fit, prepare

RECIPE = {"max_iterations": 12, "standardise": "each"}  # of the run, with a network of one layer


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return made(tmp_path_factory.mktemp("run"), **RECIPE)


@pytest.fixture(scope="module")
def compressor(path):
    return imnn_core.load(path)


@pytest.fixture(scope="module")
def test_set(path):
    """Simulations of the test set."""
    with h5py.File(path.parents[3] / "test.h5") as file:
        return file["fiducial"][:]


def in_numpy(path, d):
    """Summaries of (n, 10) in float64, and their Jacobian, layer by layer."""
    with h5py.File(path) as file:
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
def test_summaries_of_any_leading_shape(compressor, path, before, rng):
    """Oracle: the layers in numpy. 130 simulations are more than are taken at a time."""
    d = rng.standard_normal((*before, 10))
    expected = in_numpy(path, d.reshape(-1, 10))[0].reshape(*before, 2)
    for given, kind in ((d, np.ndarray), (d.astype("f4"), np.ndarray), (jnp.asarray(d), jax.Array)):
        found = compressor(given)
        assert isinstance(found, kind)
        assert (found.shape, found.dtype) == (expected.shape, np.float32)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_many_simulations_are_taken_block_by_block(compressor, path, rng, monkeypatch):
    """Oracle: the layers in numpy; blocks of 25 simulations, the last of them shorter."""
    monkeypatch.setattr("imnn_core.fitted.compressor.BLOCK", 1)
    d = rng.standard_normal((61, 10))
    np.testing.assert_allclose(compressor(d), in_numpy(path, d)[0], rtol=1e-4, atol=1e-5)


def test_lists_and_whole_numbers_are_simulations(compressor, path):
    expected = in_numpy(path, np.arange(10.0)[None])[0][0]
    for given in (list(range(10)), np.arange(10), np.arange(10, dtype=">f8")):
        np.testing.assert_allclose(compressor(given), expected, rtol=1e-4)


def test_it_can_be_transformed(compressor, path, rng):
    """Oracle: the Jacobian in numpy."""
    d = rng.standard_normal((5, 10))
    x, jacobian = in_numpy(path, d)
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


def test_estimates_are_those_of_the_run(compressor, path, test_set):
    """Oracle: estimates.csv, which `evaluate` wrote by another way."""
    table = pd.read_csv(path.with_name("estimates.csv"))[["mu", "Sigma"]].to_numpy()
    found = compressor.estimates(test_set)
    assert found.dtype == np.float64
    scale = np.sqrt(np.diag(compressor.covariance))
    np.testing.assert_allclose((found - table) / scale, 0, atol=1e-5)
    in_jax = compressor.estimates(jnp.asarray(test_set))
    np.testing.assert_allclose((np.asarray(in_jax) - table) / scale, 0, atol=1e-4)


@pytest.mark.parametrize(
    "x",
    [np.zeros((4, 1)), 0.0, np.zeros((2, 2, 1)), jnp.zeros((4, 1)), np.zeros((4, 10)), ["1", "2"]]
    + [None, np.array([True, False]), np.zeros(2, complex), np.ma.masked_equal([1.0, 2.0], 1)],
)
def test_estimates_of_what_are_no_summaries_are_refused(compressor, x):
    with pytest.raises(InputError, match="^summaries: expected "):
        compressor.estimates_of(x)


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


def test_nothing_is_estimated_where_parameters_can_not_be_told_apart(path, tmp_path, test_set):
    information = json.loads(path.with_name("information.json").read_text())
    singular = [[4.0, 4.0], [4.0, 4.0]]
    information["calibration"]["F"] = singular
    information["splits"]["test"]["network"]["F"]["debiased"] = singular
    information["splits"]["test"]["network"]["det_F"]["value"] = None
    texts.write_json(tmp_path / "information.json", information)
    shutil.copy(path, tmp_path / "fit.h5")
    found = imnn_core.load(tmp_path / "fit.h5")
    with pytest.raises(InputError, match="expected a positive definite F of the test set"):
        found.estimates(test_set)
    (why,) = found.why_not
    assert why.startswith("F of the test set is singular")
    del information["calibration"]
    texts.write_json(tmp_path / "information.json", information)
    with pytest.raises(InputError, match="expected what `evaluate` wrote, found KeyError"):
        imnn_core.load(tmp_path / "fit.h5").estimates(test_set)


def test_what_it_knows(compressor, path):
    """Oracle: information.json, as it was written."""
    information = json.loads(path.with_name("information.json").read_text())
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


@pytest.mark.parametrize(
    ("d", "fault"),
    [
        (np.zeros(9), r"expected the shape \(…, 10\), found \(9,\)"),
        (np.zeros((10, 3)), r"expected the shape \(…, 10\), found \(10, 3\)"),
        (np.float64(3), r"expected the shape \(…, 10\), found \(\)"),
        (jnp.zeros((4, 11)), r"expected the shape \(…, 10\), found \(4, 11\)"),
        (
            np.zeros(10, complex),
            "expected floating-point or whole numbers of at most 8 bytes, found complex128",
        ),
        (np.zeros(10, bool), "expected floating-point .* found bool"),
        (np.array(["a"] * 10), "expected floating-point .* found <U1"),
        (np.zeros(10, object), "expected floating-point .* found object"),
        (jnp.zeros(10, complex), "expected floating-point .* found complex64"),
        ([[1, 2], [3]], "expected an array, found rows of different lengths"),
        (np.zeros(10, "m8[s]"), r"expected floating-point .* found timedelta64\[s\]"),
        (np.ma.masked_equal(np.arange(10), 3), "expected numbers without a mask, found 1 that .*"),
    ],
)
def test_wrong_simulations_are_one_line(compressor, d, fault):
    with pytest.raises(InputError, match=f"^simulations: {fault}$"):
        compressor(d)


def test_a_copy_by_a_pickle_is_the_same(compressor, test_set):
    """As processes hand it on; it is loaded anew from its file."""
    copies = pickle.loads(pickle.dumps(compressor)), copy.deepcopy(compressor)
    for each in copies:
        np.testing.assert_array_equal(each(test_set), compressor(test_set))


def test_a_fit_is_found_in_its_run(path, tmp_path):
    run = path.parents[3]
    for found in (
        imnn_core.load(run),
        imnn_core.load(run, fit="one"),
        imnn_core.load(str(run), "one", 1),
        imnn_core.load(path.parent),
    ):
        assert found.path == path
    with pytest.raises(
        InputError, match=r"expected one fit of fit='two', found 0; .*: one/seed-1$"
    ):
        imnn_core.load(run, fit="two")
    shutil.copytree(run / "fits", tmp_path / "fits")
    shutil.copytree(tmp_path / "fits/one/seed-1", tmp_path / "fits/one/seed-2")
    with pytest.raises(InputError, match="expected one fit, found 2; .*: one/seed-1, one/seed-2$"):
        imnn_core.load(tmp_path)
    assert imnn_core.load(tmp_path, seed=2).path == tmp_path / "fits/one/seed-2/fit.h5"
    with pytest.raises(InputError, match="expected a fit's file or a run's folder, found nothing"):
        imnn_core.load(tmp_path / "none.h5")
    with pytest.raises(InputError, match="expected a run's folder beside fit and seed, found a"):
        imnn_core.load(path, "one")


def test_no_error_of_loading_tells_to_delete_a_file(path):
    """It may be a set of simulations that was given by mistake, or of another's run."""
    for name in ("test.h5", "one.json"):
        with pytest.raises(InputError) as caught:
            imnn_core.load(path.parents[3] / name)
        assert "delete" not in str(caught.value)
        assert "expected" in str(caught.value)


def test_summaries_alone_need_no_measurements(compressor, path, tmp_path, test_set):
    alone = tmp_path / "fit.h5"
    shutil.copy(path, alone)
    found = imnn_core.load(alone)
    np.testing.assert_array_equal(found(test_set), compressor(test_set))
    assert "not measured" in repr(found)
    for what in (lambda: found.F, lambda: found.trusted, lambda: found.estimates(test_set)):
        with pytest.raises(InputError, match=r"information.json: expected what was measured of"):
            what()
    other = json.loads(path.with_name("information.json").read_text())
    texts.write_json(tmp_path / "information.json", other | {"checksum_of_fit": "another"})
    with pytest.raises(InputError, match="found measurements of another fit"):
        imnn_core.load(alone).estimates(test_set)


def edited(path, tmp_path, change):
    """A copy of a fit with other content, whole."""
    from imnn_core.store import heads

    copy = tmp_path / "fit.h5"
    shutil.copy(path, copy)
    with h5py.File(copy, "r+") as file:
        change(file)
    heads.seal(copy)
    return copy


def test_another_network_than_the_fitted_one_is_noticed(path, tmp_path):
    """As where the code of a network has changed since: here weights have."""

    def change(file):
        file["weights/best/1/b"][0] += 0.01

    with pytest.raises(InputError, match="expected the summaries of the fit .* has changed since"):
        imnn_core.load(edited(path, tmp_path, change))


def test_a_fit_of_an_older_version_is_refused(path, tmp_path):
    old = edited(path, tmp_path, lambda file: file.attrs.__delitem__("input_shape"))
    with pytest.raises(InputError, match="found no input_shape, as in fits of an older version"):
        imnn_core.load(old)


def test_it_works_where_jax_computes_in_float64(compressor, path, float64, test_set):
    """Oracle: the same fit in float32."""
    expected = in_numpy(path, test_set)[0]
    found = imnn_core.load(path)
    for loaded in (found, compressor):
        for d in (test_set, jnp.asarray(test_set, "f8")):
            x = loaded(d)
            assert x.dtype == np.float32
            np.testing.assert_allclose(x, expected, rtol=1e-4, atol=1e-5)
    assert found.estimates(jnp.asarray(test_set)).shape == (500, 2)


def test_a_network_of_a_users_own_needs_its_file(tmp_path):
    """Oracle: numpy, the mean and the mean square, times a and b as the fit has stored them."""
    own = tmp_path / "mine.py"
    own.write_text(
        "import jax.numpy as jnp\n"
        "from imnn_core.problems import Problem\n"
        "def init(key, shape):\n"
        "    return {'a': jnp.ones(2)}\n"
        "def apply(weights, d):\n"
        "    return weights['a'] * jnp.stack([d.mean(), (d**2).mean()])\n"
        "problem = Problem(None, theta_fid=[0.0, 1.0], names=['mu', 'Sigma'], input_shape=(10,),\n"
        "                  networks={'mine': (init, apply)})\n"
    )
    problem = {"kind": str(own), "theta_fid": [0.0, 1.0]}
    recipe = {"network": {"kind": "mine"}, "max_iterations": 3}
    prepare(tmp_path)
    for split in ("training", "validation", "test"):  # of the shipped problem, under its name
        with h5py.File(tmp_path / f"{split}.h5", "r") as file:
            assert file.attrs["problem"] == "gaussian"
    named = own.rename(tmp_path / "gaussian.py")  # a problem's name is that of its file
    problem["kind"] = str(named)
    do_fit(tmp_path, "own", problem=problem, **recipe)
    do_evaluate(tmp_path, "own", problem=problem, **recipe)
    path = placed(tmp_path, "own", tmp_path / FIT)
    with pytest.raises(InputError, match=r"network 'mine' is the problem's own, .*gaussian.py'\)"):
        imnn_core.load(path)
    d = np.arange(20.0).reshape(2, 10)
    a = fits.read_arrays(path, "weights/best")["a"]
    expected = a * np.stack([d.mean(axis=1), (d**2).mean(axis=1)], axis=1)
    found = imnn_core.load(path, problem=named)
    np.testing.assert_allclose(found(d), expected, rtol=1e-5)
    named.write_text(named.read_text().replace("(d**2).mean()", "d.var() + 0.0"))
    with pytest.raises(InputError, match="the network's code has changed since the fit"):
        imnn_core.load(path, problem=named)
    named.write_text(named.read_text().replace("(10,)", "(9,)"))
    with pytest.raises(InputError, match=r"expected a problem with input_shape = \[10\]"):
        imnn_core.load(path, problem=named)
