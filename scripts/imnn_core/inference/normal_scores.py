"""Monotone maps of summaries to normal scores, learnt on simulations. Imports no jax."""

from typing import NamedTuple

import numpy as np
from imnn_core.store.errors import InputError
from scipy.interpolate import CubicHermiteSpline
from scipy.special import ndtri

N_KNOTS = 48  # of a map, evenly spaced in normal scores
EDGE = 4  # simulations beyond the outermost knots
LARGEST = 1e300  # so that differences of finite numbers are finite


class Scores(NamedTuple):
    """A map of one summary, t = asinh((x - centre) / scale) -> z.

    knots: t, z and dz/dt at knots, (3, n_knots).
    """

    centre: float
    scale: float
    knots: np.ndarray


def learnt(x: np.ndarray, what: str = "summary") -> Scores:
    """The map after which simulations are distributed as N(0, 1) (van der Waerden's scores).

    A monotone piecewise cubic through quantiles (Fritsch & Butland 1984). Equal values share the
    mean of their ranks, so that discrete summaries have a map, too.

    Args:
        x: of simulations, (n,).
        what: name of the summary, for an error.

    Raises:
        InputError: the summary is constant.

    """
    values, counts = np.unique(np.clip(x, -LARGEST, LARGEST), return_counts=True)
    if len(values) < 2:
        raise InputError(f"{what}: expected values that differ, found {values[0]:g} everywhere")
    middle = (np.cumsum(counts) - counts / 2) / len(x)  # of the ranks of a value, in (0, 1)
    centre, scale = _centre_and_scale(x, values)
    t, z = np.arcsinh((values - centre) / scale), ndtri(middle)
    if len(values) > N_KNOTS:
        inner = min(EDGE, (len(values) - N_KNOTS) // 2)
        levels = np.linspace(z[inner], z[-1 - inner], N_KNOTS)
        t, z = np.interp(levels, z, t), levels
    apart = np.concatenate([[True], np.diff(t) > 1e-12])
    t, z = t[apart], z[apart]
    if len(t) < 2:
        t, z = np.arcsinh((values[[0, -1]] - centre) / scale), np.array([-1.0, 1.0])
    return Scores(centre, scale, np.stack([t, z, _slopes(t, z)]))


def _centre_and_scale(x, values):
    """Median and distance of the quartiles; where that is 0, the smallest step that is not."""
    low, centre, high = np.quantile(np.clip(x, -LARGEST, LARGEST), [0.25, 0.5, 0.75])
    scale = high - low if high > low else np.diff(values).min()
    return float(centre), float(max(scale, np.finfo(np.float64).tiny))


def _slopes(t, z):
    """Slopes at knots of a monotone cubic: harmonic means of those beside, the outer ones' own."""
    of = np.diff(z) / np.diff(t)
    return np.concatenate([of[:1], 2 / (1 / of[:-1] + 1 / of[1:]), of[-1:]])


def applied(scores: Scores, x: np.ndarray) -> np.ndarray:
    """Scores of summaries of any shape; finite and increasing for any finite x.

    Beyond the outermost knots z goes on as the logarithm, with the slope that it has there.
    """
    x = np.clip(np.asarray(x, np.float64), -LARGEST, LARGEST)
    with np.errstate(over="ignore"):
        scaled = np.clip((x - scores.centre) / scores.scale, -LARGEST, LARGEST)
    t, (knots, z, slopes) = np.arcsinh(scaled), scores.knots
    inside = np.clip(t, knots[0], knots[-1])
    within = CubicHermiteSpline(knots, z, slopes)(inside)
    beyond = t - inside
    slope = np.where(beyond < 0, slopes[0], slopes[-1])
    return within + np.sign(beyond) * np.log1p(slope * np.abs(beyond))
