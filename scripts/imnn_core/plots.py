"""Figures: arrays and Axes in, drawing out. Knows no jax and no files but for `save`."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from imnn_core.files import writing
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe & Ito 2008: told apart by colour-blind readers.
COLOURS = {"training": "#0072B2", "validation": "#D55E00"}
# Of recipes, in all figures, in the config's order; marks tell them apart without colours. Tol's muted scheme, for the same
# readers.
RECIPES = ("#117733", "#882255", "#44AA99", "#AA4499", "#999933", "#CC6677", "#332288", "#88CCEE")
MARKS = "os^DvPX*"
GREY = "#555555"

STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    "svg.fonttype": "path",
    "svg.hashsalt": "imnn",  # else an unchanged figure is a changed file
}


def legend_above(axes: Axes, *handles_and_labels) -> None:
    """A legend in one row above the axes, where it hides no curve."""
    axes.legend(*handles_and_labels, ncols=4, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.1, columnspacing=1.6)


def determinant_of_F(axes: Axes, history: dict, splits: Sequence[str], analytic: float | None) -> None:
    """|F| against iterations, the analytic value dashed."""
    for split in splits:
        axes.plot(history["iteration"], history[f"{split}_det_F"], color=COLOURS[split], label=split)
    if analytic is not None:
        axes.axhline(analytic, color="black", linestyle="--", label=f"analytic, {analytic:.4g}")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("$|F|$")


def determinants_of_C(axes: Axes, history: dict, splits: Sequence[str]) -> None:
    """|C| and |C^-1| against iterations, on a log axis."""
    for split in splits:
        axes.plot(history["iteration"], history[f"{split}_det_C"], color=COLOURS[split], label=f"$|C|$, {split}")
        axes.plot(
            history["iteration"],
            history[f"{split}_det_invC"],
            color=COLOURS[split],
            linestyle=":",
            label=f"$|C^{{-1}}|$, {split}",
        )
    axes.axhline(1, color=GREY, linewidth=0.8)
    axes.set_yscale("log")
    axes.set_ylabel("$|C|$,  $|C^{-1}|$")


def regularisation(axes: Axes, history: dict, splits: Sequence[str]) -> None:
    """The penalty (left axis) and its coupling (right axis) against iterations."""
    right = axes.twinx()
    right.grid(False)
    right.spines["right"].set_visible(True)
    for split in splits:
        axes.plot(history["iteration"], history[f"{split}_penalty"], color=COLOURS[split], label=rf"$\Lambda_2$, {split}")
        right.plot(
            history["iteration"], history[f"{split}_coupling"], color=COLOURS[split], linestyle=":", label=f"$r$, {split}"
        )
    axes.set_yscale("log")
    axes.set_ylabel(r"penalty $\Lambda_2$ (solid)")
    right.set_ylabel("coupling $r$ (dotted)")
    right.set_ylim(bottom=0)
    handles = [*axes.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
    labels = [*axes.get_legend_handles_labels()[1], *right.get_legend_handles_labels()[1]]
    legend_above(axes, handles, labels)


def history_figure(history: dict, splits: Sequence[str], *, analytic: float | None, kept_iteration: int, title: str) -> Figure:
    """The three panels of a fit: |F|; |C| and |C^-1|; the penalty and its coupling.

    Args:
        history: arrays over iterations, by the column names of history.csv.
        splits: "training", and "validation" where the fit had one.
        analytic: |F| in closed form, or None.
        kept_iteration: updates that led to the weights that `evaluate` uses.
        title: of the whole figure.

    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.6, 7.2))
        panels = figure.subplots(3, 1, sharex=True, height_ratios=[1.25, 1, 1])
        figure.suptitle(title, fontsize=10, x=0.01, ha="left")
        determinant_of_F(panels[0], history, splits, analytic)
        determinants_of_C(panels[1], history, splits)
        regularisation(panels[2], history, splits)
        for axes in panels:
            axes.axvline(kept_iteration, color=GREY, linewidth=0.8, linestyle="-.", label="_")
        panels[0].axvline(np.nan, color=GREY, linewidth=0.8, linestyle="-.", label=f"weights kept, iteration {kept_iteration}")
        for axes in panels[:2]:
            legend_above(axes)
        panels[2].set_xlabel("iteration")
        panels[2].set_xlim(0, max(len(history["iteration"]) - 1, kept_iteration, 1))
        figure.align_ylabels(panels)
    return figure


def colour_and_mark(fit: str, fits: Sequence[str]) -> tuple[str, str]:
    """Of a recipe, by its place among all."""
    i = list(fits).index(fit)
    return RECIPES[i % len(RECIPES)], MARKS[i % len(MARKS)]


def save(figure: Figure, path: str | Path, kind: str) -> None:
    """Write a figure as "svg" or "png", the same bytes each time it is drawn."""
    metadata = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}[kind]
    with matplotlib.rc_context(STYLE):
        figure.savefig(path, format=kind, metadata=metadata)


def save_all(figure: Figure, paths: Sequence[str | Path]) -> None:
    """Write a figure to each path, whole or not at all, in the format that its ending says."""
    for path in paths:
        with writing(path) as temporary:
            save(figure, temporary, kind=str(path).rsplit(".", 1)[-1])
