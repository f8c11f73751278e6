"""The scripts as functions, on small files: the whole chain, and what must be equal bit for bit."""

import json

import jax
import numpy as np
import pandas as pd
import pytest
from conftest import everything
from imnn_core import fisher, host, problems, recipes, storage
from imnn_core.config import Recipe
from imnn_core.errors import InputError
from plot_history import plot_history
from report import report
from simulate import simulate
from small_run import PROBLEM, SIZES, SMALL, do_evaluate, do_fit, prepare, read
from summarise import summarise


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("run"))


def F_in_numpy(weights, path, n):
    """F of the first n simulations of a file, from the definition, with numpy's own covariance and inverse in float64."""
    problem, network = problems.build(**PROBLEM), recipes.build(Recipe(**SMALL), 0).network
    with storage.open_simulations(path, problem, n_s=n, n_d=n, seed=1, split="test") as source:
        d, dd = everything(source)
    x = np.asarray(jax.vmap(lambda d: network.apply(weights, d))(d), np.float64)
    slopes = np.asarray(jax.vmap(lambda d: jax.jacrev(lambda d: network.apply(weights, d))(d))(d), np.float64)
    D = np.einsum("nij,njp->nip", slopes, dd).mean(axis=0)
    return D.T @ np.linalg.inv(np.cov(x, rowvar=False)) @ D


def test_the_chain_from_simulations_to_a_report(folder, root):
    """Every script on what the one before it wrote; numbers agree from file to file."""
    do_fit(folder, "chain", max_iterations=20)
    information = do_evaluate(folder, "chain")
    assert set(information["splits"]) == {"training", "validation", "test"}
    for split in information["splits"].values():
        assert np.linalg.det(split["F"]) == pytest.approx(split["det_F"], rel=1e-6)
    assert information["splits"]["test"]["det_F_error"] > 0
    weights = read(folder / "chain.h5")[0]["weights/best"]
    np.testing.assert_allclose(information["splits"]["test"]["F"], F_in_numpy(weights, folder / "test.h5", 500), rtol=1e-3)

    splits = {
        name: split | {"F": (2 * np.asarray(split["F"])).tolist(), "det_F": 4 * split["det_F"]}
        for name, split in information["splits"].items()
    }
    (folder / "other.json").write_text(json.dumps(information | {"seed": 2, "splits": splits}))
    both = [folder / "chain.json", folder / "other.json"]
    summarise(both, folder / "analytic.json", folder / "summary.csv")
    table = pd.read_csv(folder / "summary.csv")
    assert list(table["split"]) == 2 * ["training", "validation", "test"]
    assert list(table["seed"]) == 3 * [1] + 3 * [2]
    assert list(table.columns[:3]) == ["fit", "seed", "split"]
    assert (table["iterations"] == 20).all()
    assert (table["det_F_analytic"] == 50).all()
    np.testing.assert_allclose(table["ratio_to_analytic"], table["det_F"] / 50)
    for row in table.itertuples():
        F = [[row.F_mu_mu, row.F_mu_Sigma], [row.F_mu_Sigma, row.F_Sigma_Sigma]]
        assert np.linalg.det(F) == pytest.approx(row.det_F, rel=1e-6)

    figures = [folder / "history.svg", folder / "history.png"]
    plot_history(folder / "chain.csv", folder / "chain.json", figures)
    before = [path.read_bytes() for path in figures]
    plot_history(folder / "chain.csv", folder / "chain.json", figures)
    assert [path.read_bytes() for path in figures] == before

    report(
        folder / "summary.csv", folder / "analytic.json", both, 2 * figures[:1],
        root / "workflow/report/report.html.j2", folder / "report.html",
        settings={"run": "a <b> & c", "n_s": 60, "n_d": 50, "n_test": 500, "seeds": [1, 2]},
    )  # fmt: skip
    html = (folder / "report.html").read_text()
    assert f"{table['det_F'].iloc[-1]:#.4g}" in html
    both = table[table["split"] == "test"]["det_F"]  # x and 4 x: their mean is 5/2 x, their standard deviation 3 x / sqrt(2)
    mean, scatter = 2.5 * both.iloc[0], 3 * both.iloc[0] / np.sqrt(2)
    assert f"|F| = {mean:#.3g} (seeds scatter by {scatter:#.2g})".replace(".)", ")") in html
    assert "a &lt;b&gt; &amp; c" in html
    assert "chain, seed 1 stopped at its last iteration" in html
    for outside in ('src="http', 'href="http', "<script", "@import", "url("):
        assert outside not in html


def test_the_weights_that_are_read_give_the_statistics_that_are_stored(folder):
    """Bit for bit: F of training and validation set, recomputed from the stored best weights."""
    path = do_fit(folder, "stored", max_iterations=12)
    trees, history, statistics, attributes = read(path)
    assert 0 < attributes["best_iteration"] < 12  # else the best weights were the first or the last, and the test saw nothing
    fitter = recipes.build(Recipe(**SMALL), 0)
    problem = problems.build(**PROBLEM)
    for split in ("training", "validation"):
        with (
            storage.open_simulations(folder / f"{split}.h5", problem, seed=1, split=split, **SIZES) as source,
            fitter.data(same=source) as data,
        ):
            again = host.in_float64(fisher.statistics)(fitter.moments(trees["weights/best"], data["same"]))
        for name, values in again._asdict().items():
            np.testing.assert_array_equal(values, statistics[split][name])
    in_history = history[attributes["best_iteration"], :, 0]
    found = [np.linalg.slogdet(statistics[split]["F"])[1] for split in ("training", "validation")]
    np.testing.assert_allclose(found, in_history, rtol=1e-4)
    assert attributes["best_log_det_F"] == history[:, 1, 0].max()


def test_repeats_are_the_same_bytes(folder):
    first = do_fit(folder, "repeat", max_iterations=5).read_bytes()
    assert do_fit(folder, "repeat", max_iterations=5).read_bytes() == first


def test_the_history_file_says_what_the_history_is(folder):
    """Oracle: by definition, loss = -ln |F| + r Lambda_2 and |C^-1| = 1 / |C|."""
    do_fit(folder, "table", max_iterations=9)
    table = pd.read_csv(folder / "table.csv")
    assert list(table["iteration"]) == list(range(9))
    for split in ("training", "validation"):
        loss = -np.log(table[f"{split}_det_F"]) + table[f"{split}_coupling"] * table[f"{split}_penalty"]
        np.testing.assert_allclose(table[f"{split}_loss"], loss, rtol=1e-4)
        np.testing.assert_allclose(table[f"{split}_det_C"] * table[f"{split}_det_invC"], 1, rtol=1e-12)


def test_final_weights_and_no_validation_set(folder, caplog):
    """Oracle for F: numpy at the weights after the last update."""
    caplog.set_level("INFO", logger="imnn")
    path = do_fit(folder, "alone", validation=False, weights="final", max_iterations=7)
    assert "which is optimistic" in caplog.text
    trees, _, statistics, _ = read(path)
    assert set(statistics) == {"training"}
    assert "validation_det_F" not in pd.read_csv(folder / "alone.csv")
    information = do_evaluate(folder, "alone", weights="final")
    assert information["kept_iteration"] == 7
    expected = F_in_numpy(trees["weights/final"], folder / "test.h5", 500)
    np.testing.assert_allclose(information["splits"]["test"]["F"], expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_a_fit_that_diverges_leaves_its_history_in_the_log_and_no_file(folder, caplog):
    caplog.set_level("INFO", logger="imnn")
    with pytest.raises(InputError, match="not finite at iteration"):
        do_fit(folder, "diverged", max_iterations=30, optimiser={"learning_rate": 1e18})
    assert "iteration,training_det_F" in caplog.text
    assert not (folder / "diverged.h5").exists()
    assert not (folder / "diverged.csv").exists()


def test_a_determinant_whose_square_is_beyond_float32_has_an_error(tmp_path, folder):
    """Oracle: |F| goes as Sigma^-3, so that 1e-8 in place of 1 takes it to about 1e24, whose square float32 doesn't hold."""
    problem = PROBLEM | {"theta_fid": [0.0, 1e-8]}
    (tmp_path / "analytic.json").write_bytes((folder / "analytic.json").read_bytes())
    for split, n_s, n_d in (("training", 60, 50), ("test", 500, 500)):
        simulate(tmp_path / f"{split}.h5", problem=problem, seed=1, split=split, n_s=n_s, n_d=n_d)
    do_fit(tmp_path, "tiny", validation=False, problem=problem, max_iterations=1)
    test = do_evaluate(tmp_path, "tiny", problem=problem)["splits"]["test"]
    assert test["det_F"] > 1e20
    assert 0.001 < test["det_F_error"] / test["det_F"] < 1


def test_streamed_from_its_files_a_fit_and_its_evaluation_are_as_resident(folder, caplog):
    """Oracle: the resident fit's history over 12 iterations, to float32's rounding, and |F| of the test set."""
    caplog.set_level("INFO", logger="imnn")
    tables, found = [], []
    for data in ("resident", "streamed"):
        do_fit(folder, data, data=data, max_iterations=12)
        assert f"data: {data}, as the recipe says" in caplog.text
        tables.append(pd.read_csv(folder / f"{data}.csv"))
        found.append(do_evaluate(folder, data, data=data)["splits"]["test"])
    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-4)
    assert found[1]["det_F"] == pytest.approx(found[0]["det_F"], rel=1e-4)
    assert found[1]["det_F_error"] == pytest.approx(found[0]["det_F_error"], rel=1e-4)
