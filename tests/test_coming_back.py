"""What is done again, weeks later or somewhere else: nothing but what an edit makes anew."""

import os
import random
import shutil

import pytest
from running import QUICK, edit, planned, results_of, snakemake
from tiny_project import TINY_RUN


def test_a_second_run_has_nothing_to_do(finished):
    """In processes of their own, since each has another seed of its hashes, and so another order of
    its sets.
    """
    for _ in range(2):
        assert planned(finished, *QUICK, own_process=True) == {}


def test_a_copy_in_another_folder_has_nothing_to_do(project):
    assert planned(project, *QUICK) == {}


def test_after_a_touch_of_every_file_there_is_nothing_to_do(project):
    """As after a clone to which results/ and .snakemake/ were copied, with times of modification in
    any order.
    """
    paths = [
        path for path in project.rglob("*") if path.is_file() and ".snakemake" not in path.parts
    ]
    random.Random(1).shuffle(paths)
    for i, path in enumerate(paths):
        os.utime(path, (1.7e9 + i, 1.7e9 + i))
    assert planned(project, *QUICK) == {}


SUMMARIES = {"summarise": 1, "plot_comparison": 1, "report": 1}
OF_FITS = {"plot_fit": 4, "report": 1}
FIGURES = OF_FITS | {"plot_comparison": 1}
AFTER_FITS = SUMMARIES | FIGURES | {"fit": 4, "evaluate": 4, "export": 4}
ONE_FIT = SUMMARIES | {"fit": 1, "evaluate": 1, "export": 1, "plot_fit": 1}


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("scripts/imnn_core/figures/plots.py", "MARGIN = 0.1", "MARGIN = 0.2", FIGURES),
        (
            "scripts/imnn_core/figures/histories.py",
            '"markeredgewidth": 0.8',
            '"markeredgewidth": 0.9',
            OF_FITS,
        ),
        ("config/figures.mplstyle", "font.size: 8", "font.size: 9", FIGURES),
        (
            "config/quick.yaml",
            "run: quick",
            "run: quick\nfigures: {formats: [svg, png, pdf]}",
            FIGURES,
        ),
        ("workflow/report/histories.rst", "Thin lines", "The thin lines", {"report": 1}),
        (
            "scripts/imnn_core/gradient/fisher.py",
            "(F + F.T) / 2",
            "(F.T + F) / 2",
            AFTER_FITS,
        ),
        ("scripts/imnn_core/gradient/fisher.py", "# Shifted by", "# Moved by", {}),
        (
            "scripts/imnn_core/config/run.py",
            'description="Name of the run',
            'description="The name of the run',
            {},
        ),
        ("scripts/imnn_core/figures/estimates.py", "markersize=2,", "markersize=3,", OF_FITS),
        (
            "scripts/imnn_core/figures/ellipses.py",
            "linewidth=0,",
            "linewidth=1,",
            {"plot_comparison": 1, "report": 1},
        ),
        ("scripts/imnn_core/networks/kinds.py", "math.sqrt(2 /", "math.sqrt(3 /", AFTER_FITS),
        (
            "workflow/report/report.html.j2",
            '<h2 id="table">Table',
            '<h2 id="table">The table',
            {"report": 1},
        ),
        (
            "config/quick.yaml",
            "max_iterations: 40\n    validation",
            "max_iterations: 41\n    validation",
            ONE_FIT,
        ),
        (
            "config/quick.yaml",
            "seeds: [1]",
            "seeds: [1, 7]",
            AFTER_FITS | {"simulate": 3},
        ),
    ],
)
def test_what_an_edit_runs_again(project, path, old, new, expected):
    edit(project / path, old, new)
    assert planned(project, *QUICK) == {rule: n for rule, n in expected.items() if n}


OF_TINY = FIGURES | {"plot_fit": 1}


def test_figures_are_drawn_anew_without_the_simulations(tiny_copy):
    """From the plan to the pictures: what is drawn has other bytes, the rest the same, and no
    simulation is missed.
    """
    shutil.rmtree(tiny_copy / "results/tiny/simulations")
    assert planned(tiny_copy, *TINY_RUN) == {}
    before, information = results_of(tiny_copy), "results/tiny/figures/information.svg"
    edit(tiny_copy / "config/figures.mplstyle", "font.size: 8", "font.size: 9")
    assert planned(tiny_copy, *TINY_RUN) == OF_TINY
    assert planned(tiny_copy, *TINY_RUN, "--", information) == {"plot_comparison": 1}
    snakemake(tiny_copy, *TINY_RUN, "--", information)
    one = {name for name, digest in results_of(tiny_copy).items() if before[name] != digest}
    assert one == {"figures/information.svg", "figures/fisher_ellipses.svg"}
    snakemake(tiny_copy, *TINY_RUN, "--config", "figures={formats: [svg, pdf]}")
    after = results_of(tiny_copy)
    assert not (tiny_copy / "results/tiny/simulations").exists()
    drawn = {name for name in before if name.startswith("figures/")} | {"report.html"}
    assert {name for name in before if before[name] != after[name]} == drawn
    added = {name.replace(".svg", ".pdf") for name in before if name.endswith(".svg")}
    assert after.keys() - before.keys() == added


def test_a_figure_that_is_drawn_again_is_the_same_file(project):
    before = results_of(project, "quick")
    snakemake(project, *QUICK, "--force", "results/quick/figures/information.svg")
    assert results_of(project, "quick") == before
