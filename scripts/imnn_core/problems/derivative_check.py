"""A check of JAX's derivatives of a simulator against finite differences of it.

JAX differentiates what it can follow. A sampler of counts, a comparison or a rounding it takes for
constants: where a parameter moves these and something smooth besides, its derivative is not 0 and
yet wrong.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.problems.problem import Problem
from imnn_core.problems.simulator import of_key
from imnn_core.store.errors import InputError
from imnn_core.store.sizes import PIECE

MOST, FEW = 400, 40  # simulations of the check; those that are drawn at once, and find its step
MOST_NUMBERS = 4096  # of a simulation, of more than which as many are looked at
SHIFT = 0.5  # of the simulations' deviation, by which the step is to move them (rms)
TRIES = 8  # steps that are tried
N_MIXTURES = 16  # of a simulation's numbers, whose variances stand for covariances
WRONG, CERTAIN = 0.1, 4  # relative size of a difference that is a fault, and its standard errors


class Comparison(NamedTuple):
    """Mean derivative by JAX against that by finite differences, of one parameter.

    share: of the latter that the former has, along the latter.
    difference: size of what they differ in, relative to the larger one.
    is_wrong: whether that is neither noise nor the step's own error.
    """

    share: float
    difference: float
    is_wrong: bool


def compare(
    by_jax: np.ndarray, whole: np.ndarray, half: np.ndarray, least: float = 0.0
) -> Comparison:
    """Compare derivatives of the same simulations, each (n, n_numbers), by JAX and by differences.

    Sizes are products of the means of two halves of the simulations, whose noise is independent.

    Args:
        by_jax: exact derivatives, if JAX could follow.
        whole, half: differences over a step, and over half of it.
        least: square of the size that a difference is relative to, at least.

    """
    better = (4 * half - whole) / 3  # Richardson
    off = better - by_jax
    size = _product(better, better)[0]
    largest = max(size, _product(by_jax, by_jax)[0], least)
    square, error = _product(off, off)
    bend = max(_product(whole - half, whole - half)[0], 0)
    if largest <= 0 or square <= 0:
        return Comparison(1.0, 0.0, is_wrong=False)
    share = _product(by_jax, better)[0] / size if size > 0 else np.inf
    is_wrong = square > CERTAIN * error and square > WRONG**2 * largest and square > 4 * bend
    return Comparison(float(share), float(np.sqrt(square / largest)), bool(is_wrong))


def _product(a, b):
    """Of the means of a and b, and its standard error, by either half against the other."""
    first, second = (np.arange(len(a)) % 2 == side for side in (0, 1))
    each = [a[one] @ b[other].mean(axis=0) for one, other in ((first, second), (second, first))]
    value = np.mean([one.mean() for one in each])
    return value, np.max([one.std(ddof=1) / np.sqrt(len(one)) for one in each])


class _Features:
    """What is compared: simulations, their squares, and squares of some mixtures of their numbers.

    All less the mean of simulations and over their deviation, so that a parameter that moves
    spreads or correlations alone is seen as well.
    """

    NAMES = ("mean", "variance", "covariance")

    def __init__(self, d: np.ndarray):
        deviation = d.std(axis=0)
        self._mean, self._scale = d.mean(axis=0), np.where(deviation > 0, deviation, np.inf)
        mixtures = np.random.default_rng(0).standard_normal((d.shape[1], N_MIXTURES))
        self._mixtures = mixtures / np.sqrt(d.shape[1])

    def of(self, d: np.ndarray) -> list[np.ndarray]:
        """Features of simulations (n, n_inputs), an array of them by each of NAMES."""
        z = (d - self._mean) / self._scale
        return [z, z**2, (z @ self._mixtures) ** 2]

    def slopes(self, d: np.ndarray, dd: np.ndarray) -> list[np.ndarray]:
        """Their derivatives, by those of the simulations, (n, n_inputs)."""
        z, dz = (d - self._mean) / self._scale, dd / self._scale
        return [dz, 2 * z * dz, 2 * (z @ self._mixtures) * (dz @ self._mixtures)]


def check(problem: Problem, key: jax.Array, most: int = MOST) -> None:
    """Compare JAX's derivatives of a simulator with finite differences, for each parameter.

    Those of the mean, variances and some covariances of simulations. The step is found for each
    parameter. A parameter is passed over if no step moves simulations without leaving the
    simulator's domain, or if it moves nothing.

    Args:
        problem: with a simulator in JAX and exact derivatives.
        key: of a set of simulations.
        most: simulations that it takes at most, at each parameter; twice FEW at least.

    Raises:
        InputError: they differ by more than noise; it names the parameters.

    """
    n_bytes = 4 * math.prod(problem.input_shape) * (1 + problem.n_params)
    n = FEW * int(np.clip(PIECE // (FEW * n_bytes), 2, most // FEW))
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(np.arange(n))
    theta, dtype = problem.theta_fid, jnp.result_type(float)
    draw = jax.jit(jax.vmap(problem.simulator, in_axes=(0, None)))
    slopes = jax.jit(jax.vmap(of_key(problem)[1]))

    n_inputs, looked_at = math.prod(problem.input_shape), slice(None)
    fitting = max(1, min(FEW, PIECE // n_bytes))
    at_once = next(size for size in range(fitting, 0, -1) if FEW % size == 0)
    if n_inputs > MOST_NUMBERS:
        looked_at = np.random.default_rng(0).choice(n_inputs, MOST_NUMBERS, replace=False)

    def in_parts(function, keys, *last):
        parts = [
            np.asarray(function(keys[i : i + at_once])).reshape(-1, n_inputs, *last)[:, looked_at]
            for i in range(0, len(keys), at_once)
        ]
        return np.concatenate(parts, dtype=np.float64)

    def simulate(theta, keys=keys):
        theta = jnp.asarray(theta, dtype)
        return in_parts(lambda some: draw(some, theta), keys)

    d, few = simulate(theta), keys[:FEW]
    dd, features = in_parts(slopes, keys, problem.n_params), _Features(d)
    lines = []
    for i, name in enumerate(problem.names):
        unit = np.eye(problem.n_params)[i]

        def differences(step, keys=keys, unit=unit):
            sides = [np.asarray(theta + sign * step * unit, dtype) for sign in (-0.5, 0.5)]
            minus, plus = (features.of(simulate(side, keys)) for side in sides)
            distance = float((sides[1].astype(np.float64) - sides[0]) @ unit)
            with np.errstate(divide="ignore", invalid="ignore"):
                return [(b - a) / distance for a, b in zip(minus, plus, strict=True)]

        by_jax = features.slopes(d, dd[..., i])
        step = _step(
            lambda step, differences=differences: differences(step, few),
            theta[i],
            [each[:FEW] for each in by_jax],
        )
        if step is None:
            continue
        whole, half = differences(step), differences(step / 2)
        least = max(_product(each, each)[0] for each in whole)
        for what, *of_one in zip(features.NAMES, by_jax, whole, half, strict=True):
            found = compare(*of_one, least)
            if found.is_wrong:
                lines.append(
                    f"problem {problem.name!r}: expected derivatives by JAX that agree with finite "
                    f"differences, found that the {what}'s derivative by {name} has "
                    f"{found.share:.2g} of theirs (step {step:.2g}; they differ by "
                    f"{100 * found.difference:.0f} %); JAX takes counts, comparisons and roundings "
                    "for constants: set `derivative: finite_difference_of_summaries` (or "
                    "finite_difference, if simulations do not jump) and delta_theta"
                )
                break
    if lines:
        raise InputError(*lines)


def affordable(n_params: int, seconds: float, of_derivative: float, most: float) -> int | None:
    """Simulations that `check` may take to end within ``most`` seconds; None if it can't.

    Args:
        n_params: number of parameters.
        seconds, of_derivative: of a simulation, and of its derivative.
        most: seconds.

    """
    for n in (MOST, 2 * FEW):
        n_shifted = n_params * (4 * n + FEW * TRIES)  # about half of the steps that are tried
        if n * (seconds + of_derivative) + n_shifted * seconds < most:
            return n
    return None


def _step(difference: Callable, theta: float, by_jax: list[np.ndarray]) -> float | None:
    """A step by which simulations move by about SHIFT of their deviation, in rms of the mean.

    None if none is found.

    Args:
        difference: step -> slopes of some simulations' features.
        theta: the parameter.
        by_jax: the same by JAX.

    """
    slope = _rms(by_jax)
    step = SHIFT / slope if slope > 0 else max(abs(theta), 1) / 10
    step = min(step, max(abs(theta), 1) / 2)
    found = None
    for _ in range(TRIES):
        slopes = difference(step)
        if not all(np.isfinite(each).all() for each in slopes):
            step /= 4
            continue
        found, slope = step, _rms(slopes)
        wanted = SHIFT / slope if slope > 0 else 2 * step
        if 0.5 < wanted / step < 2 or wanted > step > 0.4 * max(abs(theta), 1):
            break
        step = float(np.clip(wanted, step / 8, 4 * step))
    return found


def _rms(slopes):
    """The largest rms of features' mean slopes."""
    return max(float(np.sqrt(np.mean(each.mean(axis=0) ** 2))) for each in slopes)
