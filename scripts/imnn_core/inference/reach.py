"""Whether simulations from the prior reach the observation, and go with their parameters."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from imnn_core.evaluation.warnings import FAR
from imnn_core.inference.summaries import Summaries
from imnn_core.store.errors import InputError
from scipy import optimize, stats
from scipy.spatial import KDTree

BEYOND = 4.0  # times the distance between simulations: a prior that misses the observation by far
RARE = 0.001  # share of simulations that lie as far from others as the observation does
SPARSE = 3.0  # bounds, beyond which the nearest simulations are few
NEIGHBOUR = 10  # whose distance tells how dense simulations are
MOST = 4000  # simulations by which distances are judged
CORRELATED = 0.1  # rank correlation of an estimate with its parameter, below which there is none
STRETCHES, STRETCH = 10, 50  # of rows that are looked at by themselves, and rows of one at least
SWAPPED = 0.2  # by how much other parameters are better correlated


def check_theta(found: Summaries, where: str) -> None:
    """See that parameters in files are those of the prior, in the order of the names.

    Raises:
        InputError: they are not.

    """
    theta, names = found.simulated.theta, found.prior.names
    outside = np.flatnonzero(~found.prior.contains(theta))
    if len(outside):
        i, bounds = outside[0], found.prior.bounds.tolist()
        raise InputError(
            f"{where}: expected parameters within the prior, {bounds}, found "
            f"{theta[i].tolist()} in row {found.simulated.index[i]} ({len(outside)} rows lie "
            "outside)"
        )
    u = found.prior.cdf(theta)
    for name, column in zip(names, u.T, strict=True):
        test = stats.ks_1samp(column, stats.uniform.cdf)
        if test.pvalue < 1e-6 and test.statistic > 0.03:
            raise InputError(
                f"{where}: expected {name} drawn from the prior of the config, found another "
                f"distribution (largest distance {test.statistic:.2g}, p = {test.pvalue:.1g}); "
                "the prior must be that of the simulations"
            )
    _check_rows(found, where)
    at = slice(0, 20 * MOST)
    ranks = [stats.rankdata(array[at], axis=0) for array in (theta, found.simulated.estimates)]
    p = len(names)
    R = np.abs(np.corrcoef(*ranks, rowvar=False)[:p, p:])  # (theta, estimate)
    own, best = np.diag(R), optimize.linear_sum_assignment(-R)[1]
    gain = R[np.arange(p), best].sum() - own.sum()
    if R.max() < CORRELATED:
        raise InputError(
            f"{where}: expected estimates that go with theta, found no correlation above "
            f"{R.max():.2g}; are the simulations in another order than their parameters?"
        )
    if gain > SWAPPED:
        found_order = ", ".join(names[i] for i in np.argsort(best))
        raise InputError(
            f"{where}: expected the parameters in the order {', '.join(names)}, found that the "
            f"estimates go with columns in the order {found_order}"
        )


def _check_rows(found: Summaries, where: str) -> None:
    """See that all stretches of rows go together as the best of them do."""
    n = len(found.simulated.theta)
    edges = np.linspace(0, n, 1 + min(STRETCHES, n // STRETCH)).astype(int)
    if len(edges) < 3:
        return
    R = np.array(
        [
            [abs(stats.spearmanr(*pair).statistic) for pair in zip(theta.T, of.T, strict=True)]
            for a, b in zip(edges, edges[1:], strict=False)
            for theta, of in [(found.simulated.theta[a:b], found.simulated.estimates[a:b])]
        ]
    ).max(axis=1)  # of the parameter that goes best
    worst = int(np.argmin(R))
    if R.max() > 0.5 and R[worst] < 0.3 * R.max():
        raise InputError(
            f"{where}: expected simulations in the order of their parameters, found that estimates "
            f"and parameters do not go together from about row "
            f"{found.simulated.index[edges[worst]]} on (rank correlation {R[worst]:.2g}, elsewhere "
            f"up to {R.max():.2g})"
        )


class Near(NamedTuple):
    """How near simulations are to each observation; NaN where there are too few of them.

    distance: of the NEIGHBOUR-th nearest, in bounds. ratio: to that of the loneliest hundredth of
    simulations. share: of simulations that are as lonely. (n_obs,) each.
    """

    distance: np.ndarray
    ratio: np.ndarray
    share: np.ndarray


def near(found: Summaries) -> Near:
    """How near simulations are to each observation."""
    s, at = (found.whitened(each.estimates) for each in (found.simulated, found.observed))
    if len(s) <= 10 * NEIGHBOUR:
        return Near(*np.full((3, len(at)), np.nan))
    tree = KDTree(s, balanced_tree=False)
    of_others = np.sort(tree.query(s[:MOST], NEIGHBOUR + 1)[0][:, -1])
    distance = tree.query(at, NEIGHBOUR)[0][:, -1]
    lonely = max(np.quantile(of_others, 0.99), np.finfo(np.float64).tiny)
    share = 1 - np.searchsorted(of_others, distance) / len(of_others)
    return Near(distance, distance / lonely, share)


def of_observations(found: Summaries) -> list[list[str]]:
    """Doubts about each observation that no method can remedy.

    Raises:
        InputError: the prior misses one by far.

    """
    simulations = near(found)
    return [
        list(_of_observation(found, i, Near(*(array[i] for array in simulations))))
        for i in range(len(found.observed.x))
    ]


def _of_observation(found: Summaries, i: int, simulations: Near) -> Iterator[str]:
    yield from (f"the fit is not to be trusted: {reason}" for reason in found.about["why_not"])
    if found.about["n_failed"]:
        yield (
            f"{found.about['n_failed']} of {found.about['n_all']} simulations from the prior "
            "failed and are left out: methods that learn from simulations have 0 where all fail, "
            "gaussian and the exact posterior do not"
        )
    estimate, bound = found.observed.estimates[i], np.sqrt(np.diag(found.covariance))
    low, high = found.prior.bounds.T
    outside = (np.maximum(low - estimate, estimate - high) / bound).max()
    if outside > FAR and not simulations.ratio <= BEYOND:  # NaN without simulations
        pairs = zip(found.prior.names, estimate, strict=True)
        where = ", ".join(f"{name} = {value:.4g}" for name, value in pairs)
        raise InputError(
            f"posterior.prior: expected a prior that reaches the observation, found the estimate "
            f"{where} of observation {i} {outside:.3g} bounds outside; widen the prior, or "
            "see that the data are like the simulations (units, masks)"
        )
    if simulations.share < RARE:
        yield (
            "the observation lies outside of the simulations: its nearest ones are "
            f"{simulations.ratio:.2g} times as far away as those of simulations are"
        )
    if simulations.distance > SPARSE:
        yield (
            f"simulations are sparse: the {NEIGHBOUR} nearest lie up to "
            f"{simulations.distance:.3g} bounds away, and posteriors from them can be as wide; "
            "take more simulations, a narrower prior, or `refine` with `truncate`"
        )
    x, of_all = found.observed.x[i], found.simulated.x
    if len(of_all) and np.any(beyond := (x < of_all.min(axis=0)) | (x > of_all.max(axis=0))):
        which = np.flatnonzero(beyond).tolist()
        yield f"its summaries {which} lie beyond those of all simulations"
    far = (np.abs(estimate - found.theta_fid) / bound).max()
    if far > FAR:
        yield (
            f"the estimate lies {far:.3g} bounds from theta_fid, where summaries may keep "
            "far less than the data have: calibrated posteriors may be several times too wide; "
            "refine goes on from there"
        )
