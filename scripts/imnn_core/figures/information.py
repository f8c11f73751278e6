"""What each recipe kept, seed by seed. Arrays in, a Figure out."""

from typing import NamedTuple

import numpy as np
from imnn_core.figures.plots import MARGIN, colour_and_mark, head, new_figure, width, wrapped
from matplotlib.figure import Figure


class Kept(NamedTuple):
    """What a recipe kept: of each seed value and error, (n_seeds,), and of all in words."""

    values: np.ndarray
    errors: np.ndarray
    text: str


def information_figure(
    kept: dict[str, Kept], *, line: tuple[float, str] | None, quantity: str, title: str
) -> Figure:
    """What each recipe kept: its name and a text, and below a point per seed; best at the right.

    Args:
        kept: by recipe.
        line: value and name of what the recipes are compared with, dashed, or None.
        quantity: what the values are, for the axis.
        title: of the figure.

    """
    room = width() - 2 * MARGIN
    names = {fit: wrapped(f"{fit}  {each.text}", room, weight="bold") for fit, each in kept.items()}
    lines = {
        fit: 0.17 + 0.14 * name.count("\n") for fit, name in names.items()
    }  # inches of a name's text
    heights = {
        fit: lines[fit] + 0.2 + 0.035 * min(len(each.values), 15) for fit, each in kept.items()
    }
    figure = new_figure(1.15 + sum(heights.values()))
    axes = figure.subplots()
    if line is not None:
        axes.axvline(line[0], color="black", linewidth=1, linestyle="--", label=line[1])
    top = 0.0
    for fit, each in kept.items():
        colour, mark = colour_and_mark(fit, kept)
        half = (heights[fit] - lines[fit]) / 2 - 0.06
        n = len(each.values)
        places = (
            top
            + heights[fit]
            - 0.06
            - half
            + (np.linspace(-half, half, n) if n > 1 else np.zeros(1))
        )
        axes.errorbar(
            each.values,
            places,
            xerr=each.errors,
            fmt=mark,
            color=colour,
            elinewidth=0.8,
            markersize=3,
        )
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        beside = {
            "transform": axes.get_yaxis_transform(),
            "va": "top",
            "fontweight": "bold",
            "bbox": ground,
        }
        axes.text(0.01, top + 0.03, names[fit], color=colour, **beside)
        top += heights[fit]
    axes.set_yticks([])
    axes.set_ylim(top, 0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(quantity)
    head(figure, title, axes)
    return figure
