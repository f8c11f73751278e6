"""Smooth densities of weighted samples, and the contours that hold a share of them."""

from typing import NamedTuple

import numpy as np
from imnn_core.evaluation.weighted import effective, quantiles
from scipy import fft, ndimage

MASSES = 0.68, 0.95  # within the contours
REACH = 0.002, 0.998  # quantiles between which a density is drawn
PAD = 4  # bandwidths that a kernel reaches
POWER = 0.5  # of the density, by which a kernel is wider where there are few (Abramson 1982)
WIDER = np.array([1.0, 1.5, 2.3, 3.5])
CELLS = 64, 200  # of a grid along an axis: at least, at most
APART = 0.5  # of the width of a single peak, below which that of a quarter shows several
MOST_CORRELATED = 0.97  # of a kernel, so that cells resolve it


class Density(NamedTuple):
    """A density on a grid, of one or two parameters.

    axes: coordinates, (n_x,) or (n_x,), (n_y,). values: (n_x,) or (n_x, n_y), without unit.
    levels: above which MASSES lie, falling; 0 where so much does not lie within the grid.
    """

    axes: tuple[np.ndarray, ...]
    values: np.ndarray
    levels: np.ndarray


class _Grid(NamedTuple):
    """Cells between ends, (d, 2) as is_bound; n_cells and sizes of cells, (d,) each."""

    ends: np.ndarray
    n_cells: np.ndarray
    cells: np.ndarray
    is_bound: np.ndarray


def usable(theta: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Samples (n, p) whose parameters are finite and whose weights (n,) are finite and above 0."""
    are = np.isfinite(theta).all(axis=1) & np.isfinite(weights) & (weights > 0)
    return theta[are], weights[are]


def density(theta: np.ndarray, weights: np.ndarray, bounds: np.ndarray) -> Density | None:
    """Smooth a histogram of weighted samples by a Gaussian; None where they have no width.

    The Gaussian is as wide as the samples by n_eff^(-1 / (d + 4)) (Scott 1992) and correlated as
    they are. What it carries over a bound is reflected, so that nothing leaks.

    Args:
        theta: finite, (n, d) with d = 1 or 2.
        weights: above 0, (n,).
        bounds: within which the density is not 0, (d, 2), with infinities.

    """
    n, d = theta.shape
    if n < 2:
        return None
    sigma = np.array([_spread(column, weights) for column in theta.T])
    if not np.all(sigma > 0):
        return None
    width = sigma * effective(weights) ** (-1 / (d + 4))
    r = _correlation(theta, weights)
    kernel = np.outer(width, width) * (np.eye(d) + r * (1 - np.eye(d)))
    ends = np.array([quantiles(column, weights, REACH) for column in theta.T])
    ends += width[:, None] * [-3, 3]
    ends = np.clip(ends, *bounds.T[..., None])
    n_cells = np.ceil(np.diff(ends)[:, 0] / (width * np.sqrt(1 - r**2) / 2))
    n_cells = np.clip(n_cells, *CELLS).astype(int)
    cells = np.diff(ends)[:, 0] / n_cells
    grid = _Grid(ends, n_cells, cells, ends == bounds)
    weights = weights / weights.sum()
    values = _smooth(grid, theta, weights, kernel)
    # Without a sample's own kernel, so that stray ones are seen to be such.
    own = weights * np.prod(cells) / np.sqrt((2 * np.pi) ** d * np.linalg.det(kernel))
    of_others = np.maximum(_at(values, grid, theta) - own, 1e-300)
    typical = np.exp(np.average(np.log(of_others), weights=weights))
    wider = np.clip((typical / of_others) ** POWER, WIDER[0], WIDER[-1])
    wider = np.abs(np.log(wider[:, None] / WIDER)).argmin(axis=1)
    values = sum(
        _smooth(grid, theta[wider == i], weights[wider == i], factor**2 * kernel)
        for i, factor in enumerate(WIDER)
    )
    levels = highest(_at(values, grid, theta), weights)
    edges = [np.linspace(*end, n + 1) for end, n in zip(ends, n_cells, strict=True)]
    axes = tuple((edge[1:] + edge[:-1]) / 2 for edge in edges)
    return _to_bounds(Density(axes, values, levels), ends, grid.is_bound)


def highest(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The value above which each of MASSES lies, of values (n,) with weights (n,)."""
    return quantiles(values, weights, 1 - np.array(MASSES))


def _spread(x, weights):
    """Standard deviation, or half of the central 68 % where tails make it larger.

    Where peaks lie apart, what it were by the shortest interval that holds a quarter.
    """
    mean = np.average(x, weights=weights)
    sd = np.sqrt(np.average((x - mean) ** 2, weights=weights))
    levels = np.linspace(0.005, 0.995, 199)
    at = quantiles(x, weights, levels)
    quarter = np.min(at[50:] - at[:-50]) / 0.637  # as much as the middle quarter of a Gaussian
    low, high = quantiles(x, weights, [0.16, 0.84])
    found = min(sd, (high - low) / 2) if high > low else sd
    return quarter if 0 < quarter < APART * found else found


def _correlation(theta, weights):
    """Correlation of two parameters without their tails; 0 of one."""
    if theta.shape[1] == 1:
        return 0.0
    bulk = [np.clip(x, *quantiles(x, weights, [0.025, 0.975])) for x in theta.T]
    (a, b), (_, c) = np.cov(bulk, aweights=weights)
    return float(np.clip(b / np.sqrt(a * c), -MOST_CORRELATED, MOST_CORRELATED))


def _at(values, grid, theta):
    """Values of cells at samples (n, d), (n,); 0 outside of the grid."""
    at = (theta - grid.ends[:, 0]) / grid.cells - 0.5  # in cells from the centre of the first
    found = ndimage.map_coordinates(values, at.T, order=1, mode="nearest")
    outside = np.any((theta < grid.ends[:, 0]) | (theta > grid.ends[:, 1]), axis=1)
    return np.where(outside, 0, found)


def _smooth(grid, theta, weights, kernel):
    """Masses of cells, smoothed by a Gaussian of covariance ``kernel`` reflected at bounds."""
    masses, _ = np.histogramdd(theta, grid.n_cells, grid.ends, weights=weights)
    pads = np.ceil(PAD * np.sqrt(np.diag(kernel)) / grid.cells).astype(int)
    pads = np.minimum(pads, masses.shape)
    shape = [fft.next_fast_len(n, True) for n in masses.shape + 2 * pads]
    ks = [2 * np.pi * fft.fftfreq(n, cell) for n, cell in zip(shape, grid.cells, strict=True)]
    ks[-1] = np.abs(ks[-1][: shape[-1] // 2 + 1])
    ks = np.meshgrid(*ks, indexing="ij", sparse=True)
    exponent = sum(kernel[i, j] * a * b for i, a in enumerate(ks) for j, b in enumerate(ks))
    padded = np.zeros(shape)
    padded[tuple(slice(p, p + m) for p, m in zip(pads, masses.shape, strict=True))] = masses
    found = fft.irfftn(fft.rfftn(padded) * np.exp(-0.5 * exponent), shape)
    for i, (pad, n, (low, high)) in enumerate(zip(pads, grid.n_cells, grid.is_bound, strict=True)):
        found = np.moveaxis(found, i, 0)
        inner = found[pad : pad + n].copy()
        if low:
            inner[:pad] += found[:pad][::-1]
        if high:
            inner[-pad:] += found[pad + n : 2 * pad + n][::-1]
        found = np.moveaxis(inner, 0, i)
    return np.maximum(found, 0)


def _to_bounds(of, ends, is_bound):
    """Extend a density from the centres of the outermost cells to the bounds."""
    sides = [tuple(map(int, pair)) for pair in is_bound]
    axes = [
        np.concatenate([end[:1][pair[:1]], axis, end[1:][pair[1:]]])
        for axis, end, pair in zip(of.axes, ends, is_bound, strict=True)
    ]
    return Density(tuple(axes), np.pad(of.values, sides, mode="edge"), of.levels)
