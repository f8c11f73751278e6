"""Figure of the estimates of the parameters from test simulations."""

from collections.abc import Sequence

import numpy as np
from imnn_core.figures.plots import head, new_figure
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def _say(axes: Axes, text: str) -> None:
    """Write a text in the upper left of a panel."""
    ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}
    axes.text(0.02, 0.98, text, transform=axes.transAxes, va="top", fontsize="small", bbox=ground)


def estimates_figure(
    estimates: np.ndarray,
    others: np.ndarray,
    *,
    theta_fid: Sequence[float],
    bound: Sequence[float],
    symbols: Sequence[str],
    other: str,
    colour: str,
    title: str,
) -> Figure:
    """Draw estimates against other estimates of the same simulations, and their residuals.

    A row per parameter; residuals in units of the bound.

    Args:
        estimates: the network's, (n, n_params).
        others: those to compare them with, (n, n_params).
        theta_fid: true parameters, (n_params,).
        bound: Cramer-Rao bound of each parameter, (n_params,).
        symbols: of the parameters.
        other: name of the others.
        colour: of the recipe.
        title: of the whole figure.

    """
    n = len(symbols)
    figure = new_figure(0.4 + 1.75 * n, min_width=3.4)
    panels = figure.subplots(n, 2, squeeze=False)
    are_finite = np.isfinite(estimates).all(axis=1) & np.isfinite(others).all(axis=1)
    estimates, others = estimates[are_finite], others[are_finite]
    z, bins = np.linspace(-4, 4, 200), np.linspace(-4, 4, 41)
    gaussian = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    for i, (left, right) in enumerate(panels):
        left.set_title(symbols[i])
        left.set_xlabel(other)
        left.set_ylabel("network")
        right.set_xlabel("residual / bound")
        right.set_ylabel("density")
        if len(estimates) < 2 or not bound[i] > 0:
            _say(left, "not finite")
            continue
        x, y = others[:, i], estimates[:, i]
        ends = min(x.min(), y.min()), max(x.max(), y.max())
        left.plot(x, y, ".", color=colour, markersize=2, alpha=0.4, rasterized=True)
        left.plot(ends, ends, color="black", linewidth=0.7, linestyle="--")
        left.set_aspect("equal", adjustable="datalim")
        left.locator_params(nbins=4)
        _say(left, f"± {((y - x) / bound[i]).std(ddof=1):.2g} bounds")
        residual = (y - theta_fid[i]) / bound[i]
        right.hist(np.clip(residual, -4, 4), bins, density=True, color=colour, alpha=0.55)
        right.plot(z, gaussian, color="black", linewidth=1, linestyle="--")
        right.margins(y=0.2)
        _say(right, f"± {residual.std(ddof=1):.2f} bounds")
    head(figure, title)
    return figure
