"""Fisher information of summaries and the assumptions behind it, debiased and with errors.

In float64, from the summaries of all simulations of a set.
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
    """Sums over simulations, of summaries x less the mean of the whole set.

    The sums of a group can then be subtracted from those of the set without cancellation.
    """

    n_s: jax.Array  # number of simulations, ()
    n_d: jax.Array  # number of derivatives, ()
    x: jax.Array  # (k,)
    xx: jax.Array  # x x^T, (k, k)
    dx: jax.Array  # dx/dtheta, (k, n_params)
    x_with_dx: jax.Array  # x of the simulations that have derivatives, (k,)
    dx_x: jax.Array  # dx/dtheta times x, of the same simulations, (k, n_params, k)
    z: jax.Array  # powers 1 to 4 of each parameter's estimates less their mean, (4, n_params)


class Estimate(NamedTuple):
    """A measured quantity; all fields have its shape."""

    value: Any
    debiased: Any  # without the bias of order 1 / n
    error: Any  # standard error


def jackknife(groups: Any, quantity: Callable) -> Estimate:
    """Delete-a-group jackknife of a quantity that is computed from sums.

    With q from all G groups and q_g from all but group g:

        debiased = G q - (G - 1) mean q_g,     error^2 = (G - 1) / G sum_g (q_g - mean q_g)^2

    For F this removes, to order 1 / n and for any distribution of the summaries, the biases from
    C^-1 of a finite sample, from the noise of dmu/dtheta, and from both together; for Gaussian
    summaries the first is a factor (n_s - 1) / (n_s - n_summaries - 2). Errors
    from fewer than ten groups are mostly too small: from two, the median is 0.67 of the true one.

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
    """Indices of each jackknife group's simulations; derivatives are shared out evenly."""
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
    """Moments of the summaries, their mean relative to that of the whole set."""
    return Moments(s.n_s, s.n_d, s.x / s.n_s, s.xx - jnp.outer(s.x, s.x) / s.n_s, s.dx / s.n_d)


def distribution(z: jax.Array, n: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Skewness and excess kurtosis from sums of the powers 1 to 4 of n numbers, (4, …).

    Both are 0 for a Gaussian.
    """
    m1, m2, m3, m4 = (power / n for power in z)
    variance = m2 - m1**2
    third = m3 - 3 * m1 * m2 + 2 * m1**3
    fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    return third / variance**1.5, fourth / variance**2 - 3


def change_of_covariance(s: Sums) -> jax.Array:
    """Relative change of C when a parameter changes by its Cramer-Rao bound, (n_params,).

    To first order: the largest absolute eigenvalue of sigma_a C^-1 dC/dtheta_a, with
    sigma_a^2 = (F^-1)_aa and dC/dtheta_a the covariance of dx/dtheta_a with x plus its transpose.
    F assumes a constant C, so that this should be far less than 1.
    """
    m = moments(s)
    products = s.dx_x - jnp.multiply.outer(s.dx, s.x_with_dx) / s.n_d
    cross = products / (s.n_d - 1)  # (k, n_params, k)
    dC_dtheta = jnp.moveaxis(cross + jnp.swapaxes(cross, 0, 2), 1, 0)  # (n_params, k, k)
    L_inv = fisher.whitening(m)[0]
    # One at a time: batched, they can deadlock on jaxlib's threads.
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
    """|C|, and how far the assumptions of F hold.

    Those are skewness and excess kurtosis of the estimates, and `change_of_covariance`.
    """
    skewness, excess_kurtosis = distribution(s.z, s.n_s)
    return {
        "det_C": jnp.exp(fisher.log_det(fisher.covariance(moments(s)))),
        "skewness": skewness,
        "excess_kurtosis": excess_kurtosis,
        "covariance_change": change_of_covariance(s),
    }


def ratio(a: dict, b: dict) -> dict[str, jax.Array]:
    """Ratios of two informations: of |F|, and of F_aa of each parameter."""
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
    """Weights of the summaries in estimates of theta: C^-1 (dmu/dtheta) F^-1.

    (n_summaries, n_params); NaN where C or F is singular.
    """
    try:
        return np.linalg.solve(statistics.C, statistics.dmu_dtheta) @ np.linalg.inv(statistics.F)
    except np.linalg.LinAlgError:
        return np.full_like(statistics.dmu_dtheta, np.nan)


def estimates(x: np.ndarray, statistics: fisher.Statistics, theta_fid: np.ndarray) -> np.ndarray:
    """Quasi-maximum-likelihood estimates of theta from summaries x, (n, n_params).

    theta_fid + F^-1 (dmu/dtheta)^T C^-1 (x - mu): one step of Fisher scoring from theta_fid, for
    Gaussian x with a mean linear in theta. Unbiased near theta_fid, with covariance F^-1.
    """
    return theta_fid + (x - statistics.mu) @ weights_of_estimates(statistics)


def measure(compressions: dict[str, Summaries]) -> Estimate:
    """Measure everything that is kept of a set.

    Args:
        compressions: summaries of the same simulations, by name: "network", and "score" and
            "linear" where there are any.

    Returns:
        An Estimate whose fields are mappings: of each compression its `information`, of network
        and score also their `description`; and as "over_score" and "over_linear" the `ratio` of
        the network to them.

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
