"""Figures of what was kept: information, ellipses, estimates. Arrays in, a Figure out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from imnn_core.plots import MARGIN, SHOWN, colour_and_mark, head, new_figure, width, wrapped
from matplotlib.axes import Axes
from matplotlib.figure import Figure


class Kept(NamedTuple):
    """What a recipe kept: of each seed value and error, (n_seeds,), and of all in words."""

    values: np.ndarray
    errors: np.ndarray
    text: str


def information_figure(kept: dict[str, Kept], *, line: tuple[float, str] | None, quantity: str, title: str) -> Figure:
    """What each recipe kept: its name and a text, and below a point per seed; best at the right.

    Args:
        kept: by recipe.
        line: value and name of what the recipes are compared with, dashed, or None.
        quantity: what the values are, for the axis.
        title: of the figure.

    """
    room = width() - 2 * MARGIN
    names = {fit: wrapped(f"{fit}  {each.text}", room, weight="bold") for fit, each in kept.items()}
    lines = {fit: 0.17 + 0.14 * name.count("\n") for fit, name in names.items()}  # inches of a name's text
    heights = {fit: lines[fit] + 0.2 + 0.035 * min(len(each.values), 15) for fit, each in kept.items()}
    figure = new_figure(1.15 + sum(heights.values()))
    axes = figure.subplots()
    if line is not None:
        axes.axvline(line[0], color="black", linewidth=1, linestyle="--", label=line[1])
    top = 0.0
    for fit, each in kept.items():
        colour, mark = colour_and_mark(fit, kept)
        half = (heights[fit] - lines[fit]) / 2 - 0.06
        n = len(each.values)
        places = top + heights[fit] - 0.06 - half + (np.linspace(-half, half, n) if n > 1 else np.zeros(1))
        axes.errorbar(each.values, places, xerr=each.errors, fmt=mark, color=colour, elinewidth=0.8, markersize=3)
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        beside = {"transform": axes.get_yaxis_transform(), "va": "top", "fontweight": "bold", "bbox": ground}
        axes.text(0.01, top + 0.03, names[fit], color=colour, **beside)
        top += heights[fit]
    axes.set_yticks([])
    axes.set_ylim(top, 0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(quantity)
    head(figure, title, axes)
    return figure


def _ellipse(F: np.ndarray, i: int, j: int, level: float) -> np.ndarray:
    """Contour of delta chi^2 = level of parameters i and j, the others marginalised, about 0: (2, n)."""
    covariance = np.linalg.inv(F)[np.ix_([i, j], [i, j])]
    angle = np.linspace(0, 2 * np.pi, 200)
    return np.sqrt(level) * np.linalg.cholesky(covariance) @ np.stack([np.cos(angle), np.sin(angle)])


LEVELS = (2.2957, 6.1801)  # delta chi^2 that holds 68.27 % and 95.45 % of a two-dimensional Gaussian
Drawn = dict[str, tuple[np.ndarray, str]]  # by recipe, its F and its colour


def _bells(axes: Axes, drawn: Drawn, analytic: np.ndarray | None, centre: float) -> None:
    """Of one parameter: a Gaussian with the variance 1/F for each recipe."""

    def draw(F, **kind):
        sigma = np.sqrt(np.linalg.inv(F)[0, 0])
        x = np.linspace(-3.5, 3.5, 200) * sigma
        axes.plot(centre + x, np.exp(-0.5 * (x / sigma) ** 2), **kind)

    for fit, (F, colour) in drawn.items():
        draw(F, color=colour, label=SHOWN + fit)
    if analytic is not None:  # on top, since the best recipes lie on it
        draw(analytic, color="black", linestyle="--", label="analytic")
    axes.set_ylabel("relative density")
    axes.set_ylim(bottom=0)


def _contours(axes: Axes, drawn: Drawn, analytic: np.ndarray | None, i: int, j: int, centre: np.ndarray) -> None:
    """Of two parameters: contours for each recipe on the analytic ones. centre is (2, 1)."""
    if analytic is not None:
        for level, shade in zip(reversed(LEVELS), ("#e3e3e3", "#c4c4c4"), strict=True):
            label = "analytic" if level == LEVELS[0] else None
            axes.fill(*(centre + _ellipse(analytic, i, j, level)), color=shade, linewidth=0, label=label)
    for fit, (F, colour) in drawn.items():
        for level, thickness in zip(LEVELS, (1.3, 0.7), strict=True):
            label = SHOWN + fit if level == LEVELS[0] else None
            axes.plot(*(centre + _ellipse(F, i, j, level)), color=colour, linewidth=thickness, label=label)
    axes.plot(*centre, "+", color="black")
    all_of_them = [F for F, _ in drawn.values()] + ([] if analytic is None else [analytic])
    if not all_of_them:
        return
    narrowest = max(all_of_them, key=np.linalg.det)
    widest = 4 * np.abs(_ellipse(narrowest, i, j, LEVELS[1])).max(axis=1)  # the worst fit does not hide the others
    for limit, shown, middle, most in zip(
        (axes.set_xlim, axes.set_ylim), (axes.get_xlim(), axes.get_ylim()), centre[:, 0], widest, strict=True
    ):
        limit(max(shown[0], middle - most), min(shown[1], middle + most))


def ellipses_figure(
    F_of: dict[str, np.ndarray], *, analytic: np.ndarray | None, theta_fid: Sequence[float], symbols: Sequence[str]
) -> Figure:
    """1-sigma and 2-sigma contours of F^-1 of each recipe, about theta_fid, on the analytic ones; a bell for one parameter.

    Args:
        F_of: by recipe, (n_params, n_params); one that is singular or not finite has no contours.
        analytic: F in closed form, filled, or None.
        theta_fid: fiducial parameters, (n_params,).
        symbols: of the parameters.

    """
    n = len(symbols)
    drawn = {
        fit: (F, colour_and_mark(fit, F_of)[0])
        for fit, F in F_of.items()
        if np.isfinite(F).all() and np.linalg.eigvalsh(F)[0] > 0
    }
    side = max(1, n - 1)
    figure = new_figure(0.7 + max(2.3, 1.25 * side), min_width=0.5 + 1.3 * side)
    panels = figure.subplots(side, side, squeeze=False)
    if n == 1:
        _bells(panels[0, 0], drawn, analytic, theta_fid[0])
        panels[0, 0].set_xlabel(symbols[0])
    for j in range(1, n):
        for i in range(n - 1):
            axes = panels[j - 1, i]
            if i >= j:
                axes.set_visible(False)
                continue
            _contours(axes, drawn, analytic, i, j, np.array([[theta_fid[i]], [theta_fid[j]]]))
            axes.locator_params(nbins=5)
            if j == n - 1:
                axes.set_xlabel(symbols[i])
            if i == 0:
                axes.set_ylabel(symbols[j])
    title = "Gaussian of variance 1/F" if n == 1 else "68 and 95 % contours of $F^{-1}$"
    head(figure, f"{title} of the test set", panels[0, 0])
    return figure


def _say(axes: Axes, text: str) -> None:
    """A few words in the upper left of a panel."""
    ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}
    axes.text(0.02, 0.98, text, transform=axes.transAxes, va="top", fontsize="small", bbox=ground)


def estimates_figure(
    estimates: np.ndarray, others: np.ndarray, *, theta_fid: Sequence[float], bound: Sequence[float], symbols: Sequence[str],
    other: str, colour: str, title: str,
) -> Figure:  # fmt: skip
    """A row per parameter: estimates against other estimates of the same simulations, and their residuals over the bound.

    Args:
        estimates, others: (n, n_params).
        theta_fid: true parameters, (n_params,).
        bound: Cramer-Rao bound of each parameter, (n_params,).
        symbols: of the parameters.
        other: what the others are.
        colour: of the recipe.
        title: of the whole figure.

    """
    n = len(symbols)
    figure = new_figure(0.4 + 1.75 * n, min_width=3.4)
    panels = figure.subplots(n, 2, squeeze=False)
    are_finite = np.isfinite(estimates).all(axis=1) & np.isfinite(others).all(axis=1)
    estimates, others, bound = estimates[are_finite], others[are_finite], np.asarray(bound, np.float64)
    for i, (left, right) in enumerate(panels):
        left.set_title(symbols[i])
        left.set_xlabel(other)
        left.set_ylabel("network")
        right.set_xlabel("residual / bound")
        right.set_ylabel("density")
        if len(estimates) < 2 or not bound[i] > 0:
            _say(left, "not finite")
            continue
        both = np.concatenate([estimates[:, i], others[:, i]])
        ends = both.min(), both.max()
        left.plot(others[:, i], estimates[:, i], ".", color=colour, markersize=2, alpha=0.4, rasterized=True)
        left.plot(ends, ends, color="black", linewidth=0.7, linestyle="--")
        left.set_aspect("equal", adjustable="datalim")
        left.locator_params(nbins=4)
        difference = (estimates[:, i] - others[:, i]) / bound[i]
        _say(left, f"± {difference.std(ddof=1):.2g} bounds")
        residual = (estimates[:, i] - theta_fid[i]) / bound[i]
        right.hist(np.clip(residual, -4, 4), bins=np.linspace(-4, 4, 41), density=True, color=colour, alpha=0.55)
        z = np.linspace(-4, 4, 200)
        right.plot(z, np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi), color="black", linewidth=1, linestyle="--")
        right.margins(y=0.2)
        _say(right, f"± {residual.std(ddof=1):.2f} bounds")
    head(figure, title)
    return figure
