"""Figures of what was kept: information, ellipses, estimates. Arrays in, a Figure out."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from imnn_core.plots import STYLE, colour_and_mark
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def information_figure(
    kept: dict[str, tuple[np.ndarray, np.ndarray]], texts: dict[str, str], heading: str, *,
    band: tuple[float, float] | None, line: tuple[float, str] | None, quantity: str,
) -> Figure:  # fmt: skip
    """What each recipe kept: a row per recipe, a point per seed, best at the right.

    Args:
        kept: by recipe, values of its seeds and their errors, (n_seeds,) each.
        texts: by recipe, what is written beside its row.
        heading: of these texts.
        band: ends of what the score keeps of the same simulations, or None.
        line: value and name of what the recipes are compared with, dashed, or None.
        quantity: what the values are, for the axis.

    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.6, 1.25 + 0.62 * len(kept)))
        axes = figure.subplots()
        if band is not None:
            axes.axvspan(*band, color="#bbbbbb", alpha=0.7, linewidth=0, label="the score, on the same simulations")
        if line is not None:
            axes.axvline(line[0], color="black", linestyle="--", label=line[1])
        for row, (fit, (values, errors)) in enumerate(kept.items()):
            colour, mark = colour_and_mark(fit, kept)
            places = row + np.linspace(-0.26, 0.26, len(values)) if len(values) > 1 else np.array([row])
            axes.errorbar(values, places, xerr=errors, fmt=mark, color=colour, markersize=4, elinewidth=1, capsize=0)
            beside = {"transform": axes.get_yaxis_transform(), "va": "center"}
            axes.text(1.02, row, texts[fit], color=colour, fontweight="bold", **beside)
        axes.text(1.02, -0.5, heading, fontsize=8, transform=axes.get_yaxis_transform(), va="bottom")
        axes.set_yticks(range(len(kept)), list(kept))
        axes.set_ylim(len(kept) - 0.5, -0.5)
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(quantity)
        if line is not None:
            figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return figure


def _ellipse(F: np.ndarray, i: int, j: int, level: float) -> np.ndarray:
    """Contour of delta chi^2 = level of parameters i and j, the others marginalised, about 0: (2, n)."""
    covariance = np.linalg.inv(F)[np.ix_([i, j], [i, j])]
    angle = np.linspace(0, 2 * np.pi, 200)
    return np.sqrt(level) * np.linalg.cholesky(covariance) @ np.stack([np.cos(angle), np.sin(angle)])


LEVELS = (2.2957, 6.1801)  # delta chi^2 that holds 68.27 % and 95.45 % of a two-dimensional Gaussian


def _bell(axes: Axes, centre: float, F: np.ndarray, **style) -> None:
    sigma = np.sqrt(np.linalg.inv(F)[0, 0])
    x = np.linspace(-3.5, 3.5, 200) * sigma
    axes.plot(centre + x, np.exp(-0.5 * (x / sigma) ** 2), **style)


def ellipses_figure(
    F_of: dict[str, np.ndarray], *, analytic: np.ndarray | None, theta_fid: Sequence[float], symbols: Sequence[str]
) -> Figure:
    """1-sigma and 2-sigma contours of F^-1 of each recipe, about theta_fid, on the analytic ones; a bell for one parameter.

    Args:
        F_of: by recipe, (n_params, n_params).
        analytic: F in closed form, filled, or None.
        theta_fid: fiducial parameters, (n_params,).
        symbols: of the parameters.

    """
    n = len(symbols)
    with matplotlib.rc_context(STYLE):
        side = max(1, n - 1)
        figure = Figure(figsize=(1.4 + 2.9 * side, 0.9 + 2.6 * side))
        panels = figure.subplots(side, side, squeeze=False)
        grid = figure.axes[0]
        if n == 1:
            for fit, F in F_of.items():
                _bell(grid, theta_fid[0], F, color=colour_and_mark(fit, F_of)[0], label=fit)
            if analytic is not None:  # on top, since the best recipes lie on it
                _bell(grid, theta_fid[0], analytic, color="black", linestyle="--", label="analytic")
            grid.set_xlabel(symbols[0])
            grid.set_ylabel("relative density")
            grid.set_ylim(bottom=0)
        for row in range(1, n):
            for column in range(n - 1):
                axes = panels[row - 1, column]
                if column >= row:
                    axes.set_visible(False)
                    continue
                centre = np.array([[theta_fid[column]], [theta_fid[row]]])
                for level, shade in zip(reversed(LEVELS), ("#e3e3e3", "#c4c4c4"), strict=True):
                    if analytic is not None:
                        label = "analytic" if level == LEVELS[0] else None
                        axes.fill(*(centre + _ellipse(analytic, column, row, level)), color=shade, linewidth=0, label=label)
                for fit, F in F_of.items():
                    for level, width in zip(LEVELS, (1.6, 0.9), strict=True):
                        colour, label = colour_and_mark(fit, F_of)[0], fit if level == LEVELS[0] else None
                        axes.plot(*(centre + _ellipse(F, column, row, level)), color=colour, linewidth=width, label=label)
                axes.plot(*centre, "+", color="black")
                narrowest = min(([] if analytic is None else [analytic]) + list(F_of.values()), key=lambda F: -np.linalg.det(F))
                widest = 4 * np.abs(_ellipse(narrowest, column, row, LEVELS[1])).max(
                    axis=1
                )  # the worst fit does not hide the others
                for limit, middle, most in zip((axes.set_xlim, axes.set_ylim), centre[:, 0], widest, strict=True):
                    shown = axes.get_xlim() if limit == axes.set_xlim else axes.get_ylim()
                    limit(max(shown[0], middle - most), min(shown[1], middle + most))
                if row == n - 1:
                    axes.set_xlabel(symbols[column])
                if column == 0:
                    axes.set_ylabel(symbols[row])
        figure.legend(
            *grid.get_legend_handles_labels(), loc="outside upper left", ncols=max(1, min(3, 45 // (6 + max(map(len, F_of)))))
        )
    return figure


def estimates_figure(
    estimates: np.ndarray, others: np.ndarray, *, theta_fid: Sequence[float], bound: Sequence[float], symbols: Sequence[str],
    names: tuple[str, str], colour: str, title: str,
) -> Figure:  # fmt: skip
    """Estimates of each parameter against other estimates of the same simulations, and their residuals against the bound.

    Args:
        estimates, others: (n, n_params).
        theta_fid: true parameters, (n_params,).
        bound: Cramer-Rao bound of each parameter, (n_params,).
        symbols: of the parameters.
        names: what the others are, and whose the bound is.
        colour: of the recipe.
        title: of the whole figure.

    """
    n = len(symbols)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(max(4.6, 0.6 + 3.0 * n), 5.4))  # the title needs so much
        panels = figure.subplots(2, n, squeeze=False, height_ratios=[1.5, 1])
        figure.suptitle(title, fontsize=10, x=0.01, ha="left")
        for i in range(n):
            above, below = panels[:, i]
            both = np.concatenate([estimates[:, i], others[:, i]])
            ends = both.min(), both.max()
            above.plot(others[:, i], estimates[:, i], ".", color=colour, markersize=2.5, alpha=0.4, rasterized=True)
            above.plot(ends, ends, color="black", linewidth=0.8, linestyle="--")
            above.set_xlabel(f"{symbols[i]}, {names[0]}")
            above.set_ylabel(f"{symbols[i]}, network")
            above.set_aspect("equal", adjustable="datalim")
            difference = (estimates[:, i] - others[:, i]) / bound[i]
            above.set_title(f"they differ by {difference.std(ddof=1):.2g} × the bound")
            residual = (estimates[:, i] - theta_fid[i]) / bound[i]
            below.hist(np.clip(residual, -4, 4), bins=np.linspace(-4, 4, 41), density=True, color=colour, alpha=0.55)
            z = np.linspace(-4, 4, 200)
            below.plot(z, np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi), color="black", linestyle="--")
            below.set_xlabel(f"({symbols[i]} $-$ fiducial) / {names[1]} bound")
            below.set_ylabel("density")
            below.set_title(f"standard deviation: {residual.std(ddof=1):.2f} × the bound")
    return figure
