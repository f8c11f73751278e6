"""Observed data: what is read, the estimate of their parameters, and where a refinement goes on."""

import json

import h5py
import numpy as np
import pytest
from conftest import everything
from estimate import estimate
from imnn_core import examples, problems, sets
from imnn_core.errors import InputError
from refine import refine
from small_run import PROBLEM, do_evaluate, do_fit, prepare, recipe_of

GAUSSIAN = problems.build(**PROBLEM)


def test_estimates_are_those_of_the_same_simulations_in_the_test_set(tmp_path):
    """Oracle: the table that `evaluate` writes, whose own oracle is numpy; errors from F^-1 of the validation set in fit.h5."""
    prepare(tmp_path)
    path = do_fit(tmp_path, "one", max_iterations=12)
    do_evaluate(tmp_path, "one")
    with sets.open_simulations(tmp_path / "test.h5", GAUSSIAN, seed=1, split="test") as source:
        d, _ = everything(source)
    with h5py.File(tmp_path / "observed.h5", "w") as file:
        file["observed"] = d[:3].astype(np.float64)
    estimate(tmp_path / "observed.h5", path, tmp_path / "observed.json", problem=PROBLEM, fit="one", seed=1, recipe=recipe_of())
    found = json.loads((tmp_path / "observed.json").read_text())
    table = np.loadtxt(tmp_path / "one-estimates.csv", delimiter=",", skiprows=1, max_rows=3, usecols=(0, 1))
    np.testing.assert_allclose(found["estimates"], table, rtol=1e-4, atol=1e-4)
    with h5py.File(path) as file:
        np.testing.assert_allclose(found["covariance"], np.linalg.inv(file["statistics/validation/F"][:]))
    assert (found["fit"], found["seed"], found["statistics"]) == ("one", 1, "validation")


@pytest.mark.parametrize("suffix", ["h5", "npz", "npy"])
@pytest.mark.parametrize("shape", [(10,), (3, 10)])
def test_every_form_of_observed_data(tmp_path, rng, suffix, shape):
    expected, path = rng.standard_normal(shape), tmp_path / f"a.{suffix}"
    if suffix == "h5":
        with h5py.File(path, "w") as file:
            file["observed"] = expected
    else:
        np.savez(path, observed=expected) if suffix == "npz" else np.save(path, expected)
    found = sets.read_observed(path, GAUSSIAN)
    np.testing.assert_allclose(found, expected.reshape(-1, 10), rtol=1e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({"data": np.ones(10)}, "expected a dataset 'observed', found data"),
        ({"observed": np.ones(9)}, r"expected data of shape \(10,\) or \(n, 10\), found \(9,\)"),
        ({"observed": np.ones((0, 10))}, r"expected data of shape \(10,\) or \(n, 10\), found \(0, 10\)"),
        ({"observed": np.full(10, np.nan)}, "expected finite numbers, found NaN or infinity"),
        ({"observed": np.full(10, "a")}, "expected real numbers, found <U1"),
    ],
)
def test_faults_of_observed_data(tmp_path, arrays, fault):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=rf"observed \({path}\): {fault}"):
        sets.read_observed(path, GAUSSIAN)


def test_a_refinement_goes_on_at_the_mean_estimate_of_the_recipe_with_the_largest_information(tmp_path):
    """Oracle: by hand."""
    paths = []
    for fit, seed, det_F, estimates in (
        ("a", 1, 30.0, [[0.0, 1.0]]),
        ("b", 1, 40.0, [[1.0, 2.0], [2.0, 4.0]]),
        ("a", 2, 45.0, [[9.0, 9.0]]),
        ("b", 2, 38.0, [[3.0, 1.0], [4.0, 3.0]]),
    ):
        paths.append(tmp_path / f"{fit}{seed}.json")
        values = {"fit": fit, "seed": seed, "det_F": det_F, "estimates": estimates, "names": ["mu", "Sigma"]}
        paths[-1].write_text(json.dumps(values))
    refine(paths, tmp_path / "theta.json")
    found = json.loads((tmp_path / "theta.json").read_text())
    assert (found["fit"], found["theta_fid"]) == ("b", [2.5, 2.5])
    problem = problems.at(tmp_path / "theta.json", **PROBLEM)
    np.testing.assert_array_equal(problem.theta_fid, [2.5, 2.5])
    np.testing.assert_array_equal(problems.at(None, **PROBLEM).theta_fid, [0.0, 1.0])
    assert examples.gaussian(problem.theta_fid).closed_form()[0, 0] == 4.0
