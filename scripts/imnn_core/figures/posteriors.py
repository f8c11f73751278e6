"""Figure of the posteriors of the parameters: contours of each pair, and marginal densities."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from imnn_core.evaluation.weighted import quantiles
from imnn_core.figures import densities
from imnn_core.figures.plots import SHOWN, colour_and_mark, head, new_figure
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# The most exact first: solid lines.
STYLES = {"neural": "-", "rejection": (0, (4, 1.5)), "pmc": (0, (4, 1.2, 1, 1.2)), "gaussian": ":"}
ROUGH = "gaussian"  # whose width does not decide what is shown
SHADES = "#e0e0e0", "#bdbdbd"  # of the exact posterior, within the outer and the inner contour
THICK, THIN = 1.2, 0.7
SHOWN_MASS = 0.01, 0.99  # quantiles that are shown of each
MANY = 4  # posteriors, of more than which inner contours are left out
MOST = 6  # times the extent of the narrowest that is shown at most, to both sides


class Curve(NamedTuple):
    """Samples of one posterior.

    fit: the recipe. method: its name. theta: (n, n_params). weights: (n,).
    bounds: of the parameters, (n_params, 2), with infinities.
    """

    fit: str
    method: str
    theta: np.ndarray
    weights: np.ndarray
    bounds: np.ndarray


class Drawn(NamedTuple):
    """What is drawn of a posterior: a density for each set of parameters, in what look."""

    of: dict[tuple[int, ...], densities.Density | None]
    look: dict


def look_of_method(method: str) -> dict:
    """Colour and line of a method where one recipe is shown.

    Colours are the last of the style's, the first of which recipes have.
    """
    colours = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    place = list(STYLES).index(method) if method in STYLES else len(STYLES)
    return {"color": colours[-1 - (place + 1) % len(colours)], "linestyle": STYLES.get(method, "-")}


def _look(curve: Curve, fits: Sequence[str]) -> dict:
    """Recipes have colours and methods have lines; methods have both if there is one recipe."""
    look = look_of_method(curve.method)
    return look if len(fits) == 1 else look | {"color": colour_and_mark(curve.fit, fits)[0]}


def _densities(theta, weights, bounds):
    """Densities of each parameter and of each pair."""
    theta, weights = densities.usable(theta, weights)
    p = theta.shape[1]
    sets = [(i,) for i in range(p)] + [(i, j) for j in range(p) for i in range(j)]
    return {
        which: densities.density(theta[:, which], weights, bounds[list(which)]) for which in sets
    }


def extents(curves: Sequence[Curve], truth: np.ndarray | None) -> np.ndarray:
    """What to show of each parameter, (n_params, 2).

    All but a hundredth of each posterior, but at most MOST times the narrowest; with the truth.
    """
    found = []
    for curve in [curve for curve in curves if curve.method != ROUGH] or curves:
        theta, weights = densities.usable(curve.theta, curve.weights)
        if len(theta):
            found.append([quantiles(x, weights, SHOWN_MASS) for x in theta.T])
    if not found:
        return np.tile([0.0, 1.0], (curves[0].theta.shape[1], 1))
    low, high = np.moveaxis(found, -1, 0)  # (n_curves, p)
    if truth is not None:
        low, high = (np.concatenate([each, truth[None]]) for each in (low, high))
    widths = (high - low)[: len(found)]
    narrow = np.argmin(np.where(widths > 0, widths, np.inf), axis=0)[None]
    centre = np.take_along_axis((low + high) / 2, narrow, 0)[0]
    half = np.take_along_axis(widths, narrow, 0)[0] / 2
    half = np.where(half > 0, half, np.maximum(np.abs(centre), 1))
    low = np.maximum(low.min(axis=0), centre - MOST * half)
    high = np.minimum(high.max(axis=0), centre + MOST * half)
    margin = 0.08 * (high - low) + 0.05 * half
    bounds = np.array([curve.bounds for curve in curves])
    low = np.maximum(low - margin, bounds[..., 0].min(axis=0))
    high = np.minimum(high + margin, bounds[..., 1].max(axis=0))
    return np.stack([low, high], axis=1)


def _marginal(axes: Axes, i: int, drawn: Sequence[Drawn], exact: dict | None) -> None:
    """Draw the densities of one parameter, each relative to its highest."""
    if exact is not None and exact[i,] is not None:
        (x,), values, _ = exact[i,]
        axes.fill_between(x, values / values.max(), color=SHADES[1], linewidth=0)
    for each in drawn:
        if each.of[i,] is not None:
            (x,), values, _ = each.of[i,]
            axes.plot(x, values / values.max(), **each.look, linewidth=THICK)
    axes.set_ylim(0, 1.08)


def _pair(axes: Axes, i: int, j: int, drawn: Sequence[Drawn], exact: dict | None) -> None:
    """Draw the contours of two parameters, over the exact ones; of many, the outer ones only."""
    first = 0 if len(drawn) <= MANY else 1
    if exact is not None and exact[i, j] is not None:
        (x, y), values, (inner, outer) = exact[i, j]
        for level, shade in zip((outer, inner), SHADES, strict=True):
            if level > 0:
                axes.contourf(x, y, values.T, [level, np.inf], colors=[shade])
    for each in drawn:
        if each.of[i, j] is None:
            continue
        (x, y), values, levels = each.of[i, j]
        for level, thickness in list(zip(levels, (THICK, THIN), strict=True))[first:]:
            if level > 0:
                axes.contour(
                    x, y, values.T, [level], colors=[each.look["color"]],
                    linestyles=[each.look["linestyle"]], linewidths=thickness,
                )  # fmt: skip


def _legend(axes: Axes, curves: Sequence[Curve], has_exact: bool, mark: str) -> None:
    """Name what is drawn: recipes by colours, methods by lines."""
    fits = list(dict.fromkeys(curve.fit for curve in curves))
    methods = list(dict.fromkeys(curve.method for curve in curves))
    if len(fits) > 1:
        for fit in fits:
            axes.plot([], [], color=colour_and_mark(fit, fits)[0], label=SHOWN + fit)
    if len(fits) == 1 or len(methods) > 1:
        for method in sorted(methods, key=[*STYLES, *methods].index):
            look = look_of_method(method)
            look = look if len(fits) == 1 else look | {"color": "black"}
            axes.plot([], [], **look, label=SHOWN + method)
    if has_exact:
        axes.fill_between([], [], color=SHADES[1], linewidth=0, label="exact")
    if mark:
        axes.plot([], [], color="black", linewidth=THIN, label=mark)


def posterior_figure(
    curves: Sequence[Curve],
    *,
    exact: Curve | None,
    theta: np.ndarray | None,
    mark: str,
    is_truth: bool,
    symbols: Sequence[str],
    title: str,
) -> Figure:
    """Draw contours that hold 68 and 95 % of each posterior, and marginal densities.

    Args:
        curves: posteriors by each recipe and method; one without usable samples is left out.
        exact: the exact posterior, or None.
        theta: parameters to mark, (n_params,), or None.
        mark: what these are.
        is_truth: whether the posteriors should hold them, so that they are always shown.
        symbols: of the parameters.
        title: of the figure.

    """
    n = len(symbols)
    fits = list(dict.fromkeys(curve.fit for curve in curves))
    # The most exact last: on top of the others.
    order = sorted(curves, key=lambda curve: -[*STYLES, curve.method].index(curve.method))
    drawn = [Drawn(_densities(*curve[2:]), _look(curve, fits)) for curve in order]
    of_exact = None if exact is None else _densities(*exact[2:])
    every = [*curves, *([] if exact is None else [exact])]
    shown = extents(every, theta if is_truth else None)
    figure = new_figure(0.4 + max(2.2, 1.05 * n), min_width=0.5 + 1.05 * n)
    height = figure.get_figheight()
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.04, hspace=0.01)
    panels = figure.subplots(n, n, squeeze=False)
    for j in range(n):
        for i in range(n):
            axes = panels[j, i]
            if i > j:
                axes.remove()
                continue
            axes.grid(False)
            if i == j:
                _marginal(axes, i, drawn, of_exact)
            else:
                _pair(axes, i, j, drawn, of_exact)
                axes.set_ylim(*shown[j])
            axes.set_xlim(*shown[i])
            _mark(axes, theta, i, j)
            _label(axes, i, j, symbols)
    _legend(panels[0, 0], curves, exact is not None, mark if theta is not None else "")
    head(figure, title, panels[0, 0])
    figure.set_figheight(height + figure.legends[0].get_window_extent().height / figure.dpi)
    figure.align_labels()
    return figure


def _mark(axes, theta, i, j):
    """Mark parameters by lines."""
    if theta is None:
        return
    axes.axvline(theta[i], color="black", linewidth=THIN / 1.4, zorder=1.5)
    if i != j:
        axes.axhline(theta[j], color="black", linewidth=THIN / 1.4, zorder=1.5)


def _label(axes, i, j, symbols):
    """Ticks and symbols at the left and below."""
    n = len(symbols)
    axes.locator_params(axis="x", nbins=4)
    if i == j:
        axes.set_yticks([])
        axes.spines["left"].set_visible(n == 1)
        if n == 1:
            axes.set_ylabel("relative density")
    else:
        axes.locator_params(axis="y", nbins=4)
        axes.tick_params(labelleft=i == 0)
        if i == 0:
            axes.set_ylabel(symbols[j])
    axes.tick_params(labelbottom=j == n - 1)
    if j == n - 1:
        axes.set_xlabel(symbols[i])
