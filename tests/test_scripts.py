"""The scripts as functions, on small files: the whole chain, and what must be equal bit for bit."""

import json
import re
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from conftest import everything
from imnn_core.compression import compressor
from imnn_core.config.recipe import Recipe
from imnn_core.data import sets
from imnn_core.evaluation.numbers import with_error
from imnn_core.problems import load
from imnn_core.store import texts
from imnn_core.store.errors import InputError
from imnn_core.training import fitter as fitters
from plot_comparison import plot_comparison
from plot_fit import plot_fit
from simulate import simulate
from small_run import PROBLEM, SMALL, STYLE, do_evaluate, do_fit, do_report, prepare, read
from summarise import summarise


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def information(folder):
    """Of a fit named chain; what its evaluation wrote."""
    do_fit(folder, "chain", max_iterations=12)
    return do_evaluate(folder, "chain")


def F_in_numpy(weights, path, n):
    """F of the first n simulations of a file, from the definition, with numpy's own covariance and
    inverse in float64.
    """
    problem, network = (
        load.build(**PROBLEM),
        compressor.build(Recipe(**SMALL), load.build(**PROBLEM)).network,
    )
    with sets.open_simulations(path, problem, n_s=n, n_d=n, seed=1, split="test") as source:
        d, dd = everything(source)
    x = np.asarray(jax.vmap(lambda d: network.apply(weights, d))(d), np.float64)
    slopes = np.asarray(
        jax.vmap(lambda d: jax.jacrev(lambda d: network.apply(weights, d))(d))(d), np.float64
    )
    D = np.einsum("nij,njp->nip", slopes, dd).mean(axis=0)
    return D.T @ np.linalg.inv(np.cov(x, rowvar=False)) @ D


def test_the_chain_from_simulations_to_a_report(folder, information):
    """Every script on what the one before it wrote; numbers agree from file to file."""
    assert set(information["splits"]) == {"training", "validation", "test"}
    for split in information["splits"].values():
        F, det_F = (split["network"][name]["value"] for name in ("F", "det_F"))
        assert np.linalg.det(F) == pytest.approx(det_F, rel=1e-6)
        assert split["over_score"]["det_F"]["value"] == pytest.approx(
            det_F / split["score"]["det_F"]["value"], rel=1e-6
        )
    test = information["splits"]["test"]["network"]
    assert test["det_F"]["error"] > 0
    trees, _, statistics, _ = read(folder / "chain.h5")
    np.testing.assert_allclose(
        test["F"]["value"], F_in_numpy(trees["weights/best"], folder / "test.h5", 500), rtol=1e-3
    )
    for split in ("training", "validation"):  # as measured at the end of the fit
        found = information["splits"][split]["network"]["F"]["value"]
        np.testing.assert_allclose(
            found, statistics[split]["F"], rtol=1e-5, atol=1e-5 * np.abs(found).max()
        )

    splits = json.loads(json.dumps(information["splits"]))
    for split in splits.values():
        network = split["network"]
        network["F"]["value"] = (2 * np.asarray(network["F"]["value"])).tolist()
        network["det_F"]["value"] *= 4
        split["over_score"]["det_F"]["value"] *= 4
    other = information | {"seed": 2, "splits": splits}
    (folder / "chain-2.json").write_text(json.dumps(other))
    texts.write_json(folder / "chain-1.json", information)
    both = [folder / "chain-1.json", folder / "chain-2.json"]
    summarise(both, folder / "analytic.json", folder / "summary.csv")
    table = pd.read_csv(folder / "summary.csv")
    assert list(table["split"]) == 2 * ["training", "validation", "test"]
    assert list(table["seed"]) == 3 * [1] + 3 * [2]
    assert list(table.columns[:3]) == ["fit", "seed", "split"]
    assert (table["iterations"] == 12).all()
    assert (table["det_F_analytic"] == 50).all()
    np.testing.assert_allclose(table["ratio_to_analytic"], table["det_F"] / 50)
    for row in table.itertuples():
        F = [[row.F_mu_mu, row.F_mu_Sigma], [row.F_mu_Sigma, row.F_Sigma_Sigma]]
        assert np.linalg.det(F) == pytest.approx(row.det_F, rel=1e-6)

    names = ("information", "ellipses", "histories", "history-1", "history-2", "estimates")
    drawn = {name: [str(folder / f"{name}.svg")] for name in names}
    found = []
    for _ in range(2):
        plot_comparison(
            both, folder / "analytic.json", drawn["information"], drawn["ellipses"], style=STYLE
        )
        plot_fit(
            2 * [folder / "chain.csv"],
            both,
            folder / "chain-estimates.csv",
            folder / "analytic.json",
            drawn | {"history": drawn["history-1"] + drawn["history-2"]},
            fits=["chain"],
            style=STYLE,
        )
        found.append([Path(path).read_bytes() for name in names for path in drawn[name]])
    assert found[0] == found[1]
    assert len(set(found[0])) == len(found[0])  # each figure has its own paths

    observed = {
        "fit": "chain",
        "seed": 1,
        "estimates": [[0.25, 1.5], [0.5, 2]],
        "error": [0.125, 0.25],
        "observed": "mine.npz",
        "theta_fid": [0, 1],
    }
    (folder / "observed.json").write_text(json.dumps(observed))
    different = {
        "independence": [0.9, 0.01],
        "straightness": [1.1, None],
        "undone": [0.3, None],
        "is_discrete": [True, True],
        "of_summaries": True,
        "step_over_bound": [0.25, 0.5],
        "shift": [0.2, 0.4],
        "both": {
            "n": 9,
            "tangents": 50.0,
            "summaries": 40.0,
            "change": -0.2,
            "error": 0.01,
            "bend": {"tangents": [0.0, 0.0], "summaries": [0.0, 0.0]},
        },
        "step": None,
    }
    stepped = different | {"step": {"n": 9, "change": -0.9, "error": 0.01}}

    def reported(found):
        for seed, values in ((1, information), (2, other)):
            with_differences = values | {"finite_differences": found}
            texts.write_json(folder / f"chain-{seed}.json", with_differences)
        return do_report(
            folder,
            ["chain"],
            drawn["estimates"][0],
            (1, 2),
            "a <b> & c",
            [folder / "observed.json"],
            information_figure=drawn["information"][0],
            ellipses=drawn["ellipses"][0],
        )

    doubtful, html = reported(stepped), reported(different)
    assert "<h1>No result, since |F| is not to be trusted: |F| changes by −90.0" in doubtful
    assert "|F| = not to be trusted (chain) on the test set" in doubtful
    assert f"{table['det_F'].iloc[-1]:#.4g}" in html
    test = table[table["split"] == "test"].iloc[
        0
    ]  # x and 4 x: their mean is 5/2 x, their standard deviation 3 x / sqrt(2)
    share, det_F = (
        with_error(2.5 * x, 3 * x / np.sqrt(2))
        for x in (100 * test["ratio_to_score"], test["det_F"])
    )
    assert (
        f"<h1>chain kept {share} % of the Fisher information; two seeds, 60 simulations each</h1>"
        in html
    )
    assert f"|F| = {det_F} (chain) on the test set; the analytic |F| is 50." in html
    of_mu = [splits["test"]["network"]["sigma"][part][0] for part in ("value", "error")]
    assert (
        f">{with_error(*of_mu)}</td>" in html
    )  # two seeds with the same bound: the error of one is the larger
    assert "a &lt;b&gt; &amp; c" in html
    assert re.search(
        ">2</td><td[^>]*>0.50 ± 0.12</td><td[^>]*>2.00 ± 0.25</td>", html
    )  # of the second observation
    assert ">−20.0 ± 1.0 %</td>" in html
    assert not re.search("not to be trusted", html)
    assert "chain, seed 1 stopped at max_iterations" in html
    for outside in ('src="http', 'href="http', "<script src", "@import", "url("):
        assert outside not in html


def test_estimates_are_calibrated_on_the_test_set_and_those_of_the_score_most_likely(
    folder, information
):
    """Oracle: numpy, theta_fid + F^-1 (dmu/dtheta)^T C^-1 (x - mu) with the mean and covariance of
    the test set's summaries, and their mean derivative by jax's own Jacobian. At (0, 1) one step of
    Fisher scoring gives the mean and the mean square of the ten draws.
    """
    weights = read(folder / "chain.h5")[0]["weights/best"]
    problem, network = (
        load.build(**PROBLEM),
        compressor.build(Recipe(**SMALL), load.build(**PROBLEM)).network,
    )
    with sets.open_simulations(
        folder / "test.h5", problem, n_s=500, n_d=500, seed=1, split="test"
    ) as source:
        d, dd = everything(source)
    x = np.asarray(jax.vmap(lambda d: network.apply(weights, d))(d), np.float64)
    slopes = jax.vmap(jax.jacrev(lambda d: network.apply(weights, d)))(d)
    D = np.einsum("nij,njp->nip", np.asarray(slopes, np.float64), dd).mean(axis=0)
    A = D.T @ np.linalg.inv(np.cov(x, rowvar=False))
    expected = [0, 1] + (np.linalg.inv(A @ D) @ A @ (x - x.mean(axis=0)).T).T
    table = pd.read_csv(folder / "chain-estimates.csv")
    assert len(table) == 500
    np.testing.assert_allclose(table[["mu", "Sigma"]], expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(table["mu_exact"], d.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(table["Sigma_exact"], (d**2).mean(axis=1), rtol=1e-5)


def test_repeats_are_the_same_bytes(folder, information, caplog):
    """Oracle of their size: by hand: 60 simulations of ten numbers and 50 derivatives of twenty are
    6400 bytes; two sets.
    """
    caplog.set_level("INFO", logger="imnn")
    path = do_fit(folder, "repeat", max_iterations=12)
    assert path.read_bytes() == (folder / "chain.h5").read_bytes()
    assert "resident, since the sets take 0.013 MB" in caplog.text


def test_the_history_file_says_what_the_history_is(folder, information):
    """Oracle: by definition, loss = -ln |F| + r Lambda_2 and |C^-1| = 1 / |C|."""
    table = pd.read_csv(folder / "chain.csv")
    assert list(table["iteration"]) == list(range(12))
    for split in ("training", "validation"):
        loss = (
            -np.log(table[f"{split}_det_F"])
            + table[f"{split}_coupling"] * table[f"{split}_penalty"]
        )
        np.testing.assert_allclose(table[f"{split}_loss"], loss, rtol=1e-4)
        np.testing.assert_allclose(
            table[f"{split}_det_C"] * table[f"{split}_det_invC"], 1, rtol=1e-12
        )


def test_final_weights_and_no_validation_set(folder, caplog):
    """Oracle for F: numpy at the weights after the last update."""
    caplog.set_level("INFO", logger="imnn")
    path = do_fit(folder, "alone", validation=False, weights="final", max_iterations=7)
    assert "which is optimistic" in caplog.text
    trees, _, statistics, _ = read(path)
    assert set(statistics) == {"training"}
    assert "validation_det_F" not in pd.read_csv(folder / "alone.csv")
    information = do_evaluate(folder, "alone", weights="final", validation=False)
    assert information["kept_iteration"] == 7
    assert set(information["splits"]) == {"training", "test"}
    check_F(information, trees["weights/final"], statistics, folder)


def test_the_average_of_the_weights_is_what_is_evaluated(folder, monkeypatch, caplog):
    """Oracle for F: numpy at the average after the last update.

    The orders of the elements are those of the fit's seed; and a changed copy of the training set
    takes room too, 6400 bytes more.
    """
    caplog.set_level("INFO", logger="imnn")
    seeds, augment = [], fitters.Fitter.augment
    monkeypatch.setattr(
        fitters.Fitter,
        "augment",
        lambda fitter, seed: (seeds.append(seed), augment(fitter, seed))[1],
    )
    recipe = {"averaging": 0.6, "weights": "final", "augment": "permute"}
    trees, _, statistics, _ = read(do_fit(folder, "average", max_iterations=7, **recipe), **recipe)
    check_F(do_evaluate(folder, "average", **recipe), trees["weights/average"], statistics, folder)
    assert seeds == [1]
    assert "resident, since the sets take 0.019 MB" in caplog.text


def check_F(information, weights, statistics, folder):
    """F of the test set by numpy, at the weights that it should be of; and that of training as the
    fit itself found it.
    """
    F = {
        split: np.array(values["network"]["F"]["value"])
        for split, values in information["splits"].items()
    }
    expected = F_in_numpy(weights, folder / "test.h5", 500)
    np.testing.assert_allclose(F["test"], expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_allclose(
        statistics["training"]["F"], F["training"], rtol=1e-4, atol=1e-4 * np.abs(expected).max()
    )


def test_a_fit_that_diverges_leaves_its_history_in_the_log_and_no_file(folder, caplog):
    caplog.set_level("INFO", logger="imnn")
    with pytest.raises(InputError, match="not finite at iteration"):
        do_fit(folder, "diverged", max_iterations=30, optimiser={"learning_rate": 1e18})
    assert "iteration,training_det_F" in caplog.text
    assert not (folder / "diverged.h5").exists()
    assert not (folder / "diverged.csv").exists()


def test_a_determinant_whose_square_is_beyond_float32_has_an_error(tmp_path, folder):
    """Oracle: |F| goes as Sigma^-3, so that 1e-8 in place of 1 takes it to about 1e24, whose square
    float32 doesn't hold.
    """
    problem = PROBLEM | {"theta_fid": [0.0, 1e-8]}
    (tmp_path / "analytic.json").write_bytes((folder / "analytic.json").read_bytes())
    for split, n_s, n_d in (("training", 60, 50), ("test", 500, 500)):
        simulate(tmp_path / f"{split}.h5", problem=problem, seed=1, split=split, n_s=n_s, n_d=n_d)
    do_fit(tmp_path, "tiny", validation=False, problem=problem, max_iterations=1)
    test = do_evaluate(tmp_path, "tiny", problem=problem, validation=False)["splits"]["test"][
        "network"
    ]["det_F"]
    assert test["value"] > 1e20
    assert 0.001 < test["error"] / test["value"] < 1


def test_streamed_from_its_files_a_fit_and_its_evaluation_are_as_resident(
    folder, information, caplog
):
    """Oracle: the resident fit's history over 12 iterations, to float32's rounding, and |F| of the
    test set.
    """
    caplog.set_level("INFO", logger="imnn")
    do_fit(folder, "streamed", data="streamed", max_iterations=12)
    assert "data: streamed, as the recipe says" in caplog.text
    tables = [pd.read_csv(folder / f"{name}.csv") for name in ("streamed", "chain")]
    np.testing.assert_allclose(*tables, rtol=1e-4)
    streamed = do_evaluate(folder, "streamed", data="streamed")
    found, expected = (of["splits"]["test"]["network"]["det_F"] for of in (streamed, information))
    assert found == pytest.approx(expected, rel=1e-4)
