"""Contours of F^-1 of each recipe. Arrays in, a Figure out."""

from collections.abc import Sequence

import numpy as np
from imnn_core.figures.plots import SHOWN, colour_and_mark, head, new_figure
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def _ellipse(F: np.ndarray, i: int, j: int, level: float) -> np.ndarray:
    """Contour of delta chi^2 = level of parameters i and j, the others marginalised, about 0: (2, n)."""
    covariance = np.linalg.inv(F)[np.ix_([i, j], [i, j])]
    angle = np.linspace(0, 2 * np.pi, 200)
    return (
        np.sqrt(level) * np.linalg.cholesky(covariance) @ np.stack([np.cos(angle), np.sin(angle)])
    )


LEVELS = (
    2.2957,
    6.1801,
)  # delta chi^2 that holds 68.27 % and 95.45 % of a two-dimensional Gaussian
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


def _contours(
    axes: Axes, drawn: Drawn, analytic: np.ndarray | None, i: int, j: int, centre: np.ndarray
) -> None:
    """Of two parameters: contours for each recipe on the analytic ones. centre is (2, 1)."""
    if analytic is not None:
        for level, shade in zip(reversed(LEVELS), ("#e3e3e3", "#c4c4c4"), strict=True):
            label = "analytic" if level == LEVELS[0] else None
            axes.fill(
                *(centre + _ellipse(analytic, i, j, level)), color=shade, linewidth=0, label=label
            )
    for fit, (F, colour) in drawn.items():
        for level, thickness in zip(LEVELS, (1.3, 0.7), strict=True):
            label = SHOWN + fit if level == LEVELS[0] else None
            axes.plot(
                *(centre + _ellipse(F, i, j, level)), color=colour, linewidth=thickness, label=label
            )
    axes.plot(*centre, "+", color="black")
    all_of_them = [F for F, _ in drawn.values()] + ([] if analytic is None else [analytic])
    if not all_of_them:
        return
    narrowest = max(all_of_them, key=np.linalg.det)
    widest = 4 * np.abs(_ellipse(narrowest, i, j, LEVELS[1])).max(
        axis=1
    )  # the worst fit does not hide the others
    for limit, shown, middle, most in zip(
        (axes.set_xlim, axes.set_ylim),
        (axes.get_xlim(), axes.get_ylim()),
        centre[:, 0],
        widest,
        strict=True,
    ):
        limit(max(shown[0], middle - most), min(shown[1], middle + most))


def ellipses_figure(
    F_of: dict[str, np.ndarray],
    *,
    analytic: np.ndarray | None,
    theta_fid: Sequence[float],
    symbols: Sequence[str],
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
