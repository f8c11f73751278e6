"""A small run of the scripts as functions, for the tests of more than one file."""

import json
from pathlib import Path

import jax
import numpy as np
from analytic_fisher import analytic_fisher
from evaluate import evaluate
from fit import Paths, fit
from imnn_core.config.recipe import Recipe
from imnn_core.config.run import Config
from imnn_core.problems import load
from imnn_core.store import fits
from imnn_core.training import fitter as fitters
from imnn_core.training.checkpoints import trees_of
from report import report
from simulate import simulate

PROBLEM = {"kind": "gaussian", "theta_fid": [0.0, 1.0], "input_shape": [10]}
ROOT = Path(__file__).parent.parent
STYLE = ROOT / "config/figures.mplstyle"
SIZES = {"n_s": 60, "n_d": 50}
SMALL = {
    "network": {"hidden": [8]},
    "optimiser": {"learning_rate": 1.0e-2},
    "n_per_device": 25,
    "min_iterations": 0,
    "patience": 1000,
    "report_every": 8,
    "devices": "cpu",
    "n_devices": 1,
}


class NoBar:
    """In the place of a progress bar."""

    def show(self, *args):
        """Show nothing."""


def recipe_of(**changes):
    return Recipe(**SMALL | changes).model_dump()


def prepare(folder):
    """Simulations of one seed and the analytic F; the folder."""
    for split in ("training", "validation"):
        simulate(folder / f"{split}.h5", problem=PROBLEM, seed=1, split=split, **SIZES)
    simulate(folder / "test.h5", problem=PROBLEM, seed=1, split="test", n_s=500, n_d=500)
    analytic_fisher(folder / "analytic.json", problem=PROBLEM, n_monte_carlo=100)
    return folder


def do_fit(
    folder,
    name,
    parent=None,
    validation=True,
    problem=PROBLEM,
    on_the_fly=False,
    bar=None,
    minutes=5,
    code=None,
    **changes,
):
    """Fit a recipe; the path to its fit."""
    paths = Paths(
        None if on_the_fly else folder / "training.h5",
        folder / "validation.h5" if validation else None,
        folder / f"{parent}.h5" if parent else None,
        folder / f"{name}.h5",
        folder / f"{name}.csv",
    )
    fit(
        paths,
        problem=problem,
        seed=1,
        recipe=recipe_of(**changes),
        bar=bar or NoBar(),
        code=code,
        checkpoint_minutes=minutes,
        **SIZES,
    )
    return folder / f"{name}.h5"


def do_evaluate(folder, name, problem=PROBLEM, **changes):
    """Evaluate a fit; what the file then holds."""
    recipe = recipe_of(**changes)
    splits = ("training", "validation", "test") if recipe["validation"] else ("training", "test")
    evaluate(
        {split: folder / f"{split}.h5" for split in splits},
        folder / f"{name}.h5",
        folder / "analytic.json",
        folder / f"{name}.json",
        folder / f"{name}-estimates.csv",
        problem=problem,
        fit=name,
        seed=1,
        n_test=500,
        recipe=recipe,
        **SIZES,
    )
    return json.loads((folder / f"{name}.json").read_text())


def do_report(folder, fits, figure, seeds=(1,), run="run", estimates=(), **drawn):
    """The report of fits whose measurements are in a folder, `FIT.json` or `FIT-SEED.json`, as a
    text.

    Args:
        figure: stands for all that are not in drawn, by the names of the rule's inputs.

    """
    informations = [
        folder / (f"{fit}-{seed}.json" if len(seeds) > 1 else f"{fit}.json")
        for fit in fits
        for seed in seeds
    ]
    figures = {"information_figure": figure, "ellipses": figure}
    figures |= {
        "history": len(informations) * [figure],
        "histories": len(fits) * [figure],
        "estimates": len(fits) * [figure],
    }
    report(
        folder / "analytic.json",
        informations,
        figures | drawn,
        ROOT / "workflow/report/report.html.j2",
        folder / "benchmarks",
        folder / "report.html",
        settings=Config(seeds=list(seeds), fits=dict.fromkeys(fits, SMALL)).model_dump(),
        run=run,
        paths_to_estimates=estimates,
    )
    return (folder / "report.html").read_text()


def read(path, **changes):
    state = fitters.build(Recipe(**SMALL | changes), load.build(**PROBLEM)).first_state(1)
    return fits.read_fit(path, trees_of(state) | {"weights/initial": state.weights})


def flat(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
