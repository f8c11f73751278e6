"""Weighted samples."""

import numpy as np
import pytest
from imnn_core.evaluation import weighted


def test_weights_count_as_copies(rng):
    """Oracle: numpy on samples that are there as often as their weights say."""
    x, times = rng.standard_normal((200, 2)), rng.integers(0, 4, 200)
    copies = np.repeat(x, times, axis=0)
    mean, sd = weighted.moments(x, times.astype(float))
    np.testing.assert_allclose(mean, copies.mean(axis=0))
    np.testing.assert_allclose(sd, copies.std(axis=0))
    levels = [0.1, 0.5, 0.84]
    found = weighted.quantiles(x[:, 0], times.astype(float), levels)
    expected = np.quantile(copies[:, 0], levels, method="hazen")
    np.testing.assert_allclose(found, expected, atol=0.02)
    same = weighted.quantiles(copies[:, 0], np.ones(len(copies)), levels)
    np.testing.assert_allclose(same, expected)


def test_worth_of_weights():
    """Oracle: by hand."""
    found = weighted.effective(np.array([[1.0, 1, 1, 1], [3, 1, 0, 0], [0, 0, 0, 0]]))
    assert found == pytest.approx([4, 1.6, 0])
