"""What `imnn_core.load` and a loaded fit refuse, in one line."""

import json
import shutil

import h5py
import imnn_core
import jax.numpy as jnp
import numpy as np
import pytest
from fitted_run import FIT, placed
from imnn_core.store import fits, heads, texts
from imnn_core.store.errors import InputError
from small_run import do_evaluate, do_fit, prepare


@pytest.fixture(scope="module")
def test_set(path_to_fit):
    """Simulations of the test set."""
    with h5py.File(path_to_fit.parents[3] / "test.h5") as file:
        return file["fiducial"][:]


@pytest.mark.parametrize(
    "x",
    [np.zeros((4, 1)), 0.0, np.zeros((2, 2, 1)), jnp.zeros((4, 1)), np.zeros((4, 10)), ["1", "2"]]
    + [None, np.array([True, False]), np.zeros(2, complex), np.ma.masked_equal([1.0, 2.0], 1)],
)
def test_estimates_of_what_are_no_summaries_are_refused(compressor, x):
    with pytest.raises(InputError, match="^summaries: expected "):
        compressor.estimates_of(x)


def test_nothing_is_estimated_where_parameters_can_not_be_told_apart(
    path_to_fit, tmp_path, test_set
):
    information = json.loads(path_to_fit.with_name("information.json").read_text())
    singular = [[4.0, 4.0], [4.0, 4.0]]
    information["calibration"]["F"] = singular
    information["splits"]["test"]["network"]["F"]["debiased"] = singular
    information["splits"]["test"]["network"]["det_F"]["value"] = None
    texts.write_json(tmp_path / "information.json", information)
    shutil.copy(path_to_fit, tmp_path / "fit.h5")
    found = imnn_core.load(tmp_path / "fit.h5")
    with pytest.raises(InputError, match="expected a positive definite F of the test set"):
        found.estimates(test_set)
    (why,) = found.why_not
    assert why.startswith("F of the test set is singular")
    del information["calibration"]
    texts.write_json(tmp_path / "information.json", information)
    with pytest.raises(InputError, match="expected what `evaluate` wrote, found KeyError"):
        imnn_core.load(tmp_path / "fit.h5").estimates(test_set)


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


def test_a_fit_is_found_in_its_run(path_to_fit, tmp_path):
    run = path_to_fit.parents[3]
    for found in (
        imnn_core.load(run),
        imnn_core.load(run, fit="one"),
        imnn_core.load(str(run), "one", 1),
        imnn_core.load(path_to_fit.parent),
    ):
        assert found.path == path_to_fit
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
        imnn_core.load(path_to_fit, "one")


def test_no_error_of_loading_tells_to_delete_a_file(path_to_fit):
    """It may be a set of simulations that was given by mistake, or of another's run."""
    for name in ("test.h5", "one.json"):
        with pytest.raises(InputError) as caught:
            imnn_core.load(path_to_fit.parents[3] / name)
        assert "delete" not in str(caught.value)
        assert "expected" in str(caught.value)


def test_summaries_alone_need_no_measurements(compressor, path_to_fit, tmp_path, test_set):
    alone = tmp_path / "fit.h5"
    shutil.copy(path_to_fit, alone)
    found = imnn_core.load(alone)
    np.testing.assert_array_equal(found(test_set), compressor(test_set))
    assert "not measured" in repr(found)
    for what in (lambda: found.F, lambda: found.trusted, lambda: found.estimates(test_set)):
        with pytest.raises(InputError, match=r"information.json: expected what was measured of"):
            what()
    other = json.loads(path_to_fit.with_name("information.json").read_text())
    texts.write_json(tmp_path / "information.json", other | {"checksum_of_fit": "another"})
    with pytest.raises(InputError, match="found measurements of another fit"):
        imnn_core.load(alone).estimates(test_set)


def edited(path_to_fit, tmp_path, change):
    """A copy of a fit with other content, whole."""
    copy = tmp_path / "fit.h5"
    shutil.copy(path_to_fit, copy)
    with h5py.File(copy, "r+") as file:
        change(file)
    heads.seal(copy)
    return copy


def test_another_network_than_the_fitted_one_is_noticed(path_to_fit, tmp_path):
    """As where the code of a network has changed since: here weights have."""

    def change(file):
        file["weights/best/1/b"][0] += 0.01

    with pytest.raises(InputError, match="expected the summaries of the fit .* has changed since"):
        imnn_core.load(edited(path_to_fit, tmp_path, change))


def test_a_fit_of_an_older_version_is_refused(path_to_fit, tmp_path):
    old = edited(path_to_fit, tmp_path, lambda file: file.attrs.__delitem__("input_shape"))
    with pytest.raises(InputError, match="found no input_shape, as in fits of an older version"):
        imnn_core.load(old)


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
    path_to_fit = placed(tmp_path, "own", tmp_path / FIT)
    with pytest.raises(InputError, match=r"network 'mine' is the problem's own, .*gaussian.py'\)"):
        imnn_core.load(path_to_fit)
    d = np.arange(20.0).reshape(2, 10)
    a = fits.read_arrays(path_to_fit, "weights/best")["a"]
    expected = a * np.stack([d.mean(axis=1), (d**2).mean(axis=1)], axis=1)
    found = imnn_core.load(path_to_fit, problem=named)
    np.testing.assert_allclose(found(d), expected, rtol=1e-5)
    named.write_text(named.read_text().replace("(d**2).mean()", "d.var() + 0.0"))
    with pytest.raises(InputError, match="the network's code has changed since the fit"):
        imnn_core.load(path_to_fit, problem=named)
    named.write_text(named.read_text().replace("(10,)", "(9,)"))
    with pytest.raises(InputError, match=r"expected a problem with input_shape = \[10\]"):
        imnn_core.load(path_to_fit, problem=named)
