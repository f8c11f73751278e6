"""A run of one small fit, where `imnn_core.load` looks for it."""

import shutil
from pathlib import Path

from small_run import do_evaluate, do_fit, prepare

FIT = Path("fits/one/seed-1/fit.h5")
RECIPE = {"max_iterations": 12, "standardise": "each"}  # with a network of one hidden layer


def placed(folder, name, place):
    """A fit `NAME.h5` of a folder, and what was measured of it, as a run has them; the fit."""
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / f"{name}.h5", place)
    shutil.copy(folder / f"{name}.json", place.with_name("information.json"))
    shutil.copy(folder / f"{name}-estimates.csv", place.with_name("estimates.csv"))
    return place


def made(folder):
    """A run in a new folder, with its simulations beside it."""
    folder.mkdir()
    prepare(folder)
    do_fit(folder, "one", **RECIPE)
    do_evaluate(folder, "one", **RECIPE)
    placed(folder, "one", folder / FIT)
