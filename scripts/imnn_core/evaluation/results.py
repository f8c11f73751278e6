"""Measurements read back from information.json files."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from imnn_core.evaluation.numbers import with_error
from imnn_core.store import git
from imnn_core.store.texts import read_json


class Share(NamedTuple):
    """A recipe's |F| of the test set relative to a reference.

    whose: the reference: "the score" where there is a likelihood, else "the analytic" where |F| is
        known in closed form, else "a linear compression", or "nothing" where the |F| of that may
        be 0.
    mean, uncertainty: over seeds, see `of_seeds`.
    error: mean over seeds of the jackknife error.
    """

    whose: str
    mean: float
    uncertainty: float
    error: float

    def __str__(self) -> str:
        """A percentage with its uncertainty; a multiple of a linear compression's |F|."""
        if self.whose == "a linear compression":
            return f"{with_error(self.mean, self.uncertainty)} ×"
        if self.whose == "nothing" or not math.isfinite(self.mean):
            return "–"
        return f"{with_error(100 * self.mean, 100 * self.uncertainty)} %"


def by_fit(paths: Sequence[str | Path]) -> dict[str, list[dict]]:
    """Evaluations by recipe, one per seed, in the order of the paths."""
    found = {}
    for path in paths:
        information = read_json(path)
        found.setdefault(information["fit"], []).append(information)
    return found


def on(informations: Sequence[dict], split: str, *keys: str) -> np.ndarray | None:
    """One quantity of a set, per seed, (n_seeds, …); None where it was not measured.

    Args:
        informations: of one recipe.
        split: training, validation or test.
        *keys: the path to the quantity, such as "network", "det_F", "value".

    """
    values = [information["splits"] for information in informations]
    for key in (split, *keys):
        if not all(key in value for value in values):
            return None
        values = [value[key] for value in values]
    return np.array(values, dtype=np.float64)  # null becomes NaN


def measured(informations: Sequence[dict], split: str, *keys: str) -> list[np.ndarray | None]:
    """Value and error of a quantity, per seed; None for both where it was not measured."""
    return [on(informations, split, *keys, part) for part in ("value", "error")]


def pair(information: dict, split: str, *keys: str) -> tuple[float, float]:
    """A quantity of a set and its error, NaN where it was not measured or is not finite."""
    found = measured([information], split, *keys)
    return tuple(math.nan if each is None else float(each[0]) for each in found)


def has_score(informations: Sequence[dict]) -> bool:
    """Whether there is a likelihood, so that the score was measured on the same simulations."""
    return "over_score" in informations[0]["splits"]["test"]


def has_floor(informations: Sequence[dict]) -> bool:
    """Whether |F| of a linear compression exceeds twice its error in every seed."""
    value, error = measured(informations, "test", "linear", "det_F")
    return value is not None and bool(np.all(value > 2 * error))


def share(informations: Sequence[dict]) -> Share:
    """The share of the information that one recipe kept, over its seeds."""
    analytic = informations[0]["det_F_analytic"]
    if has_score(informations):
        whose, pair = "the score", measured(informations, "test", "over_score", "det_F")
    elif analytic is not None:
        pair = [each / analytic for each in measured(informations, "test", "network", "det_F")]
        whose = "the analytic"
    else:
        whose = "a linear compression" if has_floor(informations) else "nothing"
        pair = measured(informations, "test", "over_linear", "det_F")
    return Share(whose, *of_seeds(*pair), pair[1].mean())


def det_F(informations: Sequence[dict]) -> str:
    """|F| of one recipe's test sets with its uncertainty, see `of_seeds`."""
    return with_error(*of_seeds(*measured(informations, "test", "network", "det_F")))


def of_seeds(value: np.ndarray, error: np.ndarray) -> tuple[float, float]:
    """Mean over seeds and its uncertainty, from values and jackknife errors, (n_seeds,).

    The uncertainty is the standard deviation over seeds or the mean error, whichever is larger,
    since a few seeds can agree by chance.
    """
    return value.mean(), max(error.mean(), value.std(ddof=1)) if len(value) > 1 else error.mean()


def made_by(informations: Sequence[dict]) -> dict:
    """Versions, devices and commits of the fits."""
    versions = {
        name: " and ".join(sorted({each["versions"][name] for each in informations}))
        for name in informations[0]["versions"]
    }
    return {
        "versions": versions,
        "devices": sorted({each["device"] for each in informations}),
        "commits": sorted({each["commit"] for each in informations}),
        "unknown": git.UNKNOWN,
    }
