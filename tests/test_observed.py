"""Observed data: what is read, the estimate of their parameters, and where a refinement goes on."""

import json

import h5py
import jax
import numpy as np
import pandas as pd
import pytest
from conftest import everything
from estimate import estimate
from imnn_core.compression import compressor
from imnn_core.config.recipe import Recipe
from imnn_core.data import arrays, sets
from imnn_core.data.arrays import read_observed
from imnn_core.problems import load, shipped
from imnn_core.store import texts
from imnn_core.store.errors import InputError
from refine import refine
from running import planned, snakemake
from small_run import PROBLEM, do_evaluate, do_fit, prepare, read, recipe_of

GAUSSIAN = load.build(**PROBLEM)


def test_estimates_are_those_of_the_same_simulations_in_the_test_set(tmp_path):
    """Oracle: numpy, theta_fid + F^-1 D^T C^-1 (x - mu) with the statistics of the test set; errors
    from its debiased F.
    """
    prepare(tmp_path)
    recipe = {"standardise": "each", "max_iterations": 12}
    path = do_fit(tmp_path, "one", **recipe)
    information = do_evaluate(tmp_path, "one", **recipe)
    with sets.open_simulations(tmp_path / "test.h5", GAUSSIAN, seed=1, split="test") as source:
        d, _ = everything(source)
    with h5py.File(tmp_path / "observed.h5", "w") as file:
        file["observed"] = d[:3].astype(np.float64)
    paths = (tmp_path / "observed.h5", path, tmp_path / "one.json", tmp_path / "observed.json")
    estimate(*paths, problem=PROBLEM, fit="one", seed=1, recipe=recipe_of(**recipe))
    found = json.loads((tmp_path / "observed.json").read_text())
    with sets.open_simulations(
        tmp_path / "training.h5", GAUSSIAN, seed=1, split="training"
    ) as source:
        training, _ = everything(source)
    network = compressor.build(Recipe(**recipe_of(**recipe)), GAUSSIAN).network
    weights = read(path)[0]["weights/best"]
    x = jax.vmap(lambda d: network.apply(weights, d))(
        (d - training.mean(axis=0)) / training.std(axis=0)
    )
    x = np.asarray(x, np.float64)
    of_test = information["splits"]["test"]["network"]["F"]
    F, C = np.array(of_test["value"]), np.cov(x, rowvar=False)
    D = np.array(information["calibration"]["dmu_dtheta"])
    np.testing.assert_allclose(
        D.T @ np.linalg.inv(C) @ D, F, rtol=1e-3, atol=1e-3 * np.abs(F).max()
    )
    expected = [0, 1] + (np.linalg.inv(F) @ D.T @ np.linalg.inv(C) @ (x[:3] - x.mean(axis=0)).T).T
    np.testing.assert_allclose(found["estimates"], expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found["covariance"], np.linalg.inv(of_test["debiased"]))
    assert (found["fit"], found["seed"]) == ("one", 1)


@pytest.mark.parametrize("suffix", ["h5", "npz", "npy"])
@pytest.mark.parametrize("shape", [(10,), (3, 10)])
def test_every_form_of_observed_data(tmp_path, rng, suffix, shape):
    expected, path = rng.standard_normal(shape), tmp_path / f"a.{suffix}"
    if suffix == "h5":
        with h5py.File(path, "w") as file:
            file["observed"] = expected
    else:
        np.savez(path, observed=expected) if suffix == "npz" else np.save(path, expected)
    found = read_observed(path, GAUSSIAN)
    np.testing.assert_allclose(found, expected.reshape(-1, 10), rtol=1e-6)
    assert found.dtype == np.float64  # as in the file


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({"data": np.ones(10)}, "expected a dataset 'observed', found data"),
        ({"observed": np.ones(9)}, r"expected data of shape \(10,\) or \(n, 10\), found \(9,\)"),
        (
            {"observed": np.ones((0, 10))},
            r"expected data of shape \(10,\) or \(n, 10\), found \(0, 10\)",
        ),
        ({"observed": np.full(10, np.nan)}, "expected finite numbers, found NaN or infinity"),
        ({"observed": np.full(10, "a")}, "expected real numbers, found <U1"),
    ],
)
def test_faults_of_observed_data(tmp_path, arrays, fault):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=rf"observed \({path}\): {fault}"):
        read_observed(path, GAUSSIAN)


@pytest.mark.filterwarnings("ignore:overflow")
def test_observed_data_without_finite_estimates_are_named(tmp_path, monkeypatch):
    """They are finite, and so far from the simulations that the network's numbers are not; the
    reader, which refuses these, is left out.
    """
    monkeypatch.setattr(arrays, "read_observed", lambda path, problem: np.load(path))
    prepare(tmp_path)
    for name, recipe in (("one", {}), ("each", {"standardise": "each"})):
        path = do_fit(tmp_path, name, max_iterations=1, **recipe)
        information = do_evaluate(tmp_path, name, max_iterations=1, **recipe)
        paths = (path, tmp_path / f"{name}.json", tmp_path / "observed.json")
        asked = {"problem": PROBLEM, "fit": "one", "seed": 1, "recipe": recipe_of(**recipe)}
        observed = np.zeros((3, 10), np.float32)
        np.save(tmp_path / "o.npy", observed)
        estimate(tmp_path / "o.npy", *paths, **asked)
        observed[1, 4:] = 3e38
        np.save(tmp_path / "o.npy", observed)
        with pytest.raises(InputError) as caught:
            estimate(tmp_path / "o.npy", *paths, **asked)
        message = str(caught.value)
        assert message.startswith(
            f"observed ({tmp_path / 'o.npy'}): expected data like the simulations at theta_fid, "
            "found summaries that are not finite for observed simulation 1 of 3, with numbers up "
            "to 3e+38 in it"
        )
        assert ("deviations from the mean of simulations" in message) == (name == "each")
    information["calibration"]["invC"][0][0] = None
    texts.write_json(tmp_path / "each.json", information)
    with pytest.raises(
        InputError, match=r"each.json: expected finite statistics .* found NaN or infinity in invC,"
    ):
        estimate(tmp_path / "o.npy", *paths, **asked)


def test_a_refinement_goes_on_at_the_mean_estimate_of_the_recipe_with_the_largest_information(
    tmp_path,
):
    """Oracle: by hand."""
    paths = []
    for fit, seed, det_F, estimates in (
        ("a", 1, 30.0, [[0.0, 1.0]]),
        ("b", 1, 40.0, [[1.0, 2.0], [2.0, 4.0]]),
        ("a", 2, 45.0, [[9.0, 9.0]]),
        ("b", 2, 38.0, [[3.0, 1.0], [4.0, 3.0]]),
    ):
        paths.append(tmp_path / f"{fit}{seed}.json")
        values = {
            "fit": fit,
            "seed": seed,
            "det_F": det_F,
            "estimates": estimates,
            "names": ["mu", "Sigma"],
        }
        paths[-1].write_text(json.dumps(values))
    refine(paths, tmp_path / "theta.json")
    found = json.loads((tmp_path / "theta.json").read_text())
    assert (found["fit"], found["theta_fid"]) == ("b", [2.5, 2.5])
    problem = load.at(tmp_path / "theta.json", **PROBLEM)
    np.testing.assert_array_equal(problem.theta_fid, [2.5, 2.5])
    np.testing.assert_array_equal(load.at(None, **PROBLEM).theta_fid, [0.0, 1.0])
    assert shipped.gaussian(problem.theta_fid).closed_form()[0, 0] == 4.0


def test_observed_data_and_a_refinement(root, tmp_path):
    """Oracle: the maximum-likelihood estimates of 100 draws of N(0.5, 1.5), their mean and
    variance; within two sigma.
    """
    rng = np.random.default_rng(5)
    d = rng.normal(0.5, np.sqrt(1.5), 100).astype(np.float32)
    np.savez(tmp_path / "observed.npz", observed=d)
    network = "{kind: deep_set, hidden: [8]}"
    recipe = f"{{network: {network}, optimiser: {{learning_rate: 3.0e-3}}, max_iterations: 40}}"
    (tmp_path / "mine.yaml").write_text(
        "{run: refined, input_shape: [100], seeds: [1], n_s: 300, n_d: 300, n_test: 1000, "
        f"n_monte_carlo: 100, observed: observed.npz, refine: 2, fits: {{deep_set: {recipe}}}}}\n"
    )
    where = (
        "--snakefile",
        str(root / "Snakefile"),
        "--directory",
        str(tmp_path),
        "--configfile",
        str(tmp_path / "mine.yaml"),
    )
    all_of_it = planned(tmp_path, *where)
    assert (
        all_of_it["simulate"],
        all_of_it["refine"],
        all_of_it["estimate"],
        all_of_it["report"],
    ) == (9, 2, 3, 3)
    estimate = "results/refined/refined-2/fits/deep_set/seed-1/observed.json"
    snakemake(tmp_path, *where, "--", estimate)
    results = tmp_path / "results/refined"
    theta = [
        pd.read_json(results / f"refined-{step}/theta_fid.json", typ="series")["theta_fid"]
        for step in (1, 2)
    ]
    exact = np.array([d.mean(), d.var()])
    F = np.array([100 / exact[1], 100 / (2 * exact[1] ** 2)])
    found = pd.read_json(tmp_path / estimate, typ="series")
    assert found["theta_fid"] == theta[1]
    difference = (np.array(found["estimates"][0]) - exact) * np.sqrt(F)
    assert np.all(np.abs(difference) < 2)
    np.testing.assert_allclose(found["error"], 1 / np.sqrt(F), rtol=0.2)
    assert np.all(np.abs(np.array(theta[1]) - exact) < 0.2 / np.sqrt(F))  # far nearer than an error
    assert not (results / "theta_fid.json").exists()
    information = json.loads(
        (results / "refined-2/fits/deep_set/seed-1/information.json").read_text()
    )
    assert information["det_F_analytic"] == pytest.approx(
        100 / theta[1][1] * 100 / (2 * theta[1][1] ** 2)
    )
    score = information["splits"]["test"]["score"][
        "det_F"
    ]  # taken at the same parameters as the simulations
    assert abs(score["value"] - information["det_F_analytic"]) < 5 * score["error"]
    with h5py.File(results / "refined-2/simulations/seed-1/training/0-300.h5") as file:
        np.testing.assert_allclose(file.attrs["theta_fid"], theta[1])
