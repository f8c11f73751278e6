"""Densities on grids of equal cells, one grid for each of many observations."""

from typing import NamedTuple

import numpy as np


def along(values: np.ndarray, i: int, p: int) -> np.ndarray:
    """Values of each observation along axis i, (n_obs, n) -> (n_obs, 1, …, n, …, 1)."""
    shape = [1] * p
    shape[i] = values.shape[1]
    return values.reshape(len(values), *shape)


def widths(low: np.ndarray, high: np.ndarray, n: int) -> np.ndarray:
    """Widths of n cells between two ends, (n_obs, p)."""
    return (high - low) / n


def centres(low: np.ndarray, high: np.ndarray, n: int) -> np.ndarray:
    """Centres of n cells between two ends along each axis, (n_obs, n, p)."""
    shares = (np.arange(n) + 0.5) / n
    return low[:, None] + shares[None, :, None] * (high - low)[:, None]


def halves(values: np.ndarray) -> np.ndarray:
    """Every second cell along each axis, (n_obs, *cells)."""
    return values[(slice(None), *(slice(None, None, 2),) * (values.ndim - 1))]


def region(
    log_p: np.ndarray, low: np.ndarray, high: np.ndarray, n_best: int, drop: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The box around the best cells of each grid, and one cell on each side of them.

    The best are those within ``drop`` of the maximum, and at least ``n_best``. Where one lies at
    the end of its axis, the box reaches beyond it, by half of the axis.

    Args:
        log_p: log-densities, (n_obs, *cells), with a finite one for each observation.
        low: ends of the grids, (n_obs, p).
        high: the other ends.
        n_best: how many cells are kept at least.
        drop: in ln p.

    Returns:
        Low and high of the boxes, (n_obs, p), and whether each is larger than its best cells ask
        for, since too few of those lie within ``drop`` or some at an end, (n_obs,).

    """
    n_obs, n, p = len(log_p), log_p.shape[1], log_p.ndim - 1
    flat = log_p.reshape(n_obs, -1)
    nth = np.partition(flat, -n_best, axis=1)[:, -n_best]
    floor = flat.max(axis=1) - drop
    is_open = nth < floor
    is_best = log_p >= np.minimum(nth, floor).reshape(-1, *(1,) * p)
    is_best &= log_p > -np.inf
    ends = []
    for i in range(p):
        there = is_best.any(axis=tuple(j + 1 for j in range(p) if j != i))  # (n_obs, n)
        first, last = there.argmax(axis=1), n - 1 - there[:, ::-1].argmax(axis=1)
        is_open |= (first == 0) | (last == n - 1)
        ends.append((np.where(first, first - 1, -n / 2), np.where(last < n - 1, last + 2, 1.5 * n)))
    starts, stops = np.stack(ends, axis=-1)  # (n_obs, p) each, in cells
    width = widths(low, high, n)
    return low + starts * width, low + stops * width, is_open


class Cells(NamedTuple):
    """Masses in cells of equal widths.

    low, high: ends of each grid, (n_obs, p).
    mass: of each cell, normalised, (n_obs, *cells).
    """

    low: np.ndarray
    high: np.ndarray
    mass: np.ndarray

    @property
    def n(self) -> int:
        """How many cells there are along each axis."""
        return self.mass.shape[1]

    def marginals(self) -> np.ndarray:
        """Masses along each axis, (n_obs, n, p)."""
        p = self.low.shape[1]
        axes = [tuple(j + 1 for j in range(p) if j != i) for i in range(p)]
        return np.stack([self.mass.sum(axis=others) for others in axes], axis=-1)

    def mean(self, theta: np.ndarray) -> np.ndarray:
        """Means of functions of one coordinate each, (n_obs, n, p) -> (n_obs, p)."""
        return np.sum(self.marginals() * theta, axis=1)

    def sd(self, theta: np.ndarray) -> np.ndarray:
        """Standard deviations of functions of one coordinate each, (n_obs, p)."""
        centred = theta - self.mean(theta)[:, None]
        return np.sqrt(np.sum(self.marginals() * centred**2, axis=1))

    def covariance(self, theta: np.ndarray) -> np.ndarray:
        """Covariances of functions of one coordinate each, (n_obs, p, p)."""
        p = theta.shape[-1]
        centred = theta - self.mean(theta)[:, None]  # (n_obs, n, p)
        found = np.einsum("oa,ai->oai", self.sd(theta) ** 2, np.eye(p))
        for i in range(p):
            for j in range(i + 1, p):
                others = tuple(k + 1 for k in range(p) if k not in (i, j))
                pair = self.mass.sum(axis=others)  # (n_obs, n, n)
                found[:, i, j] = np.einsum("oab,oa,ob->o", pair, centred[..., i], centred[..., j])
                found[:, j, i] = found[:, i, j]
        return found

    def quantiles(self, levels: np.ndarray) -> np.ndarray:
        """Quantiles of the marginals, with equal densities within a cell, (n_levels, n_obs, p)."""
        below = np.cumsum(self.marginals(), axis=1)  # (n_obs, n, p)
        n_obs, n, p = below.shape
        edges = np.arange(n + 1)
        found = np.empty((len(levels), n_obs, p))
        for o in range(n_obs):
            for i in range(p):
                steps = np.concatenate([[0.0], below[o, :, i] / below[o, -1, i]])
                found[:, o, i] = np.interp(levels, steps, edges)
        return self.low + found * widths(self.low, self.high, n)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Independent draws, uniform within their cells, (n_obs, n, p)."""
        n_obs, p = self.low.shape
        found = np.empty((n_obs, n, p))
        for o, mass in enumerate(self.mass):
            below = np.cumsum(mass.reshape(-1))
            drawn = np.searchsorted(below, rng.random(n) * below[-1], side="right")
            found[o] = np.stack(np.unravel_index(drawn, mass.shape), axis=-1)  # (n, p)
        found += rng.random(found.shape)
        return self.low[:, None] + found * widths(self.low, self.high, self.n)[:, None]
