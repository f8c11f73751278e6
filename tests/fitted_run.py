"""A run of one small fit, where `imnn_core.load` looks for it."""

import shutil
from pathlib import Path

from small_run import do_evaluate, do_fit, prepare

FIT = Path("fits/one/seed-1/fit.h5")


def placed(folder, name, place):
    """A fit `NAME.h5` of a folder, and what was measured of it, as a run has them; the fit."""
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / f"{name}.h5", place)
    for source, target in ((f"{name}.json", "information.json"),):
        if (folder / source).exists():
            shutil.copy(folder / source, place.with_name(target))
    if (folder / f"{name}-estimates.csv").exists():
        shutil.copy(folder / f"{name}-estimates.csv", place.with_name("estimates.csv"))
    return place


def made(folder, **recipe):
    """A run in a folder, with the simulations beside it; the fit."""
    prepare(folder)
    do_fit(folder, "one", **recipe)
    do_evaluate(folder, "one", **recipe)
    return placed(folder, "one", folder / FIT)
