"""Tables of posteriors in the report. Imports no jax."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from imnn_core.evaluation.numbers import compact
from imnn_core.evaluation.tables import DASH, Cell, Table, measured, number, text

Row = Mapping[str, Any]


def of_posteriors(posterior: Sequence[Row], symbols: Mapping[str, str]) -> Table:
    """A row for each posterior and parameter."""
    several = any(row["observation"] for row in posterior)
    has_exact = any(math.isfinite(row["mean_exact"]) for row in posterior)
    found = []
    for row in posterior:
        interval = " to ".join(_to_digits(row[key], row["sd"]) for key in ("q16", "q84"))
        cells = [text(row["fit"]), number(row["seed"]), text(row["method"])]
        cells += [number(row["observation"])] * several
        cells += [
            (symbols[row["parameter"]], row["parameter"]),
            measured(row["mean"], row["sd"], exact=0),
            (interval, row["q16"]),
        ]
        cells += [measured(row["mean_exact"], row["sd_exact"], exact=0)] * has_exact
        cells += [number(row["n_simulations"]), number(row["seconds"], 3)]
        found.append(cells)
    exact = ["exact mean ± σ"] * has_exact
    columns = ["fit", "seed", "method", *["observation"] * several, "parameter"]
    columns += ["mean ± σ", "68 % interval", *exact, "simulations", "seconds"]
    return Table(columns, found)


def _to_digits(value: float, sd: float) -> str:
    """A number to a tenth of a standard deviation, however far it lies from 0."""
    if not math.isfinite(value) or not sd > 0:
        return compact(value)
    return compact(value, max(2, 2 + math.floor(math.log10(max(abs(value), sd) / sd))))


def _small(p: float) -> Cell:
    """A test's p, below a ten-thousandth no more than that."""
    return ("< 0.0001", p) if p < 1e-4 else number(p, 2)


def _range(low: float, high: float) -> Cell:
    if not math.isfinite(low):
        return DASH
    return (f"{low:.2f} to {high:.2f}", float(high))


def of_calibration(calibration: Sequence[Row], symbols: Mapping[str, str]) -> Table:
    """A row for each method and parameter that were tested."""
    has_exact = any(math.isfinite(row["width_over_exact_5"]) for row in calibration)
    found = []
    for row in calibration:
        cells = [
            text(row["fit"]),
            number(row["seed"]),
            text(row["method"]),
            (symbols[row["parameter"]], row["parameter"]),
            number(row["n"]),
            _small(row["rank_p"]),
            (f"{row['coverage_90']:.2f}", row["coverage_90"]),
            number(row["tarp_deviation"], 2),
            _small(row["tarp_p"]),
            measured(row["nats"], row["nats_error"]),
        ]
        if has_exact:
            cells += [
                _range(row["width_over_exact_5"], row["width_over_exact_95"]),
                measured(row["nats_lost"], row["nats_lost_error"]),
            ]
        found.append(cells)
    columns = ["fit", "seed", "method", "parameter", "tests", "ranks, p", "90 % cover"]
    columns += ["TARP, off", "TARP, p", "nats over prior"]
    return Table([*columns, *["σ over exact", "nats lost"] * has_exact], found)


def of_rounds(rounds: Mapping[str, Sequence[Row]], symbols: Mapping[str, str]) -> Table:
    """The posteriors of a run and of its refinements, means over the seeds."""
    found = []
    for name, posterior in rounds.items():
        of = {}
        for row in posterior:
            if row["observation"] == 0:
                key = (row["fit"], row["method"])
                of.setdefault(key, {}).setdefault(row["parameter"], []).append(row)
        for (fit, method), by_name in of.items():
            cells = (
                measured(
                    *(np.mean([row[key] for row in by_name[p]]) for key in ("mean", "sd")), exact=0
                )
                for p in symbols
            )
            found.append([text(name), text(fit), text(method), *cells])
    return Table(["run", "fit", "method", *symbols.values()], found)
