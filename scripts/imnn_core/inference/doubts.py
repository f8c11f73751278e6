"""Reasons to doubt samples of a posterior. Imports no jax."""

from collections.abc import Iterator, Sequence

import numpy as np
from imnn_core.problems.prior import Prior

FEW = 150  # effective samples
EDGE, AT_EDGE = 0.01, 0.05  # share of the prior next to a bound, and of the posterior in it
APART, WIDER = 0.5, 1.4  # of two methods: means in sigma, and ratio of sigmas
OFF, OTHER = 0.3, 1.25  # the same of a method and the exact posterior
HOLLOW = 0.08  # share within a quarter of sigma of the mean, below which there are several peaks
PEAKS = "it has more than one peak"
BLUR = 1.1  # of sigma by the distance of accepted simulations


def of_samples(
    theta: np.ndarray, weights: np.ndarray, effective: float, prior: Prior
) -> Iterator[str]:
    """Doubts about weighted samples of one posterior: few of them, or mass at the prior's edge."""
    if effective < FEW:
        yield f"its samples are worth {effective:.0f} independent ones only"
    u, total = prior.cdf(theta), weights.sum()
    mean = weights @ theta / total
    sd = np.sqrt(weights @ (theta - mean) ** 2 / total)
    near = weights @ (np.abs(theta - mean) < 0.25 * sd) / total
    for name, share in zip(prior.names, near, strict=True):
        if share < HOLLOW:
            yield (f"{PEAKS} in {name}: {100 * share:.0f} % of it lie within σ/4 of its mean")
    for i, (name, bounds) in enumerate(zip(prior.names, prior.bounds, strict=True)):
        for side, bound, near in zip(
            ("lower", "upper"), bounds, (u[:, i] < EDGE, u[:, i] > 1 - EDGE), strict=True
        ):
            share = weights[near].sum() / total
            if np.isfinite(bound) and share > AT_EDGE:
                yield (
                    f"{100 * share:.0f} % of it lie at the {side} edge of the prior of {name}, "
                    f"{bound:g}, which so decides where it ends"
                )


def of_epsilon(epsilon: float, n_params: int) -> Iterator[str]:
    """Doubts about accepted simulations within a distance of the observation, in bounds.

    Points that fill a ball in p dimensions have the variance epsilon^2 / (p + 2) in each of them.
    """
    blur = np.sqrt(1 + epsilon**2 / (n_params + 2))
    if blur > BLUR:
        yield (
            f"it accepted simulations up to ε = {epsilon:.2g} bounds away, which makes it about "
            f"{100 * (blur - 1):.0f} % wider where the bounds are its width"
        )


def against_exact(method: str, found: tuple, exact: tuple, names: Sequence[str]) -> Iterator[str]:
    """A method that is off the exact posterior of one observation.

    Args:
        method: its name.
        found, exact: means and standard deviations, (n_params,) each.
        names: of the parameters.

    """
    (mean, sd), (mean_exact, sd_exact) = (np.array(each) for each in (found, exact))
    off = np.abs(mean - mean_exact) / sd_exact
    ratio = sd / sd_exact
    other = np.maximum(ratio, 1 / ratio)
    if np.any((off > OFF) | (other > OTHER)):
        k = int(np.nanargmax(np.maximum(off / OFF, other / OTHER)))
        yield (
            f"{method} is off the exact posterior, most in {names[k]}: {mean[k]:.4g} ± "
            f"{sd[k]:.2g}, exactly {mean_exact[k]:.4g} ± {sd_exact[k]:.2g}"
        )


def between(of_method: dict[str, tuple[Sequence[float], Sequence[float]]], names) -> Iterator[str]:
    """Methods that disagree about one observation.

    Args:
        of_method: means and standard deviations, (n_params,) each.
        names: of the parameters.

    """
    methods = list(of_method)
    for i, one in enumerate(methods):
        for other in methods[i + 1 :]:
            mean, sd = (np.array([of_method[each][k] for each in (one, other)]) for k in (0, 1))
            apart = np.abs(mean[0] - mean[1]) / sd.min(axis=0)
            wider = sd.max(axis=0) / sd.min(axis=0)
            odd = (apart > APART) | (wider > WIDER)
            if odd.any():
                k = int(np.argmax(np.maximum(apart / APART, wider / WIDER)))
                yield (
                    f"{one} and {other} disagree, most in {names[k]}: {mean[0, k]:.4g} ± "
                    f"{sd[0, k]:.2g} and {mean[1, k]:.4g} ± {sd[1, k]:.2g}"
                )
