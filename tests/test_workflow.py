"""The whole graph as a user runs it, in a copy of the project: results and faults."""

import re
import subprocess
import sys

import pandas as pd
import pytest
from running import QUICK, edit, planned, results_of, snakemake
from tiny_project import TINY_RUN

FITS = ("small", "longer", "unvalidated", "deep_set")


def test_the_run_leaves_what_it_promises_and_nothing_else(finished):
    results = finished / "results/quick"
    table = pd.read_csv(results / "summary.csv")
    for fit in FITS:
        found = table[(table["fit"] == fit) & (table["seed"] == 1)]
        splits = (
            ["training", "test"] if fit == "unvalidated" else ["training", "validation", "test"]
        )
        assert list(found["split"]) == splits
        for kind in ("svg", "png"):
            for figure in (
                f"history/{fit}/all-seeds",
                f"history/{fit}/seed-1",
                f"estimates/{fit}/seed-1",
                "information",
                "fisher_ellipses",
            ):
                assert (results / f"figures/{figure}.{kind}").stat().st_size > 10000
    assert (table["det_F_analytic"] == 50).all()
    assert (table[table["fit"] == "longer"]["iterations"] == 90).all()
    assert "</html>" in (results / "report.html").read_text()
    assert not [
        path
        for path in finished.rglob(".*")
        if path.suffix not in ("", ".snakemake", ".sha256") and ".snakemake" not in path.parts
    ]
    assert not list(results.rglob("*.checkpoint.h5"))
    for rule in ("simulate", "fit", "evaluate", "plot_fit"):
        assert list((results / "logs" / rule).rglob("*.log"))
        assert list((results / "benchmarks" / rule).rglob("*.tsv"))


def test_a_run_on_one_core_gives_the_same_bytes(project):
    """Bit for bit: simulations and fits do not depend on the cores or on what runs beside them."""
    wanted = [
        "results/quick/simulations/seed-1/training/0-200-150.h5",
        "results/quick/fits/small/seed-1/fit.h5",
    ]
    before = [(project / path).read_bytes() for path in wanted]
    snakemake(project, *QUICK, "--force", wanted[0], cores=1)
    snakemake(project, *QUICK, "--force", wanted[1], cores=1)
    assert [(project / path).read_bytes() for path in wanted] == before


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("n_s=-5", "n_s: expected greater than or equal to 1, found -5"),
        ("n_sims=5", "n_sims: unknown key (nearest: n_s)"),
        ("seeds=[3, 3]", "seeds: expected each seed once, found 3 more than once"),
        (
            "fits={new: {optimiser: {name: adm}}}",
            "fits.new.optimiser.name: expected an optimiser of optax, found 'adm' (nearest: adam",
        ),
        (
            "figures={style: none.mplstyle}",
            "figures.style: expected a file, found none at none.mplstyle",
        ),
        (
            "fits={new: {optimiser: {beta: 1}}}",
            "fits.new.optimiser.beta: optimiser 'adam' has no such argument",
        ),
    ],
)
def test_faults_of_the_config_come_before_any_work(finished, tmp_path, override, line):
    output = snakemake(
        tmp_path, "--snakefile", str(finished / "Snakefile"), "--config", override, ok=False
    )
    assert f"\n    {line}" in output or f"\n{line}" in output
    assert "Traceback" not in output
    assert not (tmp_path / "results").exists()


def test_a_faulty_style_is_found_before_any_work(finished, tmp_path):
    (tmp_path / "a.mplstyle").write_text("font.sise: 8\n")
    output = snakemake(
        tmp_path,
        "--snakefile",
        str(finished / "Snakefile"),
        "--config",
        "figures={style: a.mplstyle}",
        ok=False,
    )
    assert (
        "figures.style: a.mplstyle: expected matplotlib's settings, found: Bad key font.sise in file "
        "a.mplstyle, line 1" in output
    )
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "path", ["simulations/seed-1/training/0-40-30.h5", "fits/small/seed-1/fit.h5"]
)
def test_a_changed_result_stops_what_reads_it_and_what_is_said_mends_it(tiny_copy, path):
    """Oracle: the bytes before.

    Of the jobs that failed as well, whose former results Snakemake removes.
    """
    results = tiny_copy / "results/tiny"
    before = results_of(tiny_copy)
    whole = (results / path).read_bytes()
    (results / path).write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    output = snakemake(tiny_copy, *TINY_RUN, "--keep-going", ok=False)
    remedy = re.search(
        rf"^error: (results/tiny/{path}): expected the bytes .*; delete it and .*: (rm \1)$",
        output,
        re.M,
    )[2]
    assert "Traceback" not in output
    subprocess.run(remedy, shell=True, cwd=tiny_copy, check=True)
    snakemake(tiny_copy, *TINY_RUN)
    assert results_of(tiny_copy) == before
    assert planned(tiny_copy, *TINY_RUN) == {}


def test_a_fit_that_diverges_keeps_its_history_in_the_log(project):
    edit(project / "config/quick.yaml", "init_value: 1.0e-2", "init_value: 1.0e+18")
    target = "results/quick/fits/unvalidated/seed-1/fit.h5"
    output = snakemake(project, *QUICK, "--", target, ok=False)
    assert re.search(
        r"error: the loss or its gradient is not finite at iteration \d+ .*smaller learning_rate",
        output,
    )
    assert "Traceback" not in output
    assert not (project / target).exists()
    log = (project / "results/quick/logs/fit/unvalidated/seed-1.log").read_text()
    assert "iteration,training_det_F" in log


def test_the_figures_of_the_recipes_are_those_of_the_summary(finished, root, tmp_path):
    command = [
        sys.executable,
        root / "tests/benchmarks/recipes.py",
        finished / "results/quick",
        "--csv",
        tmp_path / "recipes.csv",
    ]
    subprocess.run(command, check=True)
    summary = pd.read_csv(finished / "results/quick/summary.csv")
    kept = summary[summary["split"] == "test"].set_index("fit")["ratio_to_score"]
    table = pd.read_csv(tmp_path / "recipes.csv").set_index("figure")["value"]
    assert dict(table) == {f"kept_by_{fit}": value for fit, value in kept.items()}


def test_snakemakes_own_report(finished, tmp_path):
    """With a caption for each figure and table, and the run's settings in it."""
    output = snakemake(finished, *QUICK, "--report", str(tmp_path / "report.html"))
    assert "ERROR" not in output  # of its captions' markup
    html = (tmp_path / "report.html").read_text()
    for words in (
        "run <strong>quick</strong>: problem <",
        "a point per seed (1) with its jackknife error",
        "Contours of the inverse Fisher information",
        "<strong>unvalidated</strong>, seed 1: estimates of each parameter",
        "summaries of the test set. Left: against",
        "<strong>deep_set</strong>, seed 1: Fisher information",
        "<strong>deep_set</strong>, one seed: Fisher information",
        "at most 40 iterations",
        "A row per recipe, seed and split",
    ):
        assert words in html.replace("\\n", " ").replace("\\u003c", "<").replace(
            "\\u003e", ">"
        ).replace("\n", " "), words


def test_the_workflow_runs_from_another_folder(finished, tmp_path):
    """With --directory, the results there and the project's own config."""
    snakemake(
        finished,
        "--directory",
        str(tmp_path),
        "--config",
        "n_monte_carlo=50",
        "--",
        "results/gaussian/analytic_fisher.json",
    )
    assert (tmp_path / "results/gaussian/analytic_fisher.json").exists()


@pytest.mark.parametrize(
    ("gpu_memory", "chosen", "told"),
    [
        ("on_demand", {}, {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}),
        ("0.3", {}, {"XLA_CLIENT_MEM_FRACTION": "0.3"}),
        (
            "0.3",
            {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.5"},
            {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.5"},
        ),
    ],
)
def test_jobs_are_told_how_much_of_a_gpu_to_take(
    root, tmp_path, monkeypatch, gpu_memory, chosen, told
):
    """By the variables of jaxlib's own that they inherit; those that the user has chosen stay."""
    names = (
        "XLA_PYTHON_CLIENT_PREALLOCATE",
        "XLA_CLIENT_MEM_FRACTION",
        "XLA_PYTHON_CLIENT_MEM_FRACTION",
    )
    for name in names:
        monkeypatch.delenv(name, raising=False)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    show = f"print('told', {{name: os.environ[name] for name in {names} if name in os.environ}})"
    include = f"include: {str(root / 'workflow/rules/config.smk')!r}"
    (tmp_path / "Snakefile").write_text(f"{include}\n{show}\nrule all:\n    shell: 'true'\n")
    assert f"told {told}" in snakemake(tmp_path, "-n", "--config", f"gpu_memory={gpu_memory}")
