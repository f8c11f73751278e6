"""Each way to bring a problem of one's own, as a user runs it: the worked examples of config/,
small, through the graph.
"""

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import everything
from imnn_core.data import sets
from imnn_core.problems import load, shipped, simulations
from running import edit, planned, snakemake

SMALL = ("n_s=200", "n_d=150", "n_test=1000", "n_monte_carlo=200", "seeds=[1]")


def run(root, folder, config, *override, only=(), **how):
    """Run a config of the project with its results in a folder, or what is wanted of it alone; the
    output.
    """
    where = (
        "--snakefile",
        str(root / "Snakefile"),
        "--directory",
        str(folder),
        "--configfile",
        str(config),
    )
    return snakemake(
        folder,
        *where,
        *(("--config", *override) if override else ()),
        *(("--", *only) if only else ()),
        **how,
    )


def with_one_fit(root, folder, path, fit, **changes):
    """A config of the project with one of its fits, changed; its path."""
    config = yaml.safe_load((root / path).read_text())
    config["fits"] = {fit: config["fits"][fit] | changes}
    (folder / "one.yaml").write_text(yaml.safe_dump(config))
    return folder / "one.yaml"


def table_of(folder, name):
    """What was found on the test set, by fit."""
    table = pd.read_csv(folder / f"results/{name}/summary.csv")
    return table[table["split"] == "test"].set_index("fit")


def assert_is_whole(folder, name):
    """With its figures and its report."""
    for figure in ("information", "fisher_ellipses"):
        for kind in ("svg", "png"):
            assert (folder / f"results/{name}/figures/{figure}.{kind}").exists()
    assert "</html>" in (folder / f"results/{name}/report.html").read_text()


def test_a_simulator_in_jax_in_a_file_outside(root, tmp_path):
    """Oracle: F = J^T J / noise^2 of a signal in Gaussian noise, of which the score and a linear
    compression keep all.
    """
    (tmp_path / "elsewhere").mkdir()
    problem = tmp_path / "elsewhere/decay.py"
    problem.write_text((root / "config/examples/decay.py").read_text())
    text = (
        (root / "config/examples/decay.yaml")
        .read_text()
        .replace("config/examples/decay.py", str(problem))
    )
    config = tmp_path / "mine.yaml"
    config.write_text(text)
    summary = ("results/decay/summary.csv",)
    run(root, tmp_path, config, *SMALL, "fits={mlp: {max_iterations: 20}}", only=summary)
    t = np.linspace(0, 3, 30)
    J = np.stack([np.exp(-0.5 * t), -t * np.exp(-0.5 * t)], axis=1)
    det_F = np.linalg.det(J.T @ J / 0.2**2)
    (row,) = table_of(tmp_path, "decay").itertuples()
    assert abs(row.det_F_score - det_F) < 4 * row.det_F_score_error
    assert abs(row.det_F_linear - det_F) < 4 * row.det_F_linear_error + 0.2 * det_F

    again = (
        "--snakefile",
        str(root / "Snakefile"),
        "--directory",
        str(tmp_path),
        "--configfile",
        str(config),
    )
    override = ("--config", *SMALL, "fits={mlp: {max_iterations: 20}}", "--", *summary)
    assert planned(tmp_path, *again, *override) == {}
    edit(problem, "# leave it out", "# or leave it out")
    assert planned(tmp_path, *again, *override) == {}
    edit(problem, "NOISE = np.linspace(0, 3, 30), 0.2", "NOISE = np.linspace(0, 3, 30), 0.3")
    jobs = planned(tmp_path, *again, *override)
    assert (jobs["simulate"], jobs["analytic_fisher"], jobs["fit"], jobs["evaluate"]) == (
        3,
        1,
        1,
        1,
    )


def test_a_numpy_simulator_with_finite_differences_and_a_network_of_its_own(root, tmp_path):
    """Oracle: F = tr(C^-1 C' C^-1 C') / 2 of a stationary Gaussian series, of which the network's
    products keep most.
    """
    example = "config/examples/autoregression.yaml"
    config = with_one_fit(root, tmp_path, example, "products", max_iterations=400)
    run(root, tmp_path, config, *SMALL[:3], only=["results/autoregression/summary.csv"])
    found = table_of(tmp_path, "autoregression")

    def covariance(a, s):
        lag = np.abs(np.subtract.outer(np.arange(30), np.arange(30)))
        return s**2 * a**lag / (1 - a**2)

    h = 1e-4
    slopes = [
        (covariance(0.5 + i * h, 1 + j * h) - covariance(0.5 - i * h, 1 - j * h)) / (2 * h)
        for i, j in ((1, 0), (0, 1))
    ]
    inverse = np.linalg.inv(covariance(0.5, 1))
    F = [[np.trace(inverse @ a @ inverse @ b) / 2 for b in slopes] for a in slopes]
    products = found.loc["products"]
    assert (
        0.75 * np.linalg.det(F) < products["det_F"] < np.linalg.det(F) + 4 * products["det_F_error"]
    )
    log = (tmp_path / "results/autoregression/logs/evaluate/products/seed-1.log").read_text()
    assert "with delta_theta halved: -0.00" in log
    assert "warning" not in log


@pytest.mark.parametrize("kind", ["derivative", pytest.param("shifted", marks=pytest.mark.long)])
def test_files_of_simulations(root, tmp_path, monkeypatch, kind):
    """Read where they lie, split by fractions; oracle: fits and linear compressions of the same
    numbers.
    """
    from dataclasses import replace

    problem = shipped.gaussian()
    problem = problem if kind == "derivative" else replace(problem, delta_theta=[0.1, 0.1])
    (piece,) = simulations.draw(problem, simulations.seed_key(1, "training"), 900, 900)
    with h5py.File(tmp_path / "simulations.h5", "w") as file:
        file["fiducial"], file[kind] = piece
        if kind == "shifted":
            file.attrs["delta_theta"] = [0.1, 0.1]
    seeds = [1, 2] if kind == "derivative" else [1]
    recipe = {"max_iterations": 30, "data": "streamed"}
    config = with_one_fit(root, tmp_path, "config/examples/files.yaml", "deep_set", **recipe)
    override = [f"seeds={seeds}"]
    override += (
        [] if kind == "derivative" else ["derivative=finite_difference", "delta_theta=[0.1, 0.1]"]
    )
    only = [] if kind == "derivative" else ["results/files/summary.csv"]
    run(root, tmp_path, config, *override, only=only)
    found = table_of(tmp_path, "files")
    if kind == "derivative":
        assert_is_whole(tmp_path, "files")
    assert list(found["n_s"]) == [360 for _ in seeds]
    assert (found["det_F"] > 30).all()
    assert len(set(found["det_F"])) == len(seeds)  # each seed has its own split
    where = ("--snakefile", str(root / "Snakefile"), "--directory", str(tmp_path))
    where += ("--configfile", str(config), "--config")
    more = planned(tmp_path, *where, f"seeds={[*seeds, 3]}", *override[1:])
    assert {rule: more.get(rule) for rule in ("check_files", "use_files", "fit")} == {
        "check_files": None,
        "use_files": 1,
        "fit": 1,
    }
    monkeypatch.chdir(tmp_path)  # the config names the file from there
    built = load.build(
        "files", [0, 1], [10], ["mu", "Sigma"], None if kind == "derivative" else [0.1, 0.1]
    )
    rows = []
    for split in ("training", "validation", "test"):
        path = tmp_path / f"results/files/simulations/seed-1/{split}.h5"
        assert path.stat().st_size < 20000
        with sets.open_simulations(path, built, seed=1, split=split) as source:
            rows += [row.tobytes() for row in everything(source)[0]]
    assert sorted(rows) == sorted(row.tobytes() for row in piece.fiducial)


def test_faults_of_files_come_in_one_message_before_any_fit(root, tmp_path):
    with h5py.File(tmp_path / "simulations.h5", "w") as file:
        file["fiducial"], file["derivative"] = np.zeros((10, 50)), np.zeros((50, 2, 10), np.float32)
    output = run(root, tmp_path, root / "config/examples/files.yaml", ok=False)
    assert output.count("its axes seem to be") >= 2
    assert "Traceback" not in output
    assert not (tmp_path / "results/files/fits").exists()
    assert not list((tmp_path / "results/files/simulations").rglob("*.h5"))


def test_simulations_on_the_fly_with_one_parameter(root, tmp_path):
    """Oracle: F = 10 of ten draws; in the history training scatters about validation, since it
    cannot overfit.
    """
    recipe = {"max_iterations": 150, "patience": 200, "averaging": 0}
    config = with_one_fit(root, tmp_path, "config/exponential_rate.yaml", "deep_set", **recipe)
    wanted = [
        f"results/exponential_rate/{name}" for name in ("summary.csv", "figures/information.svg")
    ]
    run(root, tmp_path, config, *SMALL, only=wanted)
    found = table_of(tmp_path, "exponential_rate")
    assert found.loc["deep_set", "ratio_to_score"] > 0.97
    assert not (tmp_path / "results/exponential_rate/simulations/seed-1/training.h5").exists()
    history = pd.read_csv(tmp_path / "results/exponential_rate/fits/deep_set/seed-1/history.csv")[
        100:
    ]
    assert (
        history["training_det_F"].std() > 0.3
    )  # new simulations in each iteration: the sampling noise of 200
    assert history["validation_det_F"].std() < 0.1  # which always are the same
    assert abs(history["training_det_F"].mean() - 10) < 1


@pytest.mark.long
def test_the_field_through_the_graph(root, tmp_path):
    """Oracle: the score on the same fields; the recipe of the config, on a smaller grid and with a
    faster decay of a larger rate.
    """
    rate = {"schedule": "exponential_decay", "init_value": 3.0e-3, "decay_rate": 0.5}
    changes = {
        "max_iterations": 400,
        "network": {"kind": "cnn", "channels": [16], "kernel": 3, "activation": "square"},
        "optimiser": {"name": "lion", "learning_rate": rate | {"transition_steps": 100}},
    }
    config = with_one_fit(root, tmp_path, "config/gaussian_field.yaml", "cnn", **changes)
    sizes = ("seeds=[1]", "n_test=1000", "n_monte_carlo=50", "input_shape=[8, 8]")
    run(root, tmp_path, config, *sizes, only=["results/gaussian_field/summary.csv"])
    found = table_of(tmp_path, "gaussian_field")
    assert 0.9 < found.loc["cnn", "ratio_to_score"] < 1.02
