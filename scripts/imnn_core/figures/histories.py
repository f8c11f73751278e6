"""Figures of the histories of fits: of one fit, or of all seeds of a recipe."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from imnn_core.evaluation.numbers import compact
from imnn_core.figures.plots import GREY, head, new_figure
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe & Ito 2008, distinct for colour-blind readers.
COLOURS = {"training": "#0072B2", "validation": "#D55E00"}
PANELS = {
    "det_F": "$|F|$",
    "det_C": "$|C|$",
    "penalty": r"penalty $\Lambda_2$",
    "coupling": "coupling $r$",
}


MARKS = {"patience_began": ("|", 9, "patience begins"), "kept_iteration": (".", 6, "weights kept")}


class History(NamedTuple):
    """The history of a fit."""

    columns: dict[str, np.ndarray]  # per iteration, by the names of history.csv
    kept_iteration: int  # number of updates of the weights that `evaluate` uses
    patience_began: int  # number of updates after which |F| rose no more


def median(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Median over seeds per iteration; a fit that has stopped counts with its last value."""
    n = max(map(len, arrays))
    return np.median([np.pad(array, (0, n - len(array)), mode="edge") for array in arrays], axis=0)


def _curves(axes: Axes, histories: Sequence[History], splits: Sequence[str], quantity: str) -> None:
    """Draw a quantity of each set: of one fit, or of several with their median."""
    for split in splits:
        each = [history.columns[f"{split}_{quantity}"] for history in histories]
        if len(each) > 1:
            for values in each:
                axes.plot(values, color=COLOURS[split], linewidth=0.5, alpha=0.5)
        name, middle = split if len(each) == 1 else f"{split}, median", median(each)
        is_point = len(middle) == 1
        marker = "." if is_point else None
        axes.plot(middle, color=COLOURS[split], label=name, marker=marker, clip_on=not is_point)


def _marks(axes: Axes, histories: Sequence[History], judge: str) -> None:
    """Mark, on |F| of several fits, where patience began and which weights were kept."""
    style = {"color": "black", "markeredgewidth": 0.8, "zorder": 3, "clip_on": False}
    for name, (mark, size, label) in MARKS.items():
        det_F = [history.columns[f"{judge}_det_F"] for history in histories]
        at = [
            min(getattr(history, name), len(history.columns["iteration"]) - 1)
            for history in histories
        ]
        values = [each[i] for each, i in zip(det_F, at, strict=True)]
        axes.plot(at, values, mark, markersize=size, label=label, **style)


def history_figure(
    histories: Sequence[History], splits: Sequence[str], *, analytic: float | None, title: str
) -> Figure:
    """Draw |F|, |C|, the penalty and its coupling against iterations, a panel each.

    Args:
        histories: of one fit, or of a recipe's seeds.
        splits: "training", and "validation" where the fits had one.
        analytic: |F| in closed form, or None.
        title: of the whole figure.

    """
    figure = new_figure(5.2)
    rows = figure.subplots(len(PANELS), 1, sharex=True, height_ratios=[2, 1, 1, 1])
    panels = dict(zip(PANELS, rows, strict=True))
    for quantity, axes in panels.items():
        _curves(axes, histories, splits, quantity)
        axes.set_ylabel(PANELS[quantity])
    if analytic is not None:
        label = f"analytic, {compact(analytic)}"
        panels["det_F"].axhline(analytic, color="black", linewidth=1, linestyle="--", label=label)
    panels["det_C"].axhline(1, color=GREY, linewidth=0.6)
    for quantity in ("det_C", "penalty"):
        panels[quantity].set_yscale("log")
    panels["coupling"].set_ylim(bottom=0)
    det_F = np.concatenate(
        [each.columns[f"{split}_det_F"] for each in histories for split in splits]
    )
    if not det_F.min() > 0.6 * det_F.max():
        panels["det_F"].set_ylim(bottom=0)
    ends = [max(len(each.columns["iteration"]) - 1, each.kept_iteration, 1) for each in histories]
    if len(histories) == 1:
        ((columns, kept, began),) = histories
        last = max(began, len(columns["iteration"]) - 1)
        for axes in panels.values():
            axes.axvspan(began, last, color="#efefef", linewidth=0, zorder=0, label="patience")
            axes.axvline(kept, color=GREY, linewidth=0.9, linestyle="-.", label="weights kept")
    else:
        _marks(panels["det_F"], histories, splits[-1])
    panels["coupling"].set_xlabel("iteration")
    panels["coupling"].set_xlim(0, max(ends))
    figure.align_ylabels(list(panels.values()))
    head(figure, title, panels["det_F"])
    return figure
