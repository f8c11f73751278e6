"""Calibration of posteriors: how often they hold the truth, and how much they say.

Ranks, coverage and TARP ask whether posteriors are right on average over the prior. They are blind
to what happens in a part of it, and to information that is thrown away: the prior itself passes all
three as a "posterior", and so do posteriors five times too wide, if they were calibrated. Widths
against the exact posterior, and nats of information, see that.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from imnn_core.problems.prior import Prior
from scipy import stats

BAND = 0.95  # how often what is calibrated lies within its band


class Each(NamedTuple):
    """What is known of the posterior of each observation.

    pit: share of the posterior below the truth, for each parameter, (n, p).
    mean: of the posterior, (n, p).
    sd: of the posterior, (n, p).
    fraction: share of the posterior that is nearer to a reference point than the truth, (n,).
    effective: number of independent draws that the samples are worth, (n,).

    All are NaN, and effective is 0, where weights are not finite or none is above 0.
    """

    pit: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    fraction: np.ndarray
    effective: np.ndarray


def of_each(
    theta_true: np.ndarray,
    samples: np.ndarray,
    weights: np.ndarray | None,
    prior: Prior,
    reference: np.ndarray,
    rng: np.random.Generator,
) -> Each:
    """Compare samples of posteriors with the parameters that their observations were drawn at.

    The truth counts as one more draw, a random share of whose weight is below itself. So with m
    draws of equal weight its rank among them, 0 to m, becomes uniform in [0, 1] exactly, if they
    are draws of the posterior (Talts et al. 2018, arXiv:1804.06788). With other weights that
    draw has the weight w0 = sum w^2 / sum w, the total by the effective number of draws.

    Args:
        theta_true: (n, p), drawn from the prior.
        samples: (n, m, p).
        weights: (n, m), not necessarily normalised; equal, if None.
        prior: in whose distribution functions distances are taken.
        reference: points uniform in the unit cube and independent of all else, (n, p); those of
            TARP (Lemos et al. 2023, arXiv:2302.03026).
        rng: draws the random shares.

    """
    n, m, p = samples.shape
    weights = np.ones((n, m)) if weights is None else np.asarray(weights, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):  # no weight: NaN
        weights = weights / weights.sum(axis=1, keepdims=True)
    own = np.sum(weights**2, axis=1)  # of the truth, as a share of the total: 1 / effective
    share = rng.random((n, p + 1))
    pit = np.stack(
        [_rank(theta_true[:, i], samples[..., i], weights, own, share[:, i]) for i in range(p)],
        axis=-1,
    )
    distance = [
        np.sum((prior.cdf(theta) - reference[:, None]) ** 2, axis=-1)
        for theta in (theta_true[:, None], samples)
    ]  # (n, 1) and (n, m)
    fraction = _rank(distance[0][:, 0], distance[1], weights, own, share[:, p])
    mean = np.einsum("nm,nmp->np", weights, samples)
    sd = np.sqrt(np.einsum("nm,nmp->np", weights, (samples - mean[:, None]) ** 2))
    return Each(pit, mean, sd, fraction, np.nan_to_num(1 / own, nan=0.0))


def _rank(truth, values, weights, own, share):
    """Weight of the values (n, m) below the truth (n,), ties by a random share, (n,)."""
    below = np.sum(weights * (values < truth[:, None]), axis=1)
    ties = np.sum(weights * (values == truth[:, None]), axis=1)
    return (below + share * (ties + own)) / (1 + own)


def joined(blocks: Iterable[Each]) -> Each:
    """Blocks of observations after each other."""
    return Each(*(np.concatenate(arrays) for arrays in zip(*blocks, strict=True)))


class Ranks(NamedTuple):
    """Kolmogorov-Smirnov's largest distance of ranks from uniform ones, and p, (p,) each."""

    D: np.ndarray
    p: np.ndarray


def ranks(pit: np.ndarray) -> Ranks:
    """Test the ranks (n, p) of each parameter; observations of NaN are left out."""
    tests = [stats.ks_1samp(column, stats.uniform.cdf) for column in _there(pit).T]
    return Ranks(*np.array([[test.statistic, test.pvalue] for test in tests]).T)


class Histogram(NamedTuple):
    """Ranks counted in equal bins, and where 95 % of a bin's counts lie if ranks are uniform.

    counts: (n_bins, p).
    low, high: of the band, both included.
    """

    counts: np.ndarray
    low: float
    high: float


def rank_histogram(pit: np.ndarray, n_bins: int = 20) -> Histogram:
    """Count ranks (n, p) in bins; observations of NaN are left out."""
    pit = _there(pit)
    counts = [np.histogram(column, n_bins, range=(0, 1))[0] for column in pit.T]
    low, high = stats.binom(len(pit), 1 / n_bins).interval(BAND)
    return Histogram(np.stack(counts, axis=-1), float(low), float(high))


class Coverage(NamedTuple):
    """How often central intervals hold the truth.

    levels: of the intervals, (n_levels,).
    covered: share of the observations, (n_levels, p).
    low, high: 95 % interval of the coverage (Clopper & Pearson 1934), (n_levels, p).
    """

    levels: np.ndarray
    covered: np.ndarray
    low: np.ndarray
    high: np.ndarray


def coverage(pit: np.ndarray, levels: Sequence[float]) -> Coverage:
    """Coverage of central intervals, of ranks (n, p); observations of NaN are left out."""
    pit, levels = _there(pit), np.asarray(levels, np.float64)
    within = np.abs(pit - 0.5)[None] < levels[:, None, None] / 2  # (n_levels, n, p)
    k, n, tail = within.sum(axis=1), len(pit), (1 - BAND) / 2
    low = np.where(k > 0, stats.beta.ppf(tail, np.maximum(k, 1), n - k + 1), 0)
    high = np.where(k < n, stats.beta.ppf(1 - tail, k + 1, np.maximum(n - k, 1)), 1)
    return Coverage(levels, k / n, low, high)


class Tarp(NamedTuple):
    """Expected coverage of balls around random points.

    levels: credibility, (n_levels,).
    covered: expected coverage at each, (n_levels,).
    deviation: the largest over all levels between 0 and 1.
    band: which 95 % of calibrated posteriors do not exceed (Kolmogorov).
    p: how often calibrated ones exceed the deviation.
    """

    levels: np.ndarray
    covered: np.ndarray
    deviation: float
    band: float
    p: float


def tarp(fraction: np.ndarray, levels: Sequence[float]) -> Tarp:
    """Curve of the fractions (n,), and the largest deviation; NaN is left out."""
    fraction = np.sort(fraction[np.isfinite(fraction)])
    levels = np.asarray(levels, np.float64)
    covered = np.searchsorted(fraction, levels, side="right") / len(fraction)
    test = stats.ks_1samp(fraction, stats.uniform.cdf)
    band = float(stats.kstwo(len(fraction)).ppf(BAND))
    return Tarp(levels, covered, float(test.statistic), band, float(test.pvalue))


class Mean(NamedTuple):
    """A mean over observations and its standard error."""

    mean: float
    error: float


def nats(log_q: Any, log_other: Any) -> Mean:
    """Mean of ln q - ln other at the true parameters, (n,) each, paired.

    With the prior as the other: information about theta, in nats over the prior; at most that of
    the exact posterior. With the exact one first and another second: what that other has lost.
    """
    difference = np.asarray(log_q, np.float64) - np.asarray(log_other, np.float64)
    if len(difference) < 2 or not np.all(np.isfinite(difference)):
        return Mean(float(np.mean(difference)), np.nan)
    return Mean(float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(difference))))


class Widths(NamedTuple):
    """Widths and means of posteriors against the exact ones.

    ratio: 5 %, 50 % and 95 % of sigma over the exact one, (3, p).
    shift: mean over observations of (mean - exact mean) / exact sigma, (p,).
    scatter: root mean square of the same, (p,).
    """

    ratio: np.ndarray
    shift: np.ndarray
    scatter: np.ndarray


def widths(
    mean: np.ndarray, sd: np.ndarray, mean_exact: np.ndarray, sd_exact: np.ndarray
) -> Widths:
    """Compare means and sigmas, (n, p) each; observations with NaN in any are left out."""
    ratio, shift = np.split(
        _there(np.concatenate([sd / sd_exact, (mean - mean_exact) / sd_exact], axis=1)), 2, axis=1
    )
    quantiles = np.quantile(ratio, [0.05, 0.5, 0.95], axis=0)
    return Widths(quantiles, shift.mean(axis=0), np.sqrt(np.mean(shift**2, axis=0)))


def _there(values):
    """The rows (n, …) that are finite."""
    return values[np.all(np.isfinite(values), axis=1)]
