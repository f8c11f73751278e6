"""From simulations to figures and the report for problems of other kinds: no likelihood, one
parameter, three.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from analytic_fisher import analytic_fisher
from imnn_core.figures import plots
from imnn_core.problems import Problem, load
from plot_comparison import plot_comparison
from plot_fit import plot_fit
from simulate import simulate
from small_run import SIZES, STYLE, do_evaluate, do_fit, do_report
from summarise import summarise


def linear_gaussian(n_params, known):
    """D = A theta + N(0, 1): F = A^T A, of which a linear compression keeps all."""
    A = np.random.default_rng(0).standard_normal((10, n_params)).astype(np.float32)

    def build(theta_fid, input_shape):
        return Problem(
            name="linear",
            names=tuple("abc"[:n_params]),
            symbols=tuple(f"${name}$" for name in "abc"[:n_params]),
            theta_fid=np.asarray(theta_fid, np.float64),
            input_shape=tuple(input_shape),
            simulator=lambda key, theta: A @ theta + jax.random.normal(key, (10,)),
            log_likelihood=(lambda theta, d: -0.5 * jnp.sum((d - A @ theta) ** 2))
            if known
            else None,
            fisher=(lambda theta: A.T @ A) if known == "all" else None,
        )

    return build, A.T @ A


@pytest.mark.parametrize(
    ("n_params", "known"),
    [
        (1, "all"),
        (2, "likelihood"),
        (3, ""),
        *(pytest.param(*case, marks=pytest.mark.long) for case in [(1, ""), (3, "all")]),
    ],
)
def test_the_chain(tmp_path, root, monkeypatch, n_params, known):
    """Oracle: F = A^T A of a linear problem, for the score and for the linear compression, within
    four errors.
    """
    build, F = linear_gaussian(n_params, known)
    monkeypatch.setitem(load.EXAMPLES, "linear", build)
    problem = {"kind": "linear", "theta_fid": [1.0] * n_params, "input_shape": [10]}
    for split, sizes in (
        ("training", SIZES),
        ("validation", SIZES),
        ("test", {"n_s": 500, "n_d": 500}),
    ):
        simulate(tmp_path / f"{split}.h5", problem=problem, seed=1, split=split, **sizes)
    analytic_fisher(tmp_path / "analytic.json", problem=problem, n_monte_carlo=100)
    do_fit(tmp_path, "one", problem=problem, n_summaries=n_params, max_iterations=20)
    information = do_evaluate(tmp_path, "one", problem=problem, n_summaries=n_params)
    test = information["splits"]["test"]
    assert ("score" in test) == ("over_score" in test) == bool(known)
    for name in ("score", "linear") if known else ("linear",):
        F_found, error = (np.array(test[name]["F"][part]) for part in ("value", "error"))
        noise = 0.08 * np.abs(F).max() * (name == "linear")  # of 60 training simulations
        assert np.all(np.abs(F_found - F) < 4 * error + noise)

    informations = [tmp_path / "one.json"]
    summarise(informations, tmp_path / "analytic.json", tmp_path / "summary.csv")
    table = pd.read_csv(tmp_path / "summary.csv")
    assert ("ratio_to_score" in table) == bool(known)
    assert ("ratio_to_analytic" in table) == (known == "all")
    np.testing.assert_allclose(table["ratio_to_linear"], table["det_F"] / table["det_F_linear"])

    if n_params != 3:  # figures of all numbers of parameters are drawn elsewhere
        monkeypatch.setattr(plots, "save_all", lambda _, paths: Path(*paths).write_text("<svg/>"))
    drawn = {name: tmp_path / f"{name}.svg" for name in ("information_figure", "ellipses")}
    analytic = tmp_path / "analytic.json"
    plot_comparison(
        informations, analytic, [drawn["information_figure"]], [drawn["ellipses"]], style=STYLE
    )
    of_fit = {
        name: [str(tmp_path / f"{name}.svg")] for name in ("histories", "history", "estimates")
    }
    table = tmp_path / "one-estimates.csv"
    plot_fit(
        [tmp_path / "one.csv"], informations, table, analytic, of_fit, fits=["one"], style=STYLE
    )
    columns = pd.read_csv(table)
    other = "exact" if known else "linear"
    assert list(columns) == [name + kind for kind in ("", f"_{other}") for name in "abc"[:n_params]]
    found = columns[[f"{name}_{other}" for name in "abc"[:n_params]]].to_numpy()
    spread = np.cov(found, rowvar=False).reshape(n_params, n_params)
    np.testing.assert_allclose(spread, np.linalg.inv(F), atol=0.25 * np.linalg.inv(F).max())

    html = do_report(tmp_path, ["one"], tmp_path / "estimates.svg", run="r", **drawn)
    assert ("of the Fisher information" in html.split("</h1>")[0]) == bool(known)
    assert ("× the |F| of a linear compression" in html) != bool(known)
    assert "nan" not in json.loads((tmp_path / "one.json").read_text()).__repr__()
    for name in ("skewness", "excess kurtosis", "change of C"):
        assert html.count(f"{name}</button>") == 1
