"""Priors of parameters that are independent of each other. Imports no jax."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from imnn_core.problems.numbered import numbers_of
from imnn_core.store.errors import InputError
from imnn_core.store.texts import read_json

LEAST = 1e-9  # share of a density that a box may hold
ROUNDING = 2**-22  # relative, of float32
EDGE = 1e-12  # of a width: how near to a bound its unbounded space reaches


# Of scipy.stats, which takes a second to import, and the numbers that stand in the configuration.
KINDS = {
    "uniform": lambda stats, low, high: stats.uniform(low, high - low),
    "log_uniform": lambda stats, low, high: stats.loguniform(low, high),
    "normal": lambda stats, mean, sd: stats.norm(mean, sd),
    "half_normal": lambda stats, sd: stats.halfnorm(0, sd),
    "truncated": lambda stats, mean, sd, low, high: stats.truncnorm(
        (low - mean) / sd, (high - mean) / sd, mean, sd
    ),
}
Spec = Mapping[str, Mapping[str, Sequence[float]]]


class Prior:
    """p(theta), a product of densities of single parameters, perhaps within a box.

    names: of the parameters, (n_params,).
    spec: of each parameter the kind of its density with its numbers, as in the configuration.
    within: a box outside of which it is 0, (n_params, 2); the densities' own support, if None.
    """

    def __init__(self, spec: Spec, within: Any = None):
        """Args: see the class."""
        self.names = tuple(spec)
        self.spec = {
            name: {kind: [float(number) for number in np.atleast_1d(numbers)]}
            for name, of in spec.items()
            for kind, numbers in of.items()
        }
        self._within = None if within is None else np.array(within, np.float64)

    @cached_property
    def _densities(self) -> list:
        from scipy import stats

        return [
            KINDS[kind](stats, *numbers)
            for of in self.spec.values()
            for kind, numbers in of.items()
        ]

    @cached_property
    def bounds(self) -> np.ndarray:
        """Between which it is not 0, (n_params, 2), with infinities."""
        found = np.array([each.support() for each in self._densities], np.float64)
        if self._within is None:
            return found
        low, high = np.maximum(found[:, 0], self._within[:, 0]), self._within[:, 1]
        return np.stack([low, np.minimum(found[:, 1], high)], axis=1)

    @cached_property
    def _masses(self) -> np.ndarray:
        """Masses of the densities below both bounds, (n_params, 2)."""
        if self._within is None:
            return np.tile([0.0, 1.0], (len(self.names), 1))
        pairs = zip(self._densities, self.bounds, strict=True)
        found = np.array([each.cdf(bounds) for each, bounds in pairs])
        for name, bounds, mass in zip(self.names, self.bounds, np.diff(found)[:, 0], strict=True):
            if not mass > LEAST:
                raise InputError(
                    f"prior of {name}: expected some of it in the box from {bounds[0]:g} to "
                    f"{bounds[1]:g}, found a share of {mass:.1g}"
                )
        return found

    @property
    def log_mass(self) -> float:
        """Log of the mass that the box has of the densities."""
        return float(np.log(np.diff(self._masses)).sum())

    def truncated_to(self, within: Any) -> "Prior":
        """The same within a box, (n_params, 2)."""
        return Prior(self.spec, within)

    def plain(self) -> dict[str, Any]:
        """Plain values that say all of it."""
        within = None if self._within is None else self._within.tolist()
        return {"prior": self.spec, "within": within}

    def quantile(self, u: np.ndarray) -> np.ndarray:
        """Parameters at which the marginal distributions have reached u, (…, n_params)."""
        u = np.asarray(u, np.float64)
        columns = [
            np.clip(each.ppf(a + u[..., i] * (b - a)), *self.bounds[i])
            for i, (each, (a, b)) in enumerate(zip(self._densities, self._masses, strict=True))
        ]
        return np.stack(columns, axis=-1)

    def cdf(self, theta: np.ndarray) -> np.ndarray:
        """Marginal distributions at parameters, (…, n_params) -> (…, n_params) in [0, 1]."""
        theta = np.asarray(theta, np.float64)
        columns = [
            np.clip((each.cdf(theta[..., i]) - a) / (b - a), 0, 1)
            for i, (each, (a, b)) in enumerate(zip(self._densities, self._masses, strict=True))
        ]
        return np.stack(columns, axis=-1)

    def rows(self, words: Sequence[int], first: int, stop: int) -> np.ndarray:
        """See `numbered.Parameters`."""
        return self.quantile(numbers_of(words, first, stop, len(self.names)))

    def log_density(self, theta: np.ndarray) -> np.ndarray:
        """Log-density ln p(theta), (…, n_params) -> (…); -inf outside of the bounds."""
        theta = np.asarray(theta, np.float64)
        found = sum(each.logpdf(theta[..., i]) for i, each in enumerate(self._densities))
        return np.where(self.contains(theta), found - self.log_mass, -np.inf)

    def unrounded(self, theta: np.ndarray) -> np.ndarray:
        """Parameters that float32 has rounded to beyond a bound, on it; others as they are."""
        low, high = self.bounds.T
        gap = ROUNDING * np.maximum(np.abs(low), np.abs(high))
        gap = np.where(np.isfinite(gap), gap, ROUNDING * np.abs(np.where(np.isfinite(low), low, 0)))
        theta = np.where((theta < low) & (theta > low - gap), low, theta)
        return np.where((theta > high) & (theta < high + gap), high, theta)

    def contains(self, theta: np.ndarray) -> np.ndarray:
        """Whether parameters lie within the bounds, (…, n_params) -> (…)."""
        low, high = self.bounds.T
        return np.all((theta >= low) & (theta <= high), axis=-1)

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Independent draws, (n, n_params)."""
        return self.quantile(rng.random((n, len(self.names))))

    def to_unbounded(self, theta: np.ndarray) -> np.ndarray:
        """Parameters in a space without bounds, (…, n_params).

        ln((theta - low) / (high - theta)) between two bounds, the ln of the distance from a lower
        one, theta itself without any; no density has an upper one alone. What lies on a bound is
        moved off it by 1e-12 of the width.
        """
        theta = np.asarray(theta, np.float64)
        columns = []
        for i, (low, high) in enumerate(self.bounds):
            of = theta[..., i]
            if np.isfinite(low) and np.isfinite(high):
                edge = EDGE * (high - low)
                of = np.clip(of, low + edge, high - edge)
                of = np.log(of - low) - np.log(high - of)
            elif np.isfinite(low):
                of = np.log(np.maximum(of - low, np.finfo(np.float64).tiny))
            columns.append(of)
        return np.stack(columns, axis=-1)

    def from_unbounded(self, z: np.ndarray) -> np.ndarray:
        """The inverse of `to_unbounded`, within the bounds for any z."""
        z = np.asarray(z, np.float64)
        columns = []
        for i, (low, high) in enumerate(self.bounds):
            of = z[..., i]
            if np.isfinite(low) and np.isfinite(high):
                share = 1 / (1 + np.exp(-np.clip(of, -500, 500)))
                of = np.clip(low + (high - low) * share, low, high)
            elif np.isfinite(low):
                of = low + np.exp(np.minimum(of, 700))
            columns.append(of)
        return np.stack(columns, axis=-1)

    def log_jacobian(self, z: np.ndarray) -> np.ndarray:
        """Log-Jacobian ln |d theta / d z|, (…, n_params) -> (…)."""
        z = np.asarray(z, np.float64)
        found = np.zeros(z.shape[:-1])
        for i, (low, high) in enumerate(self.bounds):
            of = z[..., i]
            if np.isfinite(low) and np.isfinite(high):
                found = found + np.log(high - low) - np.logaddexp(0, of) - np.logaddexp(0, -of)
            elif np.isfinite(low):
                found = found + of
        return found


def prior_of(names: Sequence[str], spec: Spec, within: Any = None) -> Prior:
    """The prior of parameters in the order of their names, from what the configuration says."""
    return Prior({name: spec[name] for name in names}, within)


def of_run(names: Sequence[str], spec: Spec, path: str | Path | None) -> Prior:
    """The prior of a run: the configuration's, or that which is cut to a box, in a file."""
    if path is None:
        return prior_of(names, spec)
    found = read_json(path)
    return prior_of(names, found["prior"], found["within"])
