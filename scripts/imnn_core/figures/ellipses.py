"""Figure of the contours of F^-1 of each recipe."""

from collections.abc import Sequence

import numpy as np
from imnn_core.figures.plots import SHOWN, colour_and_mark, head, new_figure
from imnn_core.gradient.matrices import is_positive_definite
from matplotlib.axes import Axes
from matplotlib.figure import Figure

LEVELS = 2.2957, 6.1801  # delta chi^2 of 68.27 % and 95.45 % of a two-dimensional Gaussian
Drawn = dict[str, tuple[np.ndarray, str]]  # F and colour, by recipe


def _ellipse(F: np.ndarray, i: int, j: int, level: float) -> np.ndarray:
    """Contour of delta chi^2 = level of parameters i and j about 0, the others marginalised.

    (2, n).
    """
    covariance = np.linalg.inv(F)[np.ix_([i, j], [i, j])]
    angle = np.linspace(0, 2 * np.pi, 200)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    return np.sqrt(level) * np.linalg.cholesky(covariance) @ circle


def _bells(axes: Axes, drawn: Drawn, analytic: np.ndarray | None, centre: float) -> None:
    """Draw, for one parameter, a Gaussian of variance 1/F of each recipe."""

    def draw(F, **kind):
        sigma = np.sqrt(np.linalg.inv(F)[0, 0])
        x = np.linspace(-3.5, 3.5, 200) * sigma
        axes.plot(centre + x, np.exp(-0.5 * (x / sigma) ** 2), **kind)

    for fit, (F, colour) in drawn.items():
        draw(F, color=colour, label=SHOWN + fit)
    if analytic is not None:  # last, since the best recipes would hide it
        draw(analytic, color="black", linestyle="--", label="analytic")
    axes.set_ylabel("relative density")
    axes.set_ylim(bottom=0)


def _contours(
    axes: Axes, drawn: Drawn, analytic: np.ndarray | None, i: int, j: int, centre: np.ndarray
) -> None:
    """Draw, for two parameters, contours of each recipe over the analytic; centre is (2, 1)."""
    if analytic is not None:
        for level, shade in zip(reversed(LEVELS), ("#e3e3e3", "#c4c4c4"), strict=True):
            label = "analytic" if level == LEVELS[0] else None
            x, y = centre + _ellipse(analytic, i, j, level)
            axes.fill(x, y, color=shade, linewidth=0, label=label)
    for fit, (F, colour) in drawn.items():
        for level, thickness in zip(LEVELS, (1.3, 0.7), strict=True):
            label = SHOWN + fit if level == LEVELS[0] else None
            x, y = centre + _ellipse(F, i, j, level)
            axes.plot(x, y, color=colour, linewidth=thickness, label=label)
    axes.plot(*centre, "+", color="black")
    every_F = [F for F, _ in drawn.values()] + ([] if analytic is None else [analytic])
    if not every_F:
        return
    # At most four times the smallest contour, so that the worst fit does not dwarf the others.
    most = 4 * np.abs(_ellipse(max(every_F, key=np.linalg.det), i, j, LEVELS[1])).max(axis=1)
    (low_x, low_y), (high_x, high_y) = centre[:, 0] - most, centre[:, 0] + most
    shown_x, shown_y = axes.get_xlim(), axes.get_ylim()
    axes.set_xlim(max(shown_x[0], low_x), min(shown_x[1], high_x))
    axes.set_ylim(max(shown_y[0], low_y), min(shown_y[1], high_y))


def ellipses_figure(
    F_of: dict[str, np.ndarray],
    *,
    analytic: np.ndarray | None,
    theta_fid: Sequence[float],
    symbols: Sequence[str],
) -> Figure:
    """Draw 68 and 95 % contours of F^-1 of each recipe about theta_fid, over the analytic ones.

    For one parameter, Gaussians of variance 1/F.

    Args:
        F_of: by recipe, (n_params, n_params); where it is singular or not finite, it is left out.
        analytic: F in closed form, or None.
        theta_fid: fiducial parameters, (n_params,).
        symbols: of the parameters.

    """
    n = len(symbols)
    drawn = {
        fit: (F, colour_and_mark(fit, F_of)[0])
        for fit, F in F_of.items()
        if is_positive_definite(F)
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
