"""Figure of the calibration of posteriors: ranks, coverage, and widths over exact ones."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from imnn_core.figures.plots import GREY, SHOWN, head, new_figure
from imnn_core.figures.posteriors import STYLES, look_of_method
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter
from scipy import stats

BANDS = "#ebebeb", "#d2d2d2"  # of the fewest posteriors, and of the most
GROUND = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}  # of a text
THICK, THIN = 1.2, 0.5
IN_A_BIN, MOST_BINS = 20, 8  # posteriors in a bin of widths, at least, and bins at most
WIDTHS = 0.05, 0.5, 0.95  # quantiles of widths in a bin
HIGHEST = 2, 4  # of rank histograms, over what is expected: at least, at most
BANDS_SHOWN = 4  # half the height of a panel at most, in those of the widest band


class Checked(NamedTuple):
    """How posteriors of one method compare with n known parameters, of all seeds.

    counts: of ranks, (n_bins, n_params). band: where 95 % of the counts lie if calibrated, (2,).
    covered: of central intervals, (n_levels, n_params), of all seeds and then of each.
    tarp: expected coverage, (n_levels,), likewise. tarp_band: which its deviation may reach.
    theta: true parameters, (n, n_params). width: over the exact ones, (n, n_params), or None.
    """

    method: str
    n: int
    counts: np.ndarray
    band: tuple[float, float]
    covered: list[np.ndarray]
    tarp: list[np.ndarray]
    tarp_band: float
    theta: np.ndarray
    width: np.ndarray | None


class Binned(NamedTuple):
    """WIDTHS in bins of a parameter: middle of each, (n_bins,), and quantiles, (3, n_bins)."""

    middle: np.ndarray
    quantiles: np.ndarray


def binned(theta: np.ndarray, width: np.ndarray) -> Binned | None:
    """Quantiles of widths (n,) in bins of as many parameters (n,); None where all are NaN."""
    are = np.isfinite(theta) & np.isfinite(width) & (width > 0)
    if not are.any():
        return None
    order = np.argsort(theta[are])
    n_bins = int(np.clip(are.sum() // IN_A_BIN, 1, MOST_BINS))
    bins = np.array_split(order, n_bins)
    theta, width = theta[are], width[are]
    middle = np.array([np.median(theta[rows]) for rows in bins])
    return Binned(middle, np.stack([np.quantile(width[rows], WIDTHS) for rows in bins], axis=1))


def _ranks(axes: Axes, of: Checked, i: int) -> None:
    """Draw a histogram of ranks over the counts that are expected."""
    counts, expected = of.counts[:, i], of.counts[:, i].sum() / len(of.counts)
    low, high = np.array(of.band) / expected
    axes.axhspan(low, high, color=BANDS[1], linewidth=0)
    edges = np.linspace(0, 1, len(counts) + 1)
    axes.stairs(counts / expected, edges, color=look_of_method(of.method)["color"], linewidth=1)
    axes.grid(False)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 1])
    if (most := counts.max() / expected) > HIGHEST[1]:
        axes.text(
            0.5, 0.95, f"up to {most:.2g}", transform=axes.transAxes, ha="center", va="top",
            fontsize="x-small", color=GREY,
        )  # fmt: skip


def _differences(axes: Axes, levels: np.ndarray, curves: Sequence, bands: Sequence) -> None:
    """Draw coverage minus level of each method over the widest and the narrowest band.

    Args:
        axes: to draw in.
        levels: (n_levels,).
        curves: method, and coverages of all seeds and of each, (n_levels,) each.
        bands: (low, high) of each method, (n_levels,) each.

    """
    by_width = sorted(bands, key=lambda band: float(np.sum(band[1] - band[0])))
    for (low, high), shade in zip((by_width[-1], by_width[0]), BANDS, strict=True):
        axes.fill_between(levels, low, high, color=shade, linewidth=0)
    for method, (of_all, *of_each) in curves:
        look = look_of_method(method)
        for each in of_each if len(of_each) > 1 else ():
            axes.plot(levels, each - levels, **look, linewidth=THIN, alpha=0.6)
        axes.plot(levels, of_all - levels, **look, linewidth=THICK)
    axes.axhline(0, color=GREY, linewidth=0.6, zorder=1.5)
    widest = max(np.abs(band).max() for band in bands)
    most = min(1.1 * np.abs(axes.get_ylim()).max(), BANDS_SHOWN * widest)
    axes.set_ylim(-most, most)
    axes.set_xlim(0, 1)
    axes.locator_params(axis="y", nbins=5)


def _coverage(axes: Axes, levels: np.ndarray, methods: Sequence[Checked], i: int) -> None:
    """Draw how often central intervals of one parameter hold the truth."""
    bands = []
    for each in methods:
        ends = stats.binom(each.n, levels).interval(0.95)
        bands.append([np.nan_to_num(end) / each.n - levels for end in ends])
    curves = [(each.method, [covered[:, i] for covered in each.covered]) for each in methods]
    _differences(axes, levels, curves, bands)
    for y, edge, text in ((0.98, "top", "too wide"), (0.02, "bottom", "too narrow")):
        axes.text(
            0.03, y, text, transform=axes.transAxes, ha="left", va=edge, color=GREY,
            fontsize="x-small", bbox=GROUND,
        )  # fmt: skip


def _tarp(axes: Axes, levels: np.ndarray, methods: Sequence[Checked]) -> None:
    """Draw the expected coverage of balls around random points."""
    one = np.ones_like(levels)
    bands = [(-each.tarp_band * one, each.tarp_band * one) for each in methods]
    _differences(axes, levels, [(each.method, each.tarp) for each in methods], bands)


def _widths(axes: Axes, methods: Sequence[Checked], i: int) -> None:
    """Draw widths over exact ones against the true parameter."""
    axes.axhline(1, color=GREY, linewidth=0.6, zorder=1.5)
    axes.set_yscale("log")
    found = [(each, binned(each.theta[:, i], each.width[:, i])) for each in methods]
    found = [(each.method, of) for each, of in found if of is not None]
    for k, (method, (x, (low, middle, high))) in enumerate(found):
        step = np.ptp(x) / max(len(x) - 1, 1)
        x = x + step * 0.6 * ((k + 0.5) / len(found) - 0.5)
        look = look_of_method(method)
        axes.vlines(x, low, high, color=look["color"], linewidth=0.7)
        axes.plot(x, middle, **look, marker="o", markersize=2, linewidth=0.9)
    low, high = axes.get_ylim()
    low, high = min(low, 0.8), max(high, 1.25)
    axes.set_ylim(low, high)
    subs = (1, 2, 5) if high / low < 100 else (1,)
    if high / low < 4:
        subs = (0.6, 0.8, 1, 1.5, 2, 3)
    axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=8))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.locator_params(axis="x", nbins=4)


def calibration_figure(
    methods: Sequence[Checked], levels: np.ndarray, *, symbols: Sequence[str], title: str
) -> Figure:
    """Draw rank histograms, coverage, TARP's curve, and widths where exact ones are known.

    Args:
        methods: of one recipe; none, if nothing was calibrated, which the figure then says.
        levels: of central intervals and of TARP's balls, (n_levels,).
        symbols: of the parameters.
        title: of the figure.

    """
    if not methods:
        figure = new_figure(0.6)
        axes = figure.subplots()
        axes.set_axis_off()
        axes.text(0, 0.5, "Nothing was calibrated: no simulations for it.", va="center")
        head(figure, title)
        return figure
    methods = sorted(methods, key=lambda each: [*STYLES, each.method].index(each.method))
    n, exact = len(symbols), [each for each in methods if each.width is not None]
    n_cells = 2 * n + 1 if exact else n + 1
    n_rows = -(-n_cells // 2)
    heights = 0.35 + 0.55 * n, 1.25 * n_rows
    figure = new_figure(0.1 + sum(heights), min_width=max(3.4, 0.3 + 0.75 * len(methods)))
    height = figure.get_figheight()
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.02)
    upper, lower = figure.add_gridspec(2, 1, height_ratios=heights)
    _all_ranks(figure, upper.subgridspec(n, len(methods)), methods, symbols)
    cells = lower.subgridspec(n_rows, 2)
    panels = [figure.add_subplot(cells[k // 2, k % 2]) for k in range(n_cells)]
    _of_parameters(panels, methods, exact, levels, symbols)
    _tarp(panels[-1], levels, methods)
    panels[-1].set_title("all parameters (TARP)")
    panels[-1].set_xlabel("credibility")
    panels[-1].set_ylabel("coverage − cred.")
    for each in methods:
        panels[-1].plot([], [], **look_of_method(each.method), label=SHOWN + each.method)
    panels[-1].fill_between([], [], color=BANDS[1], linewidth=0, label="95 % if calibrated")
    head(figure, title, panels[-1])
    figure.set_figheight(height + figure.legends[0].get_window_extent().height / figure.dpi)
    return figure


def _of_parameters(panels, methods, exact, levels, symbols):
    """Draw coverage, and widths where exact ones are known, of each parameter."""
    for i, symbol in enumerate(symbols):
        axes = panels[2 * i if exact else i]
        _coverage(axes, levels, methods, i)
        axes.set_title(symbol)
        axes.set_xlabel("level of interval")
        axes.set_ylabel("coverage − level")
        if exact:
            _widths(panels[2 * i + 1], exact, i)
            panels[2 * i + 1].set_title(symbol)
            panels[2 * i + 1].set_xlabel(f"true {symbol}")
            panels[2 * i + 1].set_ylabel("σ / exact σ")


def _all_ranks(figure, grid, methods, symbols):
    """Draw rank histograms, a row per parameter and a column per method."""
    panels = grid.subplots(sharex=True, sharey=True, squeeze=False)
    for i, row in enumerate(panels):
        for axes, each in zip(row, methods, strict=True):
            _ranks(axes, each, i)
            if i == 0:
                axes.set_title(f"{each.method}\nn = {each.n}", fontsize="small", loc="center")
        row[0].set_ylabel(symbols[i], fontsize="small")
    panels[0, 0].set_ylim(0, float(np.clip(panels[0, 0].get_ylim()[1], *HIGHEST)))
    panels[0, 0].yaxis.set_major_locator(MaxNLocator(3, integer=True))
    for axes in panels[-1]:
        axes.set_xlabel("rank")
