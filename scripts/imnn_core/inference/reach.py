"""Whether simulations from the prior reach the observation, and go with their parameters."""

from collections.abc import Iterator

import numpy as np
from imnn_core.inference.summaries import Summaries
from imnn_core.store.errors import InputError

FAR = 5  # bounds from theta_fid, from which on F and estimates need not hold
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
    from scipy import optimize, stats

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
    from scipy import stats

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


def of_observation(found: Summaries, i: int) -> Iterator[str]:
    """Doubts about observation i that no method can remedy.

    Raises:
        InputError: the prior misses it by far.

    """
    yield from (f"the fit is not to be trusted: {reason}" for reason in found.about["why_not"])
    if found.about["n_failed"]:
        yield (
            f"{found.about['n_failed']} of {found.about['n_all']} simulations from the prior "
            "failed and are left out: methods that learn from simulations have 0 where all fail, "
            "gaussian and the exact posterior do not"
        )
    estimate, bound = found.observed.estimates[i], np.sqrt(np.diag(found.covariance))
    where = ", ".join(
        f"{name} = {value:.4g}" for name, value in zip(found.prior.names, estimate, strict=True)
    )
    low, high = found.prior.bounds.T
    away = np.maximum(low - estimate, estimate - high) / bound
    beyond, much, near = _beyond(found, i)
    if away.max() > FAR and (beyond is None or beyond > BEYOND):
        raise InputError(
            f"posterior.prior: expected a prior that reaches the observation, found the estimate "
            f"{where} of observation {i} {away.max():.3g} bounds outside; widen the prior, or "
            "see that the data are like the simulations (units, masks)"
        )
    if much is not None and much < RARE:
        yield (
            f"the observation lies outside of the simulations: its nearest ones are {beyond:.2g} "
            "times as far away as those of simulations are"
        )
    if near is not None and near > SPARSE:
        yield (
            f"simulations are sparse: the {NEIGHBOUR} nearest lie up to {near:.3g} bounds away, "
            "and posteriors from them can be as wide; take more simulations, a narrower prior, or "
            "`refine` with `truncate`"
        )
    outside = found.simulated.x.size and (
        (found.observed.x[i] < found.simulated.x.min(axis=0))
        | (found.observed.x[i] > found.simulated.x.max(axis=0))
    )
    if np.any(outside):
        which = np.flatnonzero(outside).tolist()
        yield f"its summaries {which} lie beyond those of all simulations"
    far = np.abs(estimate - found.theta_fid) / bound
    if far.max() > FAR:
        yield (
            f"the estimate lies {far.max():.3g} bounds from theta_fid, where summaries may keep "
            "far less than the data have: calibrated posteriors may be several times too wide; "
            "refine goes on from there"
        )


def _beyond(found: Summaries, i: int) -> tuple[float | None, float | None, float | None]:
    """How much farther the neighbours of an observation are than those of simulations.

    Returns:
        The ratio to the median of the farthest hundredth, and the share of simulations that are as
        far from theirs, and the distance in bounds; None for all without simulations.

    """
    from scipy.spatial import KDTree

    s = found.whitened(found.simulated.estimates)
    if len(s) <= 10 * NEIGHBOUR:
        return None, None, None
    tree = KDTree(s, balanced_tree=False)
    of_others = tree.query(s[:MOST], NEIGHBOUR + 1)[0][:, -1]
    mine = tree.query(found.whitened(found.observed.estimates[i : i + 1]), NEIGHBOUR)[0][0, -1]
    typical = np.quantile(of_others, 0.99)
    share = float(np.mean(of_others >= mine))
    return float(mine / max(typical, 1e-300)), share, float(mine)
