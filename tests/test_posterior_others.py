"""Posteriors of data with another face than the examples': far from 0, and counts."""

import numpy as np
import pytest
from compress_prior import compress_prior
from imnn_core.config.recipe import Recipe
from imnn_core.inference import inputs, results
from infer import infer
from scipy import stats
from simulate import simulate
from small_run import SMALL, NoBar
from test_load_others import COUNTS, FAR, RECIPE, made

METHODS = {
    "gaussian": {"n_samples": 5000},
    "rejection": {"rejection": {"n_accepted": 60}},
    "neural": {"n_samples": 5000, "neural": {"n_components": 2, "hidden": [16], "ensemble": 1}},
    "pmc": {
        "pmc": {
            "n_particles": 200,
            "quantile": 0.5,
            "acceptance": 0.1,
            "n_simulations": 2000,
            "n_steps": 3,
        }
    },
}


def posteriors(folder, text, prior, observed, of_summaries, methods, n=3000):
    """Moments of each method's posterior, (2, n_params), from simulations to samples."""
    folder.mkdir()
    path_to_fit, _ = made(folder, text, of_summaries)
    problem = {"kind": str(folder / "mine.py"), "delta_theta": [0.1, 0.1]}
    problem |= {"of_summaries": of_summaries}
    part = folder / "prior" / f"0-{n}.h5"
    how = {"problem": problem, "seed": 1}
    simulate(part, split="prior", n_s=n, n_d=n, prior=prior, threads=2, **how)
    np.save(folder / "observed.npy", observed)
    fit = {
        "path_to_fit": path_to_fit,
        "path_to_information": path_to_fit.with_name("information.json"),
    }
    compress_prior(
        {"prior": [part], "calibration": []},
        path_to_summaries=folder / "summaries.h5",
        prior=prior,
        posterior={"failures": 0.0, "n_calibration": 0},
        recipe=Recipe(**SMALL | RECIPE).model_dump(),
        fit="one",
        observed=inputs.Observed(str(folder / "observed.npy"), [], 1),
        bar=NoBar(),
        **how,
        **fit,
    )
    found = {}
    for method in methods:
        path = folder / f"{method}.h5"
        infer(
            folder / "summaries.h5",
            path,
            method=method,
            fit="one",
            posterior=METHODS[method],
            threads=2,
            bar=NoBar(),
            **how,
            **fit,
        )
        of = results.read_posterior(path)
        found[method] = np.array([of.theta[0].mean(axis=0), of.theta[0].std(axis=0)])
        if method == "pmc":
            found[method] = np.array(
                [np.average(of.theta[0], axis=0, weights=of.weights[0]), found[method][1]]
            )
    return found


def test_data_far_from_0(tmp_path, rng):
    """A fit takes off the centre. Oracle: the same simulations and data without the distance."""
    prior = {"a": {"uniform": [-3, 5]}, "b": {"uniform": [0.5, 4]}}
    data, near = rng.normal(1.5, 2.0, 10), FAR.replace("3e7 + ", "")
    far = posteriors(tmp_path / "far", FAR, prior, 3e7 + data, False, METHODS)
    expected = posteriors(tmp_path / "near", near, prior, data, False, METHODS)
    for method in METHODS:
        width = expected[method][1]
        np.testing.assert_allclose(far[method] / width, expected[method] / width, atol=0.1)


def test_counts(tmp_path):
    """Oracle: the exact posterior by quadrature, of Poisson's distribution by scipy."""
    prior = {"a": {"uniform": [1, 3]}, "b": {"uniform": [-0.5, 1.5]}}
    observed = np.array([5, 4, 7, 6, 9, 5, 10, 11, 8, 14])
    methods = ["gaussian", "rejection", "neural"]
    found = posteriors(tmp_path / "c", COUNTS, prior, observed, True, methods)
    theta = np.stack(np.meshgrid(np.linspace(1, 3, 301), np.linspace(-0.5, 1.5, 301)), axis=-1)
    rate = np.exp(theta[..., :1] + theta[..., 1:] * np.linspace(-1, 1, 10))
    p = np.exp(stats.poisson.logpmf(observed, rate).sum(axis=-1))
    p /= p.sum()
    mean = np.einsum("ij,ijk->k", p, theta)
    sd = np.sqrt(np.einsum("ij,ijk->k", p, (theta - mean) ** 2))
    for method in methods:
        assert found[method][0] == pytest.approx(mean, abs=0.35 * sd.min()), method
        assert found[method][1] == pytest.approx(sd, rel=0.3), method
