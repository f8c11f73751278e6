"""Densities on grids of equal cells, one grid for each of many observations.

A grid is a box in coordinates y, and z = L y with a triangular L, its frame, in which y are hardly
correlated.
"""

from typing import NamedTuple

import numpy as np


def shares(n: int, p: int) -> np.ndarray:
    """Centres of n cells along each of p axes of the unit cube, (n**p, p)."""
    along = (np.arange(n) + 0.5) / n
    return np.stack(np.meshgrid(*[along] * p, indexing="ij"), axis=-1).reshape(-1, p)


class Frame(NamedTuple):
    """Boxes in coordinates of their own.

    axes: L, lower triangular, (n_obs, p, p).
    low, high: ends of the boxes in y, (n_obs, p).
    """

    axes: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def z(self, shares: np.ndarray) -> np.ndarray:
        """Points at shares of the boxes, (n_obs or 1, n, p) -> (n_obs, n, p)."""
        y = self.low[:, None] + shares * (self.high - self.low)[:, None]
        return y @ self.axes.swapaxes(1, 2)

    def log_volume(self) -> np.ndarray:
        """Log-volume of the boxes in z, (n_obs,)."""
        lengths = np.diagonal(self.axes, axis1=1, axis2=2) * (self.high - self.low)
        return np.log(lengths).sum(axis=1)

    def where(self, kept: np.ndarray, other: "Frame") -> "Frame":
        """The same where kept (n_obs,), and the other elsewhere."""
        return Frame(
            *(
                np.where(kept.reshape(-1, *(1,) * (ours.ndim - 1)), ours, theirs)
                for ours, theirs in zip(self, other, strict=True)
            )
        )

    def around_best(
        self, log_p: np.ndarray, n: int, n_best: int, drop: float
    ) -> tuple["Frame", np.ndarray]:
        """Frames in which the best cells of each grid are as wide as long, and boxes around them.

        The best are those within ``drop`` of the maximum, and at least ``n_best``. A box reaches
        further by two cells on each side, and by half of the grid where a best cell lies at an end.

        Args:
            log_p: log-densities, (n_obs, n**p), with a finite one for each observation.
            n: cells along each axis.
            n_best: how many cells are kept at least.
            drop: in ln p.

        Returns:
            Frames, and whether each is wider than ``drop`` asks for, or too narrow, (n_obs,).

        """
        p = self.low.shape[1]
        nth = np.partition(log_p, -n_best, axis=1)[:, -n_best]
        floor = log_p.max(axis=1) - drop
        is_best = (log_p >= np.minimum(floor, nth)[:, None]) & (log_p > -np.inf)
        is_open = nth < floor
        at_end = np.any(np.abs(shares(n, p) - 0.5) > 0.5 - 1 / n, axis=1)
        touches = np.any(is_best & at_end[None], axis=1)
        cell = (self.high - self.low) / n
        y = self.low[:, None] + shares(n, p)[None] * (self.high - self.low)[:, None]
        inwards = np.linalg.cholesky(_spread(y, is_best, cell))
        y = np.linalg.solve(inwards, y.swapaxes(1, 2)).swapaxes(1, 2)
        low = np.min(np.where(is_best[..., None], y, np.inf), axis=1)
        high = np.max(np.where(is_best[..., None], y, -np.inf), axis=1)
        across = np.abs(np.linalg.inv(inwards))  # lengths in old coordinates to those in new ones
        # The edge lies within a cell of the last centres, and the next grid's within its box.
        reach = np.einsum("oij,oj->oi", across, 1.75 * cell)
        further = np.einsum("oij,oj->oi", across, 0.5 * n * cell)
        reach = np.where(touches[:, None], further, reach)
        return Frame(self.axes @ inwards, low - reach, high + reach), is_open | touches


def _spread(y, is_best, cell):
    """Covariance of the best cells, (n_obs, p, p), that of points within a cell included."""
    weights = is_best / is_best.sum(axis=1, keepdims=True)
    centred = y - np.einsum("on,oni->oi", weights, y)[:, None]
    return np.einsum("on,oni,onj->oij", weights, centred, centred) + (
        cell[:, :, None] ** 2 / 12 * np.eye(cell.shape[1])
    )


def chessboard(n: int, p: int) -> np.ndarray:
    """Whether a cell is one of every second, by the sum of its numbers, (n**p,)."""
    return np.indices((n,) * p).sum(axis=0).reshape(-1) % 2 == 0


class Cells(NamedTuple):
    """Masses in the cells of grids.

    frame: of the grids.
    mass: of each cell, normalised, (n_obs, *cells).
    """

    frame: Frame
    mass: np.ndarray

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Independent draws of z, (n_obs, n, p).

        Cells are drawn by their masses, which are densities at their centres. Within a cell of
        width h a draw's density has half of the slope of ln p: mean and covariance of any number of
        draws are then those of p up to h^4, and not wider by h^2 / 12.
        """
        n_cells, p = self.mass.shape[1], self.mass.ndim - 1
        found = np.empty((len(self.mass), n, p))
        for o, mass in enumerate(self.mass):
            below = np.cumsum(mass.reshape(-1))
            drawn = np.searchsorted(below, rng.random(n) * below[-1], side="right")
            cell = np.stack(np.unravel_index(drawn, mass.shape))  # (p, n)
            for i in range(p):
                found[o, :, i] = cell[i] + _within(mass, cell, i, rng.random(n))
        return self.frame.z(found / n_cells)


def _within(mass, cell, i, u):
    """Places in [0, 1] within cells along axis i, of density 1 + a (x - 1/2), by u uniform."""
    up, down = cell.copy(), cell.copy()
    up[i], down[i] = np.minimum(cell[i] + 1, mass.shape[i] - 1), np.maximum(cell[i] - 1, 0)
    least = np.finfo(np.float64).tiny
    a = 0.25 * np.log(np.maximum(mass[tuple(up)], least) / np.maximum(mass[tuple(down)], least))
    a = np.clip(a, -2, 2)
    # x + a (x^2 - x) / 2 = u, in the form that has its digits for any a.
    return 2 * u / (1 - a / 2 + np.sqrt((1 - a / 2) ** 2 + 2 * a * u))
