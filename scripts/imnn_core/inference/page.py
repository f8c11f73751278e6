"""Posteriors in the report: its first sentence, warnings, and what it shows. Imports no jax."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from imnn_core.evaluation import results, warnings
from imnn_core.evaluation.headline import in_words
from imnn_core.evaluation.numbers import with_error
from imnn_core.inference import doubts, tables
from imnn_core.store import texts

Row = Mapping[str, Any]
TEXTS = ("fit", "method", "parameter")
WHOLE = ("seed", "observation", "n", "n_simulations")
BEST = ("neural", "pmc", "rejection", "gaussian")  # which is shown first if calibrated as well
REJECTED = 0.01  # of a test's p, below which a method is not calibrated


def rows(path: str | Path) -> list[dict[str, Any]]:
    """Rows of one of the run's tables; what was not measured is NaN."""
    with open(path, encoding="utf-8", newline="") as file:
        return [
            {key: _value(key, found) for key, found in row.items()} for row in csv.DictReader(file)
        ]


def _value(key: str, found: str) -> str | int | float:
    if key in TEXTS:
        return found
    return int(found) if key in WHOLE else float(found or "nan")


def is_calibrated(calibration: Sequence[Row], fit: str, method: str) -> bool | None:
    """Whether ranks and TARP of a method reject none of its seeds; None if it was not tested."""
    its = [row for row in calibration if (row["fit"], row["method"]) == (fit, method)]
    if not its:
        return None
    # Of many tests the least p is compared with the level over their number (Bonferroni).
    least = min(p for row in its for p in (row["rank_p"], row["tarp_p"]))
    return least * (len(its) + len({row["seed"] for row in its})) > REJECTED


def chosen(posterior: Sequence[Row], calibration: Sequence[Row], fits: Sequence[str]) -> tuple:
    """The recipe and the method whose posterior stands first, and whether it is calibrated.

    Args:
        posterior, calibration: rows of the tables.
        fits: recipes, the most trusted first.

    """
    methods = [each for each in BEST if each in {row["method"] for row in posterior}]
    found = {
        (fit, method): is_calibrated(calibration, fit, method)
        for fit in fits[:1]
        for method in methods
    }
    ranked = sorted(found, key=lambda key: {True: 0, None: 1, False: 2}[found[key]])
    return (*ranked[0], found[ranked[0]])


def sentence(
    posterior: Sequence[Row],
    calibration: Sequence[Row],
    fits: Sequence[str],
    names: Sequence[str],
    symbols: Sequence[str],
    is_observed: bool,
    doubt: str = "",
    peaks: frozenset = frozenset(),
) -> str:
    """The posterior's mean ± sigma of the most trusted recipe, in one sentence.

    Args:
        fits: recipes, the most trusted first.
        doubt: why none of them is to be trusted, or empty.
        peaks: recipes and methods whose posterior has more than one peak.

    """
    fit, method, calibrated = chosen(posterior, calibration, fits)
    its = [
        row
        for row in posterior
        if (row["fit"], row["method"], row["observation"]) == (fit, method, 0)
    ]
    n_seeds = len({row["seed"] for row in its})
    shown = []
    for name, symbol in zip(names, symbols, strict=True):
        of = [row for row in its if row["parameter"] == name]
        mean, sd = (np.mean([row[key] for row in of]) for key in ("mean", "sd"))
        shown.append(f"{symbol} = {with_error(mean, sd, 0)}")
    found = f"{', '.join(shown)}: the posterior’s mean ± σ"
    n_obs = len({row["observation"] for row in posterior})
    found += " of a test simulation" * (not is_observed)
    found += f" of the first of {n_obs} observations" * (n_obs > 1)
    found += ", by" if not is_observed or n_obs > 1 else " by"
    how = f"{found} {fit} and {method}, {in_words(n_seeds, 'seed')}"
    if (fit, method) in peaks:
        how += "; it has more than one peak, which they do not describe"
    if calibrated is False:
        how += "; not calibrated"
    if calibrated is None:
        how += "; its calibration was not tested"
    return f"{how}; not to be trusted: {doubt}" if doubt else how


def said_of(told: Sequence[Row], calibration: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Warnings about posteriors, each with its remedy.

    Args:
        told: doubts that `tabulate_posterior` wrote.
        calibration: rows of the table.

    """
    for each in told:
        yield (
            f"{doubts.whose(each)}: {each['what']}.",
            "docs/posterior.md says what each method assumes, and what each of these means: more "
            "simulations, a nearer theta_fid by refine, or another prior.",
        )
    tested = dict.fromkeys((row["fit"], row["method"]) for row in calibration)
    for fit, method in tested:
        if is_calibrated(calibration, fit, method) is False:
            yield (
                f"{fit}: posteriors by {method} are not calibrated over the prior.",
                "Read them with care: gaussian and rejection hold near theta_fid and with many "
                "simulations; take another method, or more simulations.",
            )


def of_run(
    paths: Mapping[str, Any] | None, names: Sequence[str], of_fit: Mapping, shown: Mapping, run: str
) -> dict[str, Any]:
    """What the page shows of posteriors, and its headline and warnings with theirs.

    Args:
        paths: see `report`; None without posteriors.
        names: of the parameters.
        of_fit: information.json of each seed, by recipe.
        shown: what the page shows besides.
        run: its name, with that of the refinement.

    """
    if paths is None:
        return {"posterior": None}
    of_runs = {Path(path).parent.name: rows(path) for path in paths["tables"]}
    posterior, calibration = list(of_runs.values())[-1], rows(paths["calibration"])
    found = texts.read_json(paths["doubts"])
    symbols = dict(zip(names, shown["symbols"], strict=True))
    kept = {fit: results.share(seeds).mean for fit, seeds in of_fit.items()}
    ranked = sorted(of_fit, key=lambda fit: (fit in shown["doubts"], -kept[fit]))
    doubt = "" if len(shown["doubts"]) < len(of_fit) else next(iter(shown["doubts"].values()))
    said = list(said_of(found["doubts"], calibration))
    return {
        "headline": sentence(
            posterior,
            calibration,
            ranked,
            names,
            shown["symbols"],
            found["is_observed"],
            doubt,
            frozenset((each["fit"], each["method"]) for each in found["doubts"] if each["peaks"]),
        ),
        "posterior": {
            "kept": shown["headline"],
            "is_observed": found["is_observed"],
            "table": tables.of_posteriors(posterior, symbols),
            "calibration": tables.of_calibration(calibration, symbols) if calibration else None,
            "rounds": tables.of_rounds(of_runs, symbols) if "/" in run else None,
            "figure": paths["figure"],
            "figures": dict(zip(of_fit, paths["figures"], strict=True)),
        },
        "warnings": warnings.by_remedy(said) | shown["warnings"],
        "n_warnings": len(said) + shown["n_warnings"],
        "n_serious": len(said) + shown["n_serious"],
    }
