"""How much information summaries carry: F and what F assumes, each with its bias taken off and a standard error.

All in float64, from the summaries of every simulation of a set.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.compression.compressor import Summaries
from imnn_core.gradient import fisher
from imnn_core.gradient.fisher import Moments
from imnn_core.gradient.host import in_float64

N_GROUPS = 50  # of the jackknife, at most


class Sums(NamedTuple):
    """Sums over simulations, with x - c for x, c the mean of all: those of a part can be taken off without cancellation.

    n_s, n_d: of simulations, and of derivatives, (). x: (k,). xx: of the products (k, k). dx: of
        dx/dtheta, (k, n_params).
    x_with_dx: of the x that have derivatives, (k,). dx_x: of their products with these, (k,
        n_params, k).
    z: of the powers 1 to 4 of the estimates of each parameter, up to their mean, (4, n_params).
    """

    n_s: jax.Array
    n_d: jax.Array
    x: jax.Array
    xx: jax.Array
    dx: jax.Array
    x_with_dx: jax.Array
    dx_x: jax.Array
    z: jax.Array


class Estimate(NamedTuple):
    """A measured quantity, each array of its shape.

    value: as it comes. debiased: without its bias of order 1 / n. error: its standard error.
    """

    value: Any
    debiased: Any
    error: Any


def jackknife(groups: Any, quantity: Callable) -> Estimate:
    """Delete-a-group jackknife of a quantity of sums; of fewer than ten groups the error is too small, by 0.6 of two.

    With q of all G groups and q_g of all but group g:

        debiased = G q - (G - 1) mean q_g,     error^2 = (G - 1) / G sum_g (q_g - mean q_g)^2

    Of F that takes off the biases of a finite sample's C^-1, of the noise of dmu/dtheta, and of the
    two together, to order 1 / n, whatever the summaries' distribution is; for Gaussian summaries
    the first is (n_s - 1) / (n_s - n_summaries - 2).

    Args:
        groups: a tree of sums over G disjoint groups of like size, stacked along a first axis.
        quantity: tree of sums -> tree of arrays.

    Source: Quenouille 1956, Biometrika 43, 353; Efron & Tibshirani 1993, An Introduction to the
        Bootstrap, chapter 11.

    """
    n_groups = len(jax.tree.leaves(groups)[0])
    total = jax.tree.map(lambda leaf: leaf.sum(axis=0), groups)
    value = quantity(total)
    each = jax.lax.map(
        quantity, jax.tree.map(lambda all_of, leaf: all_of[None] - leaf, total, groups)
    )
    mean = jax.tree.map(lambda q: q.mean(axis=0), each)
    return Estimate(
        value=value,
        debiased=jax.tree.map(lambda q, m: n_groups * q - (n_groups - 1) * m, value, mean),
        error=jax.tree.map(lambda q: jnp.sqrt((n_groups - 1) * q.var(axis=0)), each),
    )


def groups_of(n_s: int, n_d: int) -> list[np.ndarray]:
    """Numbers of the simulations of each group of the jackknife: each has its share of those with derivatives."""
    n_groups = min(N_GROUPS, n_d)

    def parts(start, stop):
        return np.array_split(np.arange(start, stop), n_groups)

    return [np.concatenate(both) for both in zip(parts(0, n_d), parts(n_d, n_s), strict=True)]


def sums_of_groups(summaries: Summaries) -> Sums:
    """Sums over each group of the jackknife, stacked."""
    n_s, n_d = len(summaries.x), len(summaries.dx_dtheta)
    x = summaries.x - summaries.x.mean(axis=0)
    z = x @ weights_of_estimates(statistics_of(summaries))

    def of_group(rows):
        with_dx = rows[rows < n_d]
        dx = summaries.dx_dtheta[with_dx]
        return Sums(
            n_s=np.float64(len(rows)),
            n_d=np.float64(len(with_dx)),
            x=x[rows].sum(axis=0),
            xx=x[rows].T @ x[rows],
            dx=dx.sum(axis=0),
            x_with_dx=x[with_dx].sum(axis=0),
            dx_x=np.tensordot(dx, x[with_dx], axes=(0, 0)),
            z=np.stack([(z[rows] ** power).sum(axis=0) for power in (1, 2, 3, 4)]),
        )

    return jax.tree.map(lambda *leaves: np.stack(leaves), *map(of_group, groups_of(n_s, n_d)))


def moments(s: Sums) -> Moments:
    """Moments of the summaries; their mean is that less the one of all simulations."""
    return Moments(s.n_s, s.n_d, s.x / s.n_s, s.xx - jnp.outer(s.x, s.x) / s.n_s, s.dx / s.n_d)


def distribution(z: jax.Array, n: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Skewness and excess kurtosis, both 0 for a Gaussian, from sums of the powers 1 to 4 of n numbers (4, …)."""
    m1, m2, m3, m4 = (power / n for power in z)
    variance = m2 - m1**2
    third = m3 - 3 * m1 * m2 + 2 * m1**3
    fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    return third / variance**1.5, fourth / variance**2 - 3


def change_of_covariance(s: Sums) -> jax.Array:
    """How much C changes where one parameter moves by its Cramer-Rao bound, to first order, (n_params,).

    The eigenvalue of largest size of sigma_a C^-1 dC/dtheta_a, with sigma_a^2 = (F^-1)_aa and
    dC/dtheta_a the covariance of dx/dtheta_a with x, plus its transpose. F takes C for constant:
    for that it should be far less than 1.
    """
    m = moments(s)
    cross = (s.dx_x - jnp.multiply.outer(s.dx, s.x_with_dx) / s.n_d) / (
        s.n_d - 1
    )  # (k, n_params, k)
    dC_dtheta = jnp.moveaxis(cross + jnp.swapaxes(cross, 0, 2), 1, 0)  # (n_params, k, k)
    L_inv = fisher.whitening(m)[0]
    # One by one: a batch of them waits for threads that another batch may hold, for good.
    eigenvalues = jax.lax.map(
        lambda change: jnp.linalg.eigvalsh(L_inv @ change @ L_inv.T), dC_dtheta
    )
    sigma = jnp.sqrt(jnp.diag(jnp.linalg.inv(fisher.statistics(m).F)))
    return sigma * jnp.abs(eigenvalues).max(axis=-1)


def information(s: Sums) -> dict[str, jax.Array]:
    """F, |F| and the Cramer-Rao bound sigma of each parameter."""
    F = fisher.statistics(moments(s)).F
    return {
        "F": F,
        "det_F": jnp.exp(fisher.log_det(F)),
        "sigma": jnp.sqrt(jnp.diag(jnp.linalg.inv(F))),
    }


def description(s: Sums) -> dict[str, jax.Array]:
    """What F takes for granted: |C|, skewness and excess kurtosis of each parameter's estimates, `change_of_covariance`."""
    skewness, excess_kurtosis = distribution(s.z, s.n_s)
    return {
        "det_C": jnp.exp(fisher.log_det(fisher.covariance(moments(s)))),
        "skewness": skewness,
        "excess_kurtosis": excess_kurtosis,
        "covariance_change": change_of_covariance(s),
    }


def ratio(a: dict, b: dict) -> dict[str, jax.Array]:
    """Information over other information: |F| over |F|, and each parameter's F_aa over F_aa."""
    log_det = [fisher.log_det(one["F"]) for one in (a, b)]
    return {
        "det_F": jnp.exp(log_det[0] - log_det[1]),
        "F_diagonal": jnp.diag(a["F"]) / jnp.diag(b["F"]),
    }


def statistics_of(summaries: Summaries) -> fisher.Statistics:
    """Statistics of a set of summaries."""
    mean = summaries.x.mean(axis=0)
    n_s, n_d = np.float64(len(summaries.x)), np.float64(len(summaries.dx_dtheta))
    scatter = (summaries.x - mean).T @ (summaries.x - mean)
    return in_float64(fisher.statistics)(
        Moments(n_s, n_d, mean, scatter, summaries.dx_dtheta.mean(axis=0))
    )


def weights_of_estimates(statistics: fisher.Statistics) -> np.ndarray:
    """C^-1 (dmu/dtheta) F^-1, (n_summaries, n_params): what estimates of theta are made of; NaN where there is no inverse."""
    try:
        return np.linalg.solve(statistics.C, statistics.dmu_dtheta) @ np.linalg.inv(statistics.F)
    except np.linalg.LinAlgError:
        return np.full_like(statistics.dmu_dtheta, np.nan)


def estimates(x: np.ndarray, statistics: fisher.Statistics, theta_fid: np.ndarray) -> np.ndarray:
    """Quasi-maximum-likelihood estimates of theta from summaries x, (n, n_params).

    theta_fid + F^-1 (dmu/dtheta)^T C^-1 (x - mu): one step of Fisher scoring from theta_fid, x
    taken for Gaussian with a mean linear in theta; unbiased near theta_fid, with covariance F^-1.
    """
    return theta_fid + (x - statistics.mu) @ weights_of_estimates(statistics)


def measure(compressions: dict[str, Summaries]) -> Estimate:
    """All that is measured on a set.

    Args:
        compressions: summaries of the same simulations by "network", and by "score" and "linear"
            where there are.

    Returns:
        An Estimate whose parts are mappings: `information` of each compression, of network and
        score with their `description`; and `ratio` of the network's as "over_score" and
        "over_linear".

    """

    def quantity(sums):
        found = {
            name: information(s) | (description(s) if name != "linear" else {})
            for name, s in sums.items()
        }
        return found | {
            f"over_{name}": ratio(found["network"], found[name])
            for name in sums
            if name != "network"
        }

    groups = {name: sums_of_groups(summaries) for name, summaries in compressions.items()}
    return in_float64(partial(jackknife, quantity=quantity))(groups)
