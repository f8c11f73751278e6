"""Right data of many kinds, of which no look at their numbers may say that they are wrong.

Oracle: each is what its simulator draws, in order, with its own derivatives; wrong files have tests
of their own.
"""

import numpy as np
import pytest
from imnn_core.data import matching, numbers, sources
from imnn_core.problems import load

BINS, X = np.linspace(0.1, 2, 40), np.linspace(0, 1, 50)
SMOOTH = np.linalg.cholesky(np.exp(-0.5 * (X[:, None] - X) ** 2 / 0.04) + 1e-6 * np.eye(50))


def normal(rng, t, n, k=8):
    return t[0] + t[1] * rng.standard_normal((n, k))


def counts(rng, t, n, mean=0.3, k=12):
    """Poisson counts of matched seeds: arrivals before a time."""
    most = int(10 + 4 * mean)
    return (np.cumsum(rng.exponential(size=(n, k, most)), -1) < mean * t[0] * t[1]).sum(-1)


def spectra(rng, t, n):
    return t[0] / BINS * np.exp(-BINS * t[1]) * rng.chisquare(5, (n, 40)) / 5


def histogram(rng, t, n):
    d = np.exp(0.3 * rng.standard_normal((n, 30)) - (np.linspace(-2, 2, 30) * t[0] - t[1]) ** 2)
    return d / d.sum(axis=1, keepdims=True)


def fields(rng, t, n):
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(16), np.fft.fftfreq(16))) + 0.03
    z = np.fft.fft2(rng.standard_normal((min(n, 200), 16, 16)))
    return np.fft.ifft2(z * np.sqrt(t[0] * k ** -t[1])).real


def constant_too(rng, t, n):
    return np.concatenate([normal(rng, t, n), np.zeros((n, 2)), np.full((n, 1), 7.0)], axis=1)


def with_sum(rng, t, n):
    d = normal(rng, t, n, 5)
    return np.concatenate([d, d.sum(axis=1, keepdims=True), d[:, :2]], axis=1)


def statistics(rng, t, n):
    d = normal(rng, t, n, 50)
    return np.stack([d.min(axis=1), d.max(axis=1), d.mean(axis=1), d.std(axis=1)], axis=1)


CONTINUOUS = {
    "normal": normal,
    "one number": lambda rng, t, n: normal(rng, t, n, 1),
    "chi squared": spectra,
    "their logarithms": lambda rng, t, n: np.log(spectra(rng, t, n)),
    "other units": lambda rng, t, n: 1e12 * spectra(rng, t, n),
    "tiny units": lambda rng, t, n: 1e-20 * normal(rng, t, n),
    "each its unit": lambda rng, t, n: 10.0 ** np.arange(-9, 9) * normal(rng, t, n, 18),
    "far from 0": lambda rng, t, n: 100 + 0.01 * normal(rng, t, n),
    "histogram": histogram,
    "per cent": lambda rng, t, n: 100 * histogram(rng, t, n),
    "steep": lambda rng, t, n: t[1] * np.exp(-30 * X * t[0] + 0.1 * rng.standard_normal((n, 50))),
    "smooth": lambda rng, t, n: (
        t[0] * np.sin(3 * X) + t[1] * rng.standard_normal((n, 50)) @ SMOOTH.T
    ),
    "cumulated": lambda rng, t, n: np.cumsum(normal(rng, t, n, 50), axis=1),
    "sorted": lambda rng, t, n: np.sort(normal(rng, t, n, 20), axis=1),
    "field": fields,
    "lognormal field": lambda rng, t, n: np.exp(0.5 * fields(rng, t, n)),
    "heavy tails": lambda rng, t, n: np.exp(5 * normal(rng, t, n) - 5),
    "no moments": lambda rng, t, n: t[0] + t[1] * rng.standard_cauchy((n, 8)),
    "a power law": lambda rng, t, n: t[1] * rng.random((n, 8)) ** (-2 / t[0]),
    "often 0": lambda rng, t, n: np.maximum(0, normal(rng, t, n) - 1),
    "seldom not 0": lambda rng, t, n: np.maximum(0, normal(rng, t, n) - 4),
    "saturated": lambda rng, t, n: np.minimum(1.5, normal(rng, t, n)),
    "with constants": constant_too,
    "with sums": with_sum,
    "statistics": statistics,
    "bent": lambda rng, t, n: np.exp(3 * t[0]) * (1 + 0.3 * normal(rng, t, n, 5)),
    "scale": lambda rng, t, n: rng.exponential(size=(n, 10)) / t[0] + 0.1 * t[1] * X[:10],
}
DISCRETE = {
    "few counts": counts,
    "seldom a count": lambda rng, t, n: counts(rng, t, n, 0.05, 60),
    "many counts": lambda rng, t, n: counts(rng, t, n, 30),
    "counts in a unit": lambda rng, t, n: 1e-7 * counts(rng, t, n),
    "images": lambda rng, t, n: np.clip(np.round(20 * normal(rng, t, n, 64) + 100), 0, 255),
    "binary": lambda rng, t, n: rng.random((n, 64)) < 0.3 * t[0] * t[1],
    "seldom 1": lambda rng, t, n: rng.random((n, 200)) < 0.02 * t[0] * t[1],
    "classes": lambda rng, t, n: (
        np.eye(5)[(4.99 * rng.random(n) ** t[0]).astype(int)]
        + np.eye(5)[(4.99 * rng.random(n) ** t[1]).astype(int)]
    ),
    "rounded": lambda rng, t, n: normal(rng, t, n).round(3),
}


def said_of(problem, source):
    """All that is said of a set."""
    seen = numbers.look(source, problem)
    faults, notes = matching.of_look(matching.look(source, problem, seen.is_discrete), problem)
    return [*seen.faults, *faults, *notes] + (
        [] if seen.is_discrete else list(filter(None, [seen.repeats()]))
    )


def problem_of(d, steps=None, **changes):
    steps = {} if steps is None else {"delta_theta": steps, "from_files": True}
    given = {"theta_fid": [1.0, 1.0], "names": ["a", "b"], "input_shape": d.shape[1:]}
    return load.build("files", **given, **steps, **changes)


def all_sets(simulate, seed, n, step, has_tangents, dtype):
    """Sets of one simulator: with tangents, pairs, and offsets to one side."""

    def at(a=0.0, b=0.0):
        return simulate(np.random.default_rng(seed), np.array([1.0 + a, 1.0 + b]), n).astype(float)

    d, h = at(), 1e-5
    if has_tangents:
        dd = np.stack([at(h) - at(-h), at(0, h) - at(0, -h)], axis=-1) / (2 * h)
        yield problem_of(d), sources.in_memory(d.astype(dtype), dd.astype(dtype))
    pairs = [[at(s * step / 2), at(0, s * step / 2)] for s in (-1, 1)]
    shifted = np.moveaxis(np.array(pairs), 2, 0).astype(dtype)
    offsets = [[step / 4, step / 2], [-step / 2, step / 3]]
    columns = [*(at(offset) for offset in offsets[0]), *(at(0, offset) for offset in offsets[1])]
    columns = np.stack(columns, axis=1).astype(dtype)
    for of_summaries in (False, True):
        for steps, points in (([step, step], shifted), (offsets, columns)):
            problem = problem_of(d, steps, of_summaries=of_summaries)
            yield problem, sources.shifted_in_memory(d.astype(dtype), points)


def assert_nothing_is_said(name, seed, n, step, dtype):
    simulate = (CONTINUOUS | DISCRETE)[name]
    for problem, source in all_sets(simulate, seed, n, step, name in CONTINUOUS, dtype):
        assert said_of(problem, source) == []


@pytest.mark.parametrize("name", [*CONTINUOUS, *DISCRETE])
def test_nothing_is_said_of_right_data(name):
    """Few simulations and many, of small and of wide steps, in both precisions."""
    for n, step, dtype in ((40, 0.1, np.float32), (600, 0.1, np.float64), (600, 1.0, np.float32)):
        assert_nothing_is_said(name, 1, n, step, dtype)


NO_MOMENTS_FAR = {"heavy tails", "a power law"}  # at wide steps
SELDOM_MOVED = {*DISCRETE, "seldom not 0"}  # few of them at small steps show nothing of parameters


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", [*CONTINUOUS, *DISCRETE])
def test_nothing_is_said_of_more_right_data(name, seed):
    for n in (300, 2000) if name in SELDOM_MOVED else (25, 300):
        steps = (0.5, 1.5) if name in SELDOM_MOVED else (0.01, 0.5, 1.5)
        for step in (0.01, 0.5) if name in NO_MOMENTS_FAR else steps:
            for dtype in (np.float32, np.float64):
                assert_nothing_is_said(name, 100 + seed, n, step, dtype)
