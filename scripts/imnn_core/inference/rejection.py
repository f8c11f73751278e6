"""Rejection ABC: the simulations whose summaries lie nearest to observed ones. Imports no jax."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from imnn_core.store.errors import InputError
from scipy.spatial import KDTree

ROWS = 1 << 15  # simulations whose distances are looked at together: they stay in the cache
TREE_FROM = 64  # observations, from which on a k-d tree is quicker than all distances
ROUNDING = 1e-9  # relative, of a radius within which ties are looked for
LARGEST = 1e150  # whose square is still a number


class Samples(NamedTuple):
    """Accepted simulations of each observation, nearest first.

    theta: their parameters, (n_obs, n_kept, n_params).
    weights: (n_obs, n_kept), equal, with the sum 1.
    epsilon: the largest distance that was accepted, (n_obs,).
    distance: of their summaries from the observed ones, (n_obs, n_kept).
    """

    theta: np.ndarray
    weights: np.ndarray
    epsilon: np.ndarray
    distance: np.ndarray


class Nearest(NamedTuple):
    """Rows with their distances, nearest first: index and distance, (n_obs, n_kept)."""

    index: np.ndarray
    distance: np.ndarray

    @property
    def epsilon(self) -> np.ndarray:
        """The largest distance of each observation, (n_obs,)."""
        return self.distance[:, -1]


def posterior(theta: np.ndarray, s: np.ndarray, observed: np.ndarray, n_kept: int) -> Samples:
    """Samples of the posterior: the n_kept simulations nearest to each observation.

    This is rejection with epsilon chosen for each observation such that n_kept are accepted.

    Args:
        theta: parameters of simulations, drawn from the prior, (n, n_params).
        s: their summaries, scaled such that the Euclidean distance is wanted, (n, k).
        observed: summaries, (n_obs, k).
        n_kept: accepted simulations of each observation.

    Raises:
        InputError: as `nearest`.

    Source: Pritchard et al. 1999; Beaumont, Zhang & Balding 2002.

    """
    kept = nearest(s, observed, n_kept)
    weights = np.full(kept.distance.shape, 1 / n_kept)
    return Samples(theta[kept.index], weights, kept.epsilon, kept.distance)


def nearest(s: np.ndarray, observed: np.ndarray, n_kept: int) -> Nearest:
    """Simulations nearest to each observation, by Euclidean distance.

    Of equal distances the lower number comes first. Rows that are not finite are failed
    simulations, which nothing is near to. The memory for few observations does not grow with n.

    Args:
        s: summaries of simulations, (n, k).
        observed: summaries, (n_obs, k).
        n_kept: how many of each observation.

    Raises:
        InputError: an observation is not finite, or fewer than n_kept simulations are.

    """
    observed = np.asarray(observed, np.float64)
    expect_finite(observed)
    search = _by_tree if len(observed) >= TREE_FROM else _by_all_distances
    return search(s, observed, n_kept)


def smallest(distance: np.ndarray, n_kept: int) -> np.ndarray:
    """Places of the n_kept smallest distances, smallest first, of equal ones the first first."""
    return np.argsort(distance, kind="stable")[:n_kept]


def squared_distances(s: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances of rows (n, k) from one point (k,), (n,) in float64."""
    total = np.zeros(len(s))
    with np.errstate(over="ignore", invalid="ignore"):  # failed simulations have any number
        for column, of in zip(s.T, x, strict=True):
            total += (column - of) ** 2
    return total


def _by_all_distances(s, observed, n_kept):
    found = [(np.empty(0, np.int64), np.empty(0))] * len(observed)
    n_usable = 0
    for first, rows in _chunks(s):
        n_usable += _usable(rows).sum()
        for i, x in enumerate(observed):
            found[i] = _merged(*found[i], first, squared_distances(rows, x), n_kept)
    _expect_enough(n_usable, len(s), n_kept)
    index, squared = map(np.stack, zip(*found, strict=True))  # (n_obs, n_kept)
    return Nearest(index, np.sqrt(squared))


def _merged(index, squared, first, more, n_kept):
    """The nearest so far with a chunk's; these have higher numbers, so that they lose ties."""
    limit = squared[-1] if len(squared) == n_kept else np.inf
    nearer = np.flatnonzero(more < limit)  # nan is not
    if not len(nearer):
        return index, squared
    index = np.concatenate([index, first + nearer])
    squared = np.concatenate([squared, more[nearer]])
    order = smallest(squared, n_kept)
    return index[order], squared[order]


def _by_tree(s, observed, n_kept):
    usable = np.concatenate([first + np.flatnonzero(_usable(rows)) for first, rows in _chunks(s)])
    _expect_enough(len(usable), len(s), n_kept)
    rows = np.asarray(s, np.float64) if len(usable) == len(s) else np.float64(s[usable])
    tree = KDTree(rows, balanced_tree=False)
    index = np.empty((len(observed), n_kept), np.int64)
    squared = np.empty((len(observed), n_kept))
    for i, x in enumerate(observed):
        radius = np.max(tree.query(x, n_kept)[0])
        within = np.array(tree.query_ball_point(x, radius * (1 + ROUNDING), return_sorted=True))
        distances = squared_distances(rows[within], x)
        order = smallest(distances, n_kept)
        index[i], squared[i] = usable[within[order]], distances[order]
    return Nearest(index, np.sqrt(squared))


def _chunks(s) -> Iterator[tuple[int, np.ndarray]]:
    for first in range(0, len(s), ROWS):
        yield first, np.asarray(s[first : first + ROWS], np.float64)


def _usable(rows):
    return np.all(np.abs(rows) < LARGEST, axis=1)  # nan is not


def expect_finite(observed: np.ndarray) -> None:
    """Raise an InputError if summaries of observations, (n_obs, k), are not all finite."""
    wrong = np.flatnonzero(~_usable(observed))
    if len(wrong):
        raise InputError(
            f"observed summaries: expected finite numbers, found {observed[wrong[0]].tolist()} in "
            f"observation {wrong[0]}"
        )


def _expect_enough(n_usable, n, n_kept):
    if n_usable < n_kept:
        raise InputError(
            f"rejection: expected at least {n_kept} simulations with finite summaries, of which "
            f"the nearest are kept, found {n_usable} of {n}"
        )
