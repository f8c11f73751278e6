"""Moments, quantiles and worth of weighted samples. Imports no jax."""

from typing import Any

import numpy as np


def effective(weights: np.ndarray) -> np.ndarray:
    """Number of samples of equal weight that weighted ones are worth, (…, n) -> (…).

    (sum w)^2 / sum w^2 (Kish 1965); 0 if there are none.
    """
    squares = np.sum(weights**2, axis=-1)
    return np.divide(
        weights.sum(axis=-1) ** 2, squares, out=np.zeros_like(squares), where=squares != 0
    )


def moments(theta: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation, (…, n, p) with weights (…, n) -> (…, p) each."""
    weights = (weights / weights.sum(axis=-1, keepdims=True))[..., None]
    mean = np.sum(weights * theta, axis=-2)
    variance = np.sum(weights * (theta - mean[..., None, :]) ** 2, axis=-2)
    return mean, np.sqrt(variance)


def quantiles(x: np.ndarray, weights: np.ndarray, levels: Any) -> np.ndarray:
    """Quantiles of samples (n,) with weights (n,), (n_levels,).

    A sample stands in the middle of its weight.
    """
    order = np.argsort(x)
    below = np.cumsum(weights[order])
    return np.interp(levels, (below - 0.5 * weights[order]) / below[-1], x[order])
