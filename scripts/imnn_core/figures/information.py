"""Figure of the information that each recipe kept, by seed."""

from typing import NamedTuple

import numpy as np
from imnn_core.figures.plots import MARGIN, colour_and_mark, head, new_figure, width, wrapped
from matplotlib.figure import Figure


class Kept(NamedTuple):
    """The information that a recipe kept."""

    values: np.ndarray  # (n_seeds,)
    errors: np.ndarray  # (n_seeds,)
    text: str  # all seeds


def information_figure(
    kept: dict[str, Kept], *, line: tuple[float, str] | None, quantity: str, title: str
) -> Figure:
    """Draw a point per seed of each recipe, below the recipe's name and a text.

    Args:
        kept: by recipe.
        line: value and name of the reference, or None.
        quantity: label of the axis.
        title: of the figure.

    """
    room = width() - 2 * MARGIN
    names = {fit: wrapped(f"{fit}  {each.text}", room, weight="bold") for fit, each in kept.items()}
    # Inches of a name, and of a recipe.
    lines = {fit: 0.17 + 0.14 * name.count("\n") for fit, name in names.items()}
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
        offsets = np.linspace(-half, half, n) if n > 1 else np.zeros(1)
        places = top + heights[fit] - 0.06 - half + offsets
        points = {"fmt": mark, "color": colour, "elinewidth": 0.8, "markersize": 3}
        axes.errorbar(each.values, places, xerr=each.errors, **points)
        above = {"transform": axes.get_yaxis_transform(), "va": "top", "fontweight": "bold"}
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        axes.text(0.01, top + 0.03, names[fit], color=colour, bbox=ground, **above)
        top += heights[fit]
    axes.set_yticks([])
    axes.set_ylim(top, 0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(quantity)
    head(figure, title, axes)
    return figure
