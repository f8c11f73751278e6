"""Loaded fits of data with another face than the examples': far from 0, and discrete."""

import h5py
import imnn_core
import numpy as np
import pandas as pd
import pytest
from analytic_fisher import analytic_fisher
from fitted_run import FIT, placed
from imnn_core.fitted import export
from imnn_core.store.errors import InputError
from simulate import simulate
from small_run import SIZES, do_evaluate, do_fit

FAR = """
from imnn_core.problems import Problem
def simulator(rng, theta):
    return 3e7 + theta[0] + theta[1] * rng.standard_normal(10)
problem = Problem(simulator, [1.0, 2.0], ["a", "b"], [10], numpy=True)
"""
COUNTS = """
import numpy as np
from scipy.stats import poisson
from imnn_core.problems import Problem
def simulator(rng, theta):
    rate = np.exp(theta[0] + theta[1] * np.linspace(-1, 1, 10))
    return poisson.ppf(rng.random(10), rate)
problem = Problem(simulator, [2.0, 0.5], ["a", "b"], [10], numpy=True)
"""
RECIPE = {"max_iterations": 12, "standardise": "each", "linear": True}


def made(folder, text, of_summaries):
    """A fit to simulations of a file's problem, and the test set's simulations."""
    (folder / "mine.py").write_text(text)
    problem = {"kind": str(folder / "mine.py"), "delta_theta": [0.1, 0.1]}
    problem |= {"of_summaries": of_summaries}
    for split in ("training", "validation"):
        simulate(folder / f"{split}.h5", problem=problem, seed=1, split=split, **SIZES)
    simulate(folder / "test.h5", problem=problem, seed=1, split="test", n_s=500, n_d=500)
    analytic_fisher(folder / "analytic.json", problem=problem, n_monte_carlo=100)
    do_fit(folder, "one", problem=problem, **RECIPE)
    do_evaluate(folder, "one", problem=problem, **RECIPE)
    with h5py.File(folder / "test.h5") as file:
        return placed(folder, "one", folder / FIT), file["fiducial"][:]


def check_estimates(path, d):
    """Oracle: estimates.csv, which `evaluate` wrote by another way; and by construction
    the mean of estimates at theta_fid is theta_fid.
    """
    compressor = imnn_core.load(path)  # no file of the problem: the network is the project's
    table = pd.read_csv(path.with_name("estimates.csv"))[["a", "b"]].to_numpy()
    bound = np.sqrt(np.diag(compressor.covariance))
    found = compressor.estimates(d)
    np.testing.assert_allclose((found - table) / bound, 0, atol=2e-4)
    assert (np.abs(found.mean(axis=0) - compressor.theta_fid) < 1e-3 * bound).all()
    return compressor


def test_of_simulations_far_from_0(tmp_path):
    path, d = made(tmp_path, FAR, of_summaries=False)
    compressor = check_estimates(path, d)
    assert compressor.centre is not None
    with pytest.raises(InputError, match="expected float64, since they are far from 0"):
        compressor(d.astype("f4"))
    about = export.description(compressor, b"")
    np.testing.assert_allclose(about["input"]["centre"], 3e7 + 1, rtol=1e-7)


def test_of_counts(tmp_path):
    """As they are, and as whole numbers."""
    path, d = made(tmp_path, COUNTS, of_summaries=True)
    compressor = check_estimates(path, d)
    np.testing.assert_array_equal(compressor(d.astype(int)), compressor(d))
