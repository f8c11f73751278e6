"""Figures of how fits went: one, or all seeds of a recipe with their median. Arrays in, a Figure out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from imnn_core.evaluation.numbers import compact
from imnn_core.figures.plots import GREY, head, new_figure
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe & Ito 2008: told apart by colour-blind readers.
COLOURS = {"training": "#0072B2", "validation": "#D55E00"}
PANELS = {
    "det_F": "$|F|$",
    "det_C": "$|C|$",
    "penalty": r"penalty $\Lambda_2$",
    "coupling": "coupling $r$",
}


class History(NamedTuple):
    """How a fit went.

    columns: arrays over its iterations, by the names of history.csv.
    kept_iteration: updates that led to the weights that `evaluate` uses.
    patience_began: those after which |F| rose no more, so that patience was counted from there.
    """

    columns: dict[str, np.ndarray]
    kept_iteration: int
    patience_began: int


def median(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Over seeds, iteration by iteration; a fit that has stopped counts with its last value."""
    n = max(map(len, arrays))
    return np.median([np.pad(array, (0, n - len(array)), mode="edge") for array in arrays], axis=0)


def _curves(axes: Axes, histories: Sequence[History], splits: Sequence[str], quantity: str) -> None:
    """A quantity of each set: of one fit, or thin lines and their median of several."""
    for split in splits:
        each = [history.columns[f"{split}_{quantity}"] for history in histories]
        if len(each) > 1:
            for values in each:
                axes.plot(values, color=COLOURS[split], linewidth=0.5, alpha=0.5)
        name, middle = split if len(each) == 1 else f"{split}, median", median(each)
        axes.plot(
            middle,
            color=COLOURS[split],
            label=name,
            marker="." if len(middle) == 1 else None,
            clip_on=len(middle) > 1,
        )


def _marks(axes: Axes, histories: Sequence[History], judge: str) -> None:
    """On the curves of several fits' |F|: the weights that were kept, and where patience began."""
    for name, mark, size in (("patience_began", "|", 9), ("kept_iteration", ".", 6)):
        at = [
            min(getattr(history, name), len(history.columns["iteration"]) - 1)
            for history in histories
        ]
        values = [
            history.columns[f"{judge}_det_F"][i] for history, i in zip(histories, at, strict=True)
        ]
        label = {"kept_iteration": "weights kept", "patience_began": "patience begins"}[name]
        axes.plot(
            at,
            values,
            mark,
            color="black",
            markersize=size,
            markeredgewidth=0.8,
            label=label,
            zorder=3,
            clip_on=False,
        )


def history_figure(
    histories: Sequence[History], splits: Sequence[str], *, analytic: float | None, title: str
) -> Figure:
    """Four panels against iterations: |F|, |C|, the penalty and its coupling.

    Args:
        histories: of one fit, or of a recipe's seeds.
        splits: "training", and "validation" where the fits had one.
        analytic: |F| in closed form, or None.
        title: of the whole figure.

    """
    figure = new_figure(5.2)
    panels = dict(
        zip(
            PANELS,
            figure.subplots(len(PANELS), 1, sharex=True, height_ratios=[2, 1, 1, 1]),
            strict=True,
        )
    )
    for quantity, axes in panels.items():
        _curves(axes, histories, splits, quantity)
        axes.set_ylabel(PANELS[quantity])
    if analytic is not None:
        panels["det_F"].axhline(
            analytic,
            color="black",
            linewidth=1,
            linestyle="--",
            label=f"analytic, {compact(analytic)}",
        )
    panels["det_C"].axhline(1, color=GREY, linewidth=0.6)
    for quantity in ("det_C", "penalty"):
        panels[quantity].set_yscale("log")
    panels["coupling"].set_ylim(bottom=0)
    det_F = np.concatenate(
        [each.columns[f"{split}_det_F"] for each in histories for split in splits]
    )
    if not det_F.min() > 0.6 * det_F.max():
        panels["det_F"].set_ylim(bottom=0)
    end = max(
        max(len(history.columns["iteration"]) - 1, history.kept_iteration, 1)
        for history in histories
    )
    if len(histories) == 1:
        ((columns, kept_iteration, patience_began),) = histories
        last = max(patience_began, len(columns["iteration"]) - 1)
        for axes in panels.values():
            axes.axvspan(
                patience_began, last, color="#efefef", linewidth=0, zorder=0, label="patience"
            )
            axes.axvline(
                kept_iteration, color=GREY, linewidth=0.9, linestyle="-.", label="weights kept"
            )
    else:
        _marks(panels["det_F"], histories, splits[-1])
    panels["coupling"].set_xlabel("iteration")
    panels["coupling"].set_xlim(0, end)
    figure.align_ylabels(list(panels.values()))
    head(figure, title, panels["det_F"])
    return figure
