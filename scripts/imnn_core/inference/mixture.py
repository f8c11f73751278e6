"""A mixture of Gaussians whose parameters a network computes from summaries: q(z | s).

    y = F (z - m),   q(z | s) = |F| sum_k w_k |F_k| N(F_k (y - m_k); 0, 1)

with lower triangular F and F_k. Location m and scale F are shared, so that the components live in
units of the density's own width: they hardly depend on s, whereas widths may differ by factors of
a hundred over a prior. All of it takes numpy (to infer) or jax.numpy (to train) as ``xp``.
"""

import math
from typing import Any, NamedTuple

import numpy as np

Weights = dict[str, Any]  # arrays by name
STEEPEST = 12.0  # |ln| of a diagonal element of F


class Settings(NamedTuple):
    """How a posterior is estimated. The defaults were chosen by tests/benchmarks/neural.py.

    n_components: Gaussians of the mixture.
    hidden: widths of the network's layers.
    learning_rate: of Adam at first; it falls to 0 as a cosine does.
    n_batch: simulations of a step.
    most_epochs: passes over the simulations.
    least_steps: more epochs where they would have fewer steps than this in all.
    most_steps: fewer epochs where they would have more.
    patience: share of the epochs without a better held-out loss after which training ends.
    held_out: share of the simulations.
    averaged: share of the steps over which weights are averaged, exponentially.
    weight_decay: of AdamW, times the number of simulations: a prior of the weights counts for less,
        the more simulations there are.
    ensemble: members, trained from other first weights and in another order.
    """

    n_components: int = 8
    hidden: tuple[int, ...] = (64, 64)
    learning_rate: float = 2e-3
    n_batch: int = 256
    most_epochs: int = 25
    least_steps: int = 5_000
    most_steps: int = 40_000
    patience: float = 0.2
    held_out: float = 0.1
    averaged: float = 0.03
    weight_decay: float = 3_000.0
    ensemble: int = 4


class Mixture(NamedTuple):
    """Of each of n observations: see the formula above.

    location: m, (n, p). factor: F, (n, p, p). log_shares: ln w_k, (n, k). locations: m_k, (n, k,
    p). factors: F_k, (n, k, p, p).
    """

    location: Any
    factor: Any
    log_shares: Any
    locations: Any
    factors: Any


def initial(
    rng: np.random.Generator, s: np.ndarray, z: np.ndarray, hidden: tuple, n_components: int
) -> Weights:
    """Weights with which m is the linear regression of z on s, and F the scale of its residuals.

    Args:
        rng: of the other weights.
        s: scores of summaries, (n, n_summaries).
        z: scores of parameters, (n, n_params).
        hidden: widths of the network's layers.
        n_components: of the mixture.

    """
    p, widths = z.shape[1], (s.shape[1], *hidden)
    weights = {}
    for i, (n_in, n_out) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        weights[f"w{i}"] = rng.standard_normal((n_in, n_out)) / math.sqrt(n_in)
        weights[f"b{i}"] = 0.1 * rng.standard_normal(n_out)
    ones = np.concatenate([s, np.ones((len(s), 1))], axis=1)  # (n, n_summaries + 1)
    by_s = np.linalg.lstsq(ones, z, rcond=None)[0]  # (n_summaries + 1, p)
    covariance = np.atleast_2d(np.cov(z - ones @ by_s, rowvar=False)) + 1e-8 * np.eye(p)
    factor = np.linalg.inv(np.linalg.cholesky(covariance))
    n_triangle = p * (p + 1) // 2
    spread = 0.5 * rng.standard_normal((n_components, p))
    bias = np.concatenate(
        [by_s[-1], _flat(factor), np.zeros(n_components), spread.ravel()]
        + [np.zeros(n_components * n_triangle)]
    )
    linear = np.zeros((s.shape[1], len(bias)))
    linear[:, :p] = by_s[:-1]
    weights["w"] = 0.01 * rng.standard_normal((widths[-1], len(bias))) / math.sqrt(widths[-1])
    weights["linear"], weights["b"] = linear, bias
    return {name: np.asarray(array, np.float32) for name, array in weights.items()}


def _flat(factor):
    """A lower triangle as the network gives it: logs of the diagonal, then the rest."""
    return np.concatenate([np.log(np.diag(factor)), factor[np.tril_indices(len(factor), -1)]])


def _triangle(flat, p, xp):
    """Lower triangles, (…, p (p + 1) / 2) -> (…, p, p): the inverse of `_flat`."""
    rows, columns = np.tril_indices(p, -1)
    places = np.zeros((p * (p + 1) // 2, p * p), np.float32)
    places[np.arange(p), np.arange(p) * (p + 1)] = 1
    places[np.arange(p, len(places)), rows * p + columns] = 1
    diagonal = xp.exp(xp.clip(flat[..., :p], -STEEPEST, STEEPEST))
    flat = xp.concatenate([diagonal, flat[..., p:]], axis=-1)
    return (flat @ places).reshape(*flat.shape[:-1], p, p)


def of_summaries(weights: Weights, s: Any, p: int, xp: Any) -> Mixture:
    """The mixtures at scores of summaries, (n, n_summaries)."""
    h, i = s, 0
    while f"w{i}" in weights:
        new = xp.tanh(h @ weights[f"w{i}"] + weights[f"b{i}"][None])
        h, i = (h + new if h.shape == new.shape else new), i + 1
    out = h @ weights["w"] + s @ weights["linear"] + weights["b"][None]
    n_triangle = p * (p + 1) // 2
    n_components = (out.shape[1] - p - n_triangle) // (1 + p + n_triangle)
    ends = np.cumsum([p, n_triangle, n_components, n_components * p])
    m, F, shares, ms, Fs = (out[:, a:b] for a, b in zip([0, *ends], [*ends, None], strict=True))
    return Mixture(
        m,
        _triangle(F, p, xp),
        shares - log_sum(shares, xp)[:, None],
        ms.reshape(len(s), n_components, p),
        _triangle(Fs.reshape(len(s), n_components, n_triangle), p, xp),
    )


def log_density(mixture: Mixture, z: Any, xp: Any) -> Any:
    """Log-density ln q(z | s) at m points of each observation, (n, m, n_params) -> (n, m)."""
    p = z.shape[-1]
    y = _product(mixture.factor[:, None], z - mixture.location[:, None])  # (n, m, p)
    apart = y[:, :, None] - mixture.locations[:, None]  # (n, m, k, p)
    squares = xp.square(_product(mixture.factors[:, None], apart)).sum(-1)  # (n, m, k)
    heights = mixture.log_shares + _log_det(mixture.factors, xp)  # (n, k)
    log_q = log_sum(heights[:, None] - 0.5 * squares, xp)  # (n, m)
    return log_q + _log_det(mixture.factor, xp)[:, None] - 0.5 * p * math.log(2 * math.pi)


def _product(matrices, vectors):
    return (matrices * vectors[..., None, :]).sum(-1)


def _log_det(factors, xp):
    return xp.log(xp.diagonal(factors, 0, -2, -1)).sum(-1)


def log_sum(logs: Any, xp: Any) -> Any:
    """Log of the sum of exponentials over the last axis."""
    largest = logs.max(-1)
    if xp is not np:
        # The largest cancels in the gradient, too. Differentiated, it is compared with logs that a
        # compiler may have computed once more, and rounded otherwise: 0 / 0 where none is equal.
        from jax import lax

        largest = lax.stop_gradient(largest)
    return largest + xp.log(xp.exp(logs - largest[..., None]).sum(-1))


def draw(mixture: Mixture, rng: np.random.Generator, i: int, n: int) -> np.ndarray:
    """Draws of z from the mixture of observation i, (n, n_params)."""
    p = mixture.location.shape[1]
    shares = np.cumsum(np.exp(mixture.log_shares[i]))
    k = np.searchsorted(shares, rng.random(n) * shares[-1], side="right")
    k = np.minimum(k, len(shares) - 1)
    inverses = np.linalg.inv(mixture.factors[i])  # (k, p, p)
    y = mixture.locations[i][k] + _product(inverses[k], rng.standard_normal((n, p)))
    return mixture.location[i] + y @ np.linalg.inv(mixture.factor[i]).T
