"""Estimates of test simulations against others of the same. Arrays in, a Figure out."""

from collections.abc import Sequence

import numpy as np
from imnn_core.figures.plots import head, new_figure
from matplotlib.axes import Axes
from matplotlib.figure import Figure


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
    estimates, others, bound = (
        estimates[are_finite],
        others[are_finite],
        np.asarray(bound, np.float64),
    )
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
        left.plot(
            others[:, i],
            estimates[:, i],
            ".",
            color=colour,
            markersize=2,
            alpha=0.4,
            rasterized=True,
        )
        left.plot(ends, ends, color="black", linewidth=0.7, linestyle="--")
        left.set_aspect("equal", adjustable="datalim")
        left.locator_params(nbins=4)
        difference = (estimates[:, i] - others[:, i]) / bound[i]
        _say(left, f"± {difference.std(ddof=1):.2g} bounds")
        residual = (estimates[:, i] - theta_fid[i]) / bound[i]
        right.hist(
            np.clip(residual, -4, 4),
            bins=np.linspace(-4, 4, 41),
            density=True,
            color=colour,
            alpha=0.55,
        )
        z = np.linspace(-4, 4, 200)
        right.plot(
            z, np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi), color="black", linewidth=1, linestyle="--"
        )
        right.margins(y=0.2)
        _say(right, f"± {residual.std(ddof=1):.2f} bounds")
    head(figure, title)
    return figure
