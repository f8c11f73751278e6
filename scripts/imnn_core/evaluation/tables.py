"""The report's tables: the text of each cell, and the value that it is sorted by."""

import csv
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from imnn_core.evaluation import results, trust
from imnn_core.evaluation.numbers import EXACT, compact, with_error

Cell = tuple[str, str | float]  # the text, and the value that it is sorted by


class Table(NamedTuple):
    """Names of the columns, and rows with a cell for each."""

    columns: list[str]
    rows: list[list[Cell]]


DASH = ("–", "")  # not measured; sorted to the end


def text(value: str) -> Cell:
    """A name, or another text."""
    return (value, value)


def number(value: float | None, n: int = 4) -> Cell:
    """A number to n significant digits, or an integer."""
    if value is None or not np.isfinite(value):
        return DASH
    if isinstance(value, int):
        return (str(value), value)
    is_plain = 1e-3 <= abs(value) < 10**n
    shown = f"{value:#.{n}g}".rstrip(".").replace("-", "−") if is_plain else compact(value, n)
    return (shown, float(value))


def measured(
    value: float | None, error: float | None, percent: bool = False, exact: float = EXACT
) -> Cell:
    """A number with its error, as a percentage where it is a share; see `numbers.with_error`."""
    if value is None or not np.isfinite(value):
        return DASH
    scale, unit = (100, " %") if percent else (1, "")
    return (with_error(scale * value, scale * error, exact) + unit, float(value))


def of_test(found: dict, *keys: str) -> list[np.ndarray]:
    """Value and error of a quantity of one fit's test set."""
    return [each[0] for each in results.measured([found], "test", *keys)]


def information(informations: Sequence[dict], names: Sequence[str]) -> Table:
    """|F| of each fit's test set, and the share that it keeps of the score's |F| on every set.

    Without a score, |F| of the other sets. If some |F| is not to be trusted, a column says which.
    """
    trusted = [trust.is_trusted(found, names) for found in informations]
    has_score = results.has_score(informations)
    keys = ("over_score" if has_score else "network", "det_F")
    sets = ["training", "validation", *["test"] * has_score]
    what = "kept: {}" if has_score else "|F|, {}"

    def of_set(found, split):
        pair = results.measured([found], split, *keys)
        return DASH if pair[0] is None else measured(pair[0][0], pair[1][0], percent=has_score)

    rows = [
        [
            text(found["fit"]),
            number(found["seed"]),
            measured(*of_test(found, "network", "det_F")),
            *(of_set(found, split) for split in sets),
            number(found["iterations"]),
            text(found["stopped"]),
            *([] if all(trusted) else [text("yes" if is_trusted else "no")]),
        ]
        for found, is_trusted in zip(informations, trusted, strict=True)
    ]
    shares = [what.format(split) for split in sets]
    further = ["iterations", "stopped by", *([] if all(trusted) else ["trusted"])]
    return Table(["fit", "seed", "|F|, test", *shares, *further], rows)


def parameters(
    of_fit: dict[str, list[dict]], names: Sequence[str], symbols: Sequence[str]
) -> Table:
    """Bound sigma and share of the score's F_aa, by recipe and parameter: means over seeds."""
    has_score = results.has_score(next(iter(of_fit.values())))
    shown = [(("network", "sigma"), False)] + [(("over_score", "F_diagonal"), True)] * has_score

    def cells(informations, i):
        for keys, percent in shown:
            value, error = (each[:, i] for each in results.measured(informations, "test", *keys))
            yield measured(*results.of_seeds(value, error), percent)

    rows = [
        [text(fit), (symbols[i], name), *cells(informations, i)]
        for fit, informations in of_fit.items()
        for i, name in enumerate(names)
    ]
    shares = ["kept of the score’s Fₐₐ"] * has_score
    return Table(["fit", "parameter", "σ from F", *shares], rows)


def observations(estimates: Sequence[dict], symbols: Sequence[str]) -> Table:
    """Estimates from observed data, by fit and observation, with the mean of several."""
    rows = []
    for found in estimates:
        values, error = np.array(found["estimates"]), np.array(found["error"])
        n = len(values)
        shown = [(number(i + 1), each, error) for i, each in enumerate(values)]
        if n > 1:
            shown.append((("all", n + 1), values.mean(axis=0), error / np.sqrt(n)))
        for which, each, error_of_it in shown:
            cells = map(measured, each, error_of_it)
            rows.append([text(found["fit"]), number(found["seed"]), *[which] * (n > 1), *cells])
    several = ["observation"] * (len(estimates[0]["estimates"]) > 1)
    return Table(["fit", "seed", *several, *symbols], rows)


def _quantity(text: str | None) -> float:
    """A number of a benchmark file; NaN for NA: the job ended before Snakemake measured it."""
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


LATE = ("report", "pack")  # rules that end after the report is written


def times(folder: str | Path, names: set[str]) -> Table:
    """Times and memory of each rule's jobs, from their benchmark files.

    Args:
        folder: of the benchmarks, with a file or a folder per rule.
        names: of the run's recipes, seeds, sets and parts. Other files are left from an earlier
            config, and are skipped.

    """
    of_rule: dict[str, list[tuple[float, float]]] = {}
    for path in sorted(Path(folder).rglob("*.tsv")):
        rule, *which = path.relative_to(folder).with_suffix("").parts
        if names.issuperset(which) and rule not in LATE:
            with path.open(encoding="utf-8", errors="replace") as file:
                for row in csv.DictReader(file, delimiter="\t"):
                    job = _quantity(row.get("s")), _quantity(row.get("max_rss"))
                    if np.isfinite(job[0]):  # else Snakemake was interrupted while writing
                        of_rule.setdefault(rule, []).append(job)
    rows = []
    for rule, jobs in of_rule.items():
        seconds = [each[0] for each in jobs]
        # 0: the job ended before Snakemake measured it.
        memory = max((each[1] for each in jobs if each[1] > 0), default=None)
        taken = (sum(seconds), statistics.median(seconds), max(seconds), memory)
        rows.append([text(rule), number(len(jobs)), *(number(value, 3) for value in taken)])
    rows.sort(key=lambda row: -row[2][1])
    return Table(["rule", "jobs", "seconds, all", "median", "longest", "memory at most, MB"], rows)
