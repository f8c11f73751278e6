"""Parameters as functions of standard normal numbers, and truncated normal distributions."""

from collections.abc import Iterator

import numpy as np
from imnn_core.problems.prior import Prior
from scipy.special import log_ndtr, ndtr, ndtri_exp


def normal_factors(prior: Prior) -> Iterator[tuple[float, float] | None]:
    """Mean and sigma of each parameter's prior, if that is a Gaussian between its bounds."""
    for kinds in prior.spec.values():
        ((kind, numbers),) = kinds.items()
        if kind == "half_normal":
            yield 0.0, numbers[0]
        else:
            yield (numbers[0], numbers[1]) if kind in ("normal", "truncated") else None


def log_masses(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    """Log of the standard normal mass between a and b, and what `truncated` wants of them.

    Where a + b > 0 both are mirrored. Then neither distribution function is so near to 1 that
    float64 has no digits for what is missing.

    Returns:
        The log-mass; whether it is mirrored; logs of the distribution at both ends.

    """
    with np.errstate(invalid="ignore"):  # -inf + inf: nothing is cut off
        is_mirrored = a + b > 0
    a, b = np.where(is_mirrored, -b, a), np.where(is_mirrored, -a, b)
    log_a, log_b = log_ndtr(a), log_ndtr(b)
    with np.errstate(divide="ignore", invalid="ignore"):
        return log_b + np.log(-np.expm1(log_a - log_b)), is_mirrored, log_a, log_b


def truncated(is_mirrored, log_a, log_b, log_u, log_not_u) -> np.ndarray:
    """Quantile of a truncated standard normal distribution at u, from ln u and ln (1 - u)."""
    low, high = np.where(is_mirrored, log_u, log_not_u), np.where(is_mirrored, log_not_u, log_u)
    found = ndtri_exp(np.logaddexp(log_a + low, log_b + high))
    return np.where(is_mirrored, -found, found)


def theta_of(prior: Prior, y: np.ndarray) -> np.ndarray:
    """Parameters at standard normal numbers, (…, p) -> (…, p).

    theta = quantile(Phi(y)): the density of y is standard normal, whatever the prior is. It keeps
    its digits far in the tails, where quantiles of Phi(y) have none.
    """
    columns = []
    for i, (kinds, factor) in enumerate(
        zip(prior.spec.values(), normal_factors(prior), strict=True)
    ):
        low, high = prior.bounds[i]
        if factor is not None:
            mean, sd = factor
            _, *ends = log_masses((low - mean) / sd, (high - mean) / sd)
            of = mean + sd * truncated(*ends, log_ndtr(y[..., i]), log_ndtr(-y[..., i]))
        elif "log_uniform" in kinds:
            of = low * np.exp(np.log(high / low) * ndtr(y[..., i]))
        else:
            of = low + (high - low) * ndtr(y[..., i])
        columns.append(np.clip(of, low, high))
    return np.stack(columns, axis=-1)
