"""Monotone maps of summaries to normal scores."""

import numpy as np
import pytest
from imnn_core.inference import normal_scores
from scipy import stats


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.standard_normal(5000),
        lambda rng: rng.standard_cauchy(5000) ** 3,
        lambda rng: rng.gamma(0.3, size=5000),
    ],
)
def test_scores_are_normal_and_increasing(draw):
    """Oracle: the standard normal distribution, by Kolmogorov and Smirnov; monotony beyond."""
    x = draw(np.random.default_rng(8))
    scores = normal_scores.learnt(x)
    assert stats.kstest(normal_scores.applied(scores, x), "norm").statistic < 0.013
    wide = np.concatenate([-np.logspace(308, -3, 900), np.logspace(-3, 308, 900)])
    z = normal_scores.applied(scores, np.sort(np.concatenate([x, wide])))
    assert np.isfinite(z).all() and (np.diff(z) >= 0).all()
    far = np.sort(x)[-1] + np.ptp(np.sort(x)[500:-500]) * np.array([0, 1, 2, 4])
    assert (np.diff(normal_scores.applied(scores, far)) > 0).all()


def test_scores_of_counts():
    """Oracle: the normal quantiles of the middle ranks of three values, by hand."""
    scores = normal_scores.learnt(np.repeat([0.0, 1.0, 5.0], [50, 30, 20]))
    z = normal_scores.applied(scores, np.array([0.0, 1.0, 5.0]))
    np.testing.assert_allclose(z, stats.norm.ppf([0.25, 0.65, 0.9]), rtol=1e-12)
