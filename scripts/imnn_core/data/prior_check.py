"""A look at what a simulator gives at parameters of the prior, before a full run draws there."""

import jax
import numpy as np
from imnn_core.data.failures import too_many
from imnn_core.problems import Problem, simulations
from imnn_core.problems.numbered import Table
from imnn_core.problems.precision import not_finite
from imnn_core.problems.prior import Prior
from imnn_core.problems.simulator import check, check_prior
from imnn_core.problems.workers import Workers
from imnn_core.store.wording import shown

NEAR = 1e-6  # of the mass, beyond the corners of the prior that are looked at
MOST_CORNERS = 64


def look(
    problem: Problem,
    prior: Prior,
    key: jax.Array,
    path: str,
    n_workers: int,
    n: int,
    allowed: float,
) -> tuple[str, list[str]]:
    """Draw n simulations from the prior, and one at each of its corners.

    Args:
        problem: with a simulator.
        prior: of its parameters.
        key: of the set "prior", whose first simulations these are.
        path: of the problem's file, for a numpy simulator.
        n_workers: processes of such a one.
        n: simulations.
        allowed: the share that may fail.

    Returns:
        What was seen in words, and a line if too many failed.

    """
    check_prior(problem.over(prior))
    theta = np.concatenate([simulations.theta_from(problem.over(prior), key)(0, n), corners(prior)])
    over = problem.over(Table(problem.names, theta, 0))
    check(over)
    if problem.numpy:
        d = np.empty((len(theta), *problem.input_shape))
        with Workers(over, path, simulations.words_of(key), n_workers) as workers:
            for _, first, rows in workers.drawn([("fiducial", 0, len(theta))]):
                d[first : first + len(rows)] = rows
            reasons = workers.failures
    else:
        d, reasons = simulations.functions(over, key, len(theta))[0](0, len(theta)), []
    bad = not_finite(d)
    words = f"{n} simulations from the prior and {len(theta) - n} at its corners"
    if not len(bad):
        return f"{words} are finite", []
    first = reasons[0] if reasons else f"not finite at theta = {shown(theta[bad[0]].tolist())}"
    n_bad = int(np.sum(bad < n))
    words += f": {n_bad} and {len(bad) - n_bad} failed, the first: {first}"
    if n_bad <= allowed * n:
        return words, []
    return words, [f"problem {problem.name!r}: {too_many(allowed, n_bad, n, first)}"]


def corners(prior: Prior) -> np.ndarray:
    """Corners of the prior, (n, n_params), where nearly all of its mass lies within."""
    p = len(prior.names)
    sides = np.indices((2,) * min(p, 6)).reshape(min(p, 6), -1).T  # of the first six parameters
    u = np.full((len(sides), p), 0.5)
    u[:, : sides.shape[1]] = np.where(sides, 1 - NEAR, NEAR)
    return prior.quantile(u[:MOST_CORNERS])
