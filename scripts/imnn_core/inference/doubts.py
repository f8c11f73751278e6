"""Reasons to doubt samples of a posterior. Imports no jax."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from imnn_core.evaluation import weighted
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
    mean, sd = weighted.moments(theta, weights)
    near = weights @ (np.abs(theta - mean) < 0.25 * sd) / total
    for name, share in zip(prior.names, near, strict=True):
        if share < HOLLOW:
            yield f"{PEAKS} in {name}: {100 * share:.0f} % of it lie within σ/4 of its mean"
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


Moments = tuple[Sequence[float], Sequence[float]]  # means and standard deviations, (n_params,) each


def _apart(one: Moments, other: Moments, off: float, wider: float) -> int | None:
    """The parameter in which two posteriors differ most, beyond these limits; else None.

    Means are compared in the smaller sigma of both. NaN differs from nothing.
    """
    (mean, mean_other), (sd, sd_other) = np.array([one, other]).swapaxes(0, 1)
    apart = np.abs(mean - mean_other) / np.minimum(sd, sd_other) / off
    ratio = np.maximum(sd / sd_other, sd_other / sd) / wider
    worst = np.nan_to_num(np.maximum(apart, ratio), nan=0.0)
    return int(np.argmax(worst)) if worst.max() > 1 else None


def against_exact(name: str, found: Moments, exact: Moments, names: Sequence[str]) -> Iterator[str]:
    """A posterior that is off the exact one of the same observation.

    Args:
        name: of the posterior.
        found, exact: their moments.
        names: of the parameters.

    """
    k = _apart(found, exact, OFF, OTHER)
    if k is not None:
        yield (
            f"{name} is off the exact posterior, most in {names[k]}: {_shown(found, k)}, exactly "
            f"{_shown(exact, k)}"
        )


def between(found: Mapping[str, Moments], names: Sequence[str]) -> Iterator[str]:
    """Posteriors of one observation that disagree.

    Args:
        found: moments of each, by its name.
        names: of the parameters.

    """
    for one, other in itertools.combinations(found, 2):
        k = _apart(found[one], found[other], APART, WIDER)
        if k is not None:
            yield (
                f"{one} and {other} disagree, most in {names[k]}: {_shown(found[one], k)} and "
                f"{_shown(found[other], k)}"
            )


def _shown(found: Moments, k: int) -> str:
    return f"{found[0][k]:.4g} ± {found[1][k]:.2g}"


def whose(doubt: Mapping[str, Any]) -> str:
    """The posterior that a doubt is about, in words."""
    seed = "all seeds" if doubt["seed"] is None else f"seed {doubt['seed']}"
    return f"{doubt['fit']}, {seed}, observation {doubt['observation']}"
