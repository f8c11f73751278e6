"""The whole graph as a user runs it, in a copy of the project: results, reruns, and faults."""

import os
import random
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from running import copied, edit, planned, results_of, snakemake

QUICK = ("--configfile", "config/quick.yaml")
FITS = ("small", "longer", "unvalidated", "deep_set")


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    """A copy of the project with the quick run done, in a folder whose name is a trial in itself."""
    folder = copied(root, tmp_path_factory.mktemp("a project ü"))
    snakemake(folder, *QUICK)
    return folder


@pytest.fixture
def project(finished, tmp_path):
    """Another copy of the finished run, to change at will; times of modification are those of copying."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, copy_function=shutil.copyfile)
    return folder


def test_the_run_leaves_what_it_promises_and_nothing_else(finished):
    results = finished / "results/quick"
    table = pd.read_csv(results / "summary.csv")
    for fit in FITS:
        found = table[(table["fit"] == fit) & (table["seed"] == 1)]
        splits = ["training", "test"] if fit == "unvalidated" else ["training", "validation", "test"]
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
        path for path in finished.rglob(".*")
        if path.suffix not in ("", ".snakemake", ".sha256") and ".snakemake" not in path.parts
    ]  # fmt: skip
    assert not list(results.rglob("*.checkpoint.h5"))
    for rule in ("simulate", "fit", "evaluate", "plot_history"):
        assert list((results / "logs" / rule).rglob("*.log"))
        assert list((results / "benchmarks" / rule).rglob("*.tsv"))


def test_a_second_run_has_nothing_to_do(finished):
    assert planned(finished, *QUICK) == {}


def test_a_copy_in_another_folder_has_nothing_to_do(project):
    assert planned(project, *QUICK) == {}


def test_after_a_touch_of_every_file_there_is_nothing_to_do(project):
    """As after a clone to which results/ and .snakemake/ were copied, with times of modification in any order."""
    paths = [path for path in project.rglob("*") if path.is_file() and ".snakemake" not in path.parts]
    random.Random(1).shuffle(paths)
    for i, path in enumerate(paths):
        os.utime(path, (1.7e9 + i, 1.7e9 + i))
    assert planned(project, *QUICK) == {}


SUMMARIES = {"summarise": 1, "plot_information": 1, "plot_ellipses": 1, "report": 1}
FIGURES = {"plot_history": 4, "plot_histories": 4, "plot_estimates": 4, "plot_information": 1, "plot_ellipses": 1, "report": 1}
HISTORIES = {"plot_history": 4, "plot_histories": 4, "report": 1}
AFTER_FITS = SUMMARIES | FIGURES | {"fit": 4, "evaluate": 4}
ONE_FIT = SUMMARIES | {"fit": 1, "evaluate": 1, "plot_history": 1, "plot_histories": 1, "plot_estimates": 1}


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("scripts/imnn_core/plots.py", "MARGIN = 0.1", "MARGIN = 0.2", FIGURES),
        ("scripts/imnn_core/histories.py", "markeredgewidth=0.8", "markeredgewidth=0.9", HISTORIES),
        ("config/figures.mplstyle", "font.size: 8", "font.size: 9", FIGURES),
        ("config/quick.yaml", "run: quick", "run: quick\nfigures: {formats: [svg, png, pdf]}", FIGURES),
        ("workflow/report/histories.rst", "Thin lines", "The thin lines", {"report": 1}),
        ("scripts/imnn_core/fisher.py", "(F + F.T) / 2", "(F.T + F) / 2", AFTER_FITS | {"analytic_fisher": 1}),
        ("scripts/imnn_core/fisher.py", "# Shifted by", "# Moved by", {}),
        ("scripts/imnn_core/config.py", 'description="Name of the run', 'description="The name of the run', {}),
        ("scripts/imnn_core/figures.py", "markersize=2,", "markersize=3,", FIGURES | {"plot_history": 0, "plot_histories": 0}),
        ("scripts/imnn_core/networks.py", "math.sqrt(2 /", "math.sqrt(3 /", AFTER_FITS),
        ("workflow/report/report.html.j2", "<h2 id=\"table\">Table", "<h2 id=\"table\">The table", {"report": 1}),
        (
            "config/quick.yaml", "max_iterations: 40\n    validation", "max_iterations: 41\n    validation", ONE_FIT,
        ),
        (
            "config/quick.yaml", "seeds: [1]", "seeds: [1, 7]",
            SUMMARIES | {"simulate": 3, "fit": 4, "evaluate": 4, "plot_history": 4, "plot_histories": 4},
        ),
    ],
)  # fmt: skip
def test_what_an_edit_runs_again(project, path, old, new, expected):
    edit(project / path, old, new)
    assert planned(project, *QUICK) == {rule: n for rule, n in expected.items() if n}


INFORMATION = "results/quick/figures/information.svg"


def test_figures_are_drawn_anew_without_the_simulations(project):
    """From the plan to the pictures: what is drawn has other bytes, the rest the same, and no simulation is missed."""
    shutil.rmtree(project / "results/quick/simulations")
    assert planned(project, *QUICK) == {}
    before = results_of(project, "quick")
    edit(project / "config/figures.mplstyle", "font.size: 8", "font.size: 9")
    assert planned(project, *QUICK) == FIGURES
    assert planned(project, *QUICK, "--", INFORMATION) == {"plot_information": 1}
    snakemake(project, *QUICK, "--", INFORMATION)
    one = {name for name, digest in results_of(project, "quick").items() if before[name] != digest}
    assert one == {"figures/information.svg", "figures/information.png"}
    snakemake(project, *QUICK, "--config", "figures={formats: [svg, png, pdf]}")
    after = results_of(project, "quick")
    assert not (project / "results/quick/simulations").exists()
    drawn = {name for name in before if name.startswith("figures/")} | {"report.html"}
    assert {name for name in before if before[name] != after[name]} == drawn
    added = {name.replace(".svg", ".pdf") for name in before if name.endswith(".svg")}
    assert after.keys() - before.keys() == added


def test_a_figure_that_is_drawn_again_is_the_same_file(project):
    before = results_of(project, "quick")
    snakemake(project, *QUICK, "--force", INFORMATION)
    assert results_of(project, "quick") == before


def test_a_run_on_one_core_gives_the_same_bytes(project):
    """Bit for bit: simulations and fits do not depend on the cores or on what runs beside them."""
    wanted = ["results/quick/simulations/seed-1/training.h5", "results/quick/fits/small/seed-1/fit.h5"]
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
        ("figures={style: none.mplstyle}", "figures.style: expected a file, found none at none.mplstyle"),
        ("fits={new: {optimiser: {beta: 1}}}", "fits.new.optimiser.beta: optimiser 'adam' has no such argument"),
    ],
)  # fmt: skip
def test_faults_of_the_config_come_before_any_work(finished, tmp_path, override, line):
    output = snakemake(tmp_path, "--snakefile", str(finished / "Snakefile"), "--config", override, ok=False)
    assert f"\n    {line}" in output or f"\n{line}" in output
    assert "Traceback" not in output
    assert not (tmp_path / "results").exists()


def test_a_faulty_style_is_found_before_any_work(finished, tmp_path):
    (tmp_path / "a.mplstyle").write_text("font.sise: 8\n")
    output = snakemake(
        tmp_path, "--snakefile", str(finished / "Snakefile"), "--config", "figures={style: a.mplstyle}", ok=False
    )
    assert "\na.mplstyle: expected matplotlib's settings, found: Bad key font.sise in file a.mplstyle, line 1" in output
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("path", ["simulations/seed-1/training.h5", "fits/small/seed-1/fit.h5"])
def test_a_changed_result_stops_what_reads_it_and_what_is_said_mends_it(project, path):
    """Oracle: the bytes before. Of the jobs that failed as well, whose former results Snakemake removes."""
    results = project / "results/quick"
    before = results_of(project, "quick")
    whole = (results / path).read_bytes()
    (results / path).write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    output = snakemake(project, *QUICK, "--keep-going", ok=False)
    remedy = re.search(rf"^error: (results/quick/{path}): expected the bytes .*; delete it and .*: (rm \1)$", output, re.M)[2]
    assert "Traceback" not in output
    subprocess.run(remedy, shell=True, cwd=project, check=True)
    snakemake(project, *QUICK)
    assert results_of(project, "quick") == before
    assert planned(project, *QUICK) == {}


def test_a_fit_that_diverges_keeps_its_history_in_the_log(project):
    edit(project / "config/quick.yaml", "init_value: 1.0e-2", "init_value: 1.0e+18")
    target = "results/quick/fits/unvalidated/seed-1/fit.h5"
    output = snakemake(project, *QUICK, "--", target, ok=False)
    assert re.search(r"error: the loss, its gradient or \|F\| is not finite at iteration \d+ .*smaller learning_rate", output)
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
        "summaries of the training set. Left: against",
        "<strong>deep_set</strong>, seed 1: Fisher information",
        "at most 40 iterations",
        "A row per recipe, seed and split",
    ):
        assert words in html.replace("\\n", " ").replace("\\u003c", "<").replace("\\u003e", ">").replace("\n", " "), words


def test_the_workflow_runs_from_another_folder(finished, tmp_path):
    """With --directory, the results there and the project's own config."""
    snakemake(
        finished, "--directory", str(tmp_path), "--config", "n_monte_carlo=50", "--", "results/gaussian/analytic_fisher.json"
    )
    assert (tmp_path / "results/gaussian/analytic_fisher.json").exists()


@pytest.mark.parametrize(
    ("gpu_memory", "chosen", "told"),
    [
        ("on_demand", {}, {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}),
        ("0.3", {}, {"XLA_CLIENT_MEM_FRACTION": "0.3"}),
        ("0.3", {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.5"}, {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.5"}),
    ],
)
def test_jobs_are_told_how_much_of_a_gpu_to_take(root, tmp_path, monkeypatch, gpu_memory, chosen, told):
    """By the variables of jaxlib's own that they inherit; those that the user has chosen stay."""
    names = ("XLA_PYTHON_CLIENT_PREALLOCATE", "XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    show = f"print('told', {{name: os.environ[name] for name in {names} if name in os.environ}})"
    include = f"include: {str(root / 'workflow/rules/config.smk')!r}"
    (tmp_path / "Snakefile").write_text(f"{include}\n{show}\nrule all:\n    shell: 'true'\n")
    assert f"told {told}" in snakemake(tmp_path, "-n", "--config", f"gpu_memory={gpu_memory}")
