"""The report's tables: what stands in each cell, and by what it is sorted."""

import csv
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from imnn_core.evaluation import results

Cell = tuple[str, str | float]  # what is shown, and what it is sorted by


class Table(NamedTuple):
    """Columns by their names, and rows with a cell for each."""

    columns: list[str]
    rows: list[list[Cell]]


DASH = ("–", "")  # what was not measured; it is sorted to the end


def text(value: str) -> Cell:
    """A name, or whatever is no number."""
    return (value, value)


def number(value: float | None, n: int = 4) -> Cell:
    """A number to n significant digits, or to whole ones."""
    if value is None or not np.isfinite(value):
        return DASH
    if isinstance(value, int):
        return (str(value), value)
    is_plain = 1e-3 <= abs(value) < 10**n
    return (
        f"{value:#.{n}g}".rstrip(".").replace("-", "−") if is_plain else results.compact(value, n),
        float(value),
    )


def measured(value: float, error: float, percent: bool = False) -> Cell:
    """A number with its error, or a share with that in per cent."""
    if not np.isfinite(value):
        return DASH
    scale, unit = (100, " %") if percent else (1, "")
    return (results.with_error(scale * value, scale * error) + unit, float(value))


def _of_seed(information: dict, split: str, *keys: str, percent: bool = False) -> Cell:
    """A quantity of one fit and set; a dash where it was not measured."""
    pair = [results.on([information], split, *keys, part) for part in ("value", "error")]
    return DASH if pair[0] is None else measured(pair[0][0], pair[1][0], percent)


def information(of_fit: dict[str, list[dict]]) -> Table:
    """|F| of the test set, and of each set its share of the score's on the same simulations (|F| itself, without a score)."""
    each = [information for seeds in of_fit.values() for information in seeds]
    has_score = "over_score" in each[0]["splits"]["test"]
    keys = ("over_score" if has_score else "network", "det_F")
    sets = [split for split in ("training", "validation", "test") if has_score or split != "test"]
    what = "kept: {}" if has_score else "|F|, {}"
    columns = [
        "fit",
        "seed",
        "|F|, test",
        *(what.format(split) for split in sets),
        "iterations",
        "stopped by",
    ]
    rows = [
        [
            text(found["fit"]),
            number(found["seed"]),
            _of_seed(found, "test", "network", "det_F"),
            *(_of_seed(found, split, *keys, percent=has_score) for split in sets),
            number(found["iterations"]),
            text(found["stopped"]),
        ]
        for found in each
    ]
    return Table(columns, rows)


def parameters(
    of_fit: dict[str, list[dict]], names: Sequence[str], symbols: Sequence[str]
) -> Table:
    """Per fit and parameter, the bound sigma and the share of the score's F_aa: means over seeds."""
    has_score = "over_score" in next(iter(of_fit.values()))[0]["splits"]["test"]
    shown = [(("network", "sigma"), False)] + [(("over_score", "F_diagonal"), True)] * has_score

    def cells(informations, i):
        for keys, percent in shown:
            value, error = (
                results.on(informations, "test", *keys, part)[:, i] for part in ("value", "error")
            )
            yield measured(*results.of_seeds(value, error), percent)

    rows = [
        [text(fit), (symbols[i], name), *cells(informations, i)]
        for fit, informations in of_fit.items()
        for i, name in enumerate(names)
    ]
    return Table(["fit", "parameter", "σ from F", *["kept of the score’s Fₐₐ"] * has_score], rows)


QUANTITIES = {
    "skewness": "skewness",
    "excess_kurtosis": "excess kurtosis",
    "covariance_change": "change of C",
}


def assumptions(
    of_fit: dict[str, list[dict]], names: Sequence[str], symbols: Sequence[str]
) -> Table:
    """How Gaussian estimates are and how constant C is, which F takes for granted: of the score, then of each fit and seed."""

    def rows(information, whose, fit):
        for i, name in enumerate(names):
            both = (
                {
                    part: results.on([information], "test", whose, key, part)[0, i]
                    for part in ("value", "error")
                }
                for key in QUANTITIES
            )
            yield [
                text(fit),
                number(information["seed"]),
                (symbols[i], name),
                *(measured(**found) for found in both),
            ]

    each = [information for seeds in of_fit.values() for information in seeds]
    found = (
        list(rows(each[0], "score", "(the score)")) if "score" in each[0]["splits"]["test"] else []
    )
    for information in each:
        found += rows(information, "network", information["fit"])
    return Table(["fit", "seed", "parameter", *QUANTITIES.values()], found)


def details(of_fit: dict[str, list[dict]]) -> Table:
    """Of each fit what few ask for: |F| without its bias and over the analytic one, |C|, and where its weights are from."""

    def row(found):
        det_F, analytic = found["splits"]["test"]["network"]["det_F"], found["det_F_analytic"]
        yield from (text(found["fit"]), number(found["seed"]), number(det_F["debiased"]))
        if analytic is not None:
            yield measured(
                *(
                    results.on([found], "test", "network", "det_F", part)[0] / analytic
                    for part in ("value", "error")
                ),
                True,
            )
        yield number(found["splits"]["test"]["network"]["det_C"]["value"], 3)
        yield from (number(found["kept_iteration"]), number(found["patience_began"]))

    each = [information for seeds in of_fit.values() for information in seeds]
    of_analytic = ["of the analytic"] * (each[0]["det_F_analytic"] is not None)
    columns = [
        "fit",
        "seed",
        "|F|, debiased",
        *of_analytic,
        "|C|",
        "weights kept at",
        "patience began at",
    ]
    return Table(columns, [list(row(found)) for found in each])


def observations(estimates: Sequence[dict], symbols: Sequence[str]) -> Table:
    """Per fit, seed and observation, the estimate of each parameter with its error; of several, that of all at the end."""
    rows = []
    for found in estimates:
        n = len(found["estimates"])
        each = [
            (number(i + 1), values, found["error"]) for i, values in enumerate(found["estimates"])
        ]
        if n > 1:
            each.append(
                (
                    ("all", n + 1),
                    np.mean(found["estimates"], axis=0),
                    np.array(found["error"]) / np.sqrt(n),
                )
            )
        for which, values, error in each:
            cells = [measured(*pair) for pair in zip(values, error, strict=True)]
            rows.append([text(found["fit"]), number(found["seed"]), *[which] * (n > 1), *cells])
    several = ["observation"] * (len(estimates[0]["estimates"]) > 1)
    return Table(["fit", "seed", *several, *symbols], rows)


def _quantity(text: str | None) -> float:
    """A number of a benchmark file; NaN for NA, which stands where the job had ended before Snakemake looked."""
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


LATE = ("report", "pack")  # rules that are done after the report is written, or are it


def times(folder: str | Path, parts: set[str]) -> Table:
    """Per rule, what its jobs took by their benchmarks; of jobs that ran side by side the sum.

    Args:
        folder: of the benchmarks, a file or a folder per rule.
        parts: names of the run's recipes, seeds and sets: others are of what was in its config
            before.

    """
    of_rule: dict[str, list[tuple[float, float]]] = {}
    for path in sorted(Path(folder).rglob("*.tsv")):
        rule, *which = path.relative_to(folder).with_suffix("").parts
        if parts.issuperset(which) and rule not in LATE:
            with path.open(encoding="utf-8", errors="replace") as file:
                for row in csv.DictReader(file, delimiter="\t"):
                    seconds, memory = _quantity(row.get("s")), _quantity(row.get("max_rss"))
                    if np.isfinite(
                        seconds
                    ):  # else Snakemake was interrupted when it wrote the file
                        of_rule.setdefault(rule, []).append((seconds, memory))
    rows = []
    for rule, jobs in of_rule.items():
        seconds = [each[0] for each in jobs]
        memory = max(
            (each[1] for each in jobs if each[1] > 0), default=None
        )  # 0: it ended before it was looked at
        taken = [
            number(value, 3) for value in (sum(seconds), statistics.median(seconds), max(seconds))
        ]
        rows.append([text(rule), number(len(jobs)), *taken, number(memory, 3)])
    rows.sort(key=lambda row: -row[2][1])
    return Table(["rule", "jobs", "seconds, all", "median", "longest", "memory at most, MB"], rows)
