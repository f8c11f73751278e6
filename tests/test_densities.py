"""Densities of weighted samples, and the contours that hold their mass."""

import numpy as np
import pytest
from imnn_core.figures import densities

FREE = np.array([[-np.inf, np.inf]] * 2)


def radii(theta, weights=None, bounds=FREE):
    """Radii of circles as large as the contours, and the density."""
    weights = np.ones(len(theta)) if weights is None else weights
    found = densities.density(theta, weights, bounds)
    cell = np.prod([axis[1] - axis[0] for axis in found.axes])
    return [np.sqrt((found.values > level).sum() * cell / np.pi) for level in found.levels], found


@pytest.mark.parametrize(("n", "within"), [(100, 0.15), (5000, 0.03)])
def test_contours_hold_their_mass(n, within):
    """Oracle: sqrt(-2 ln(1 - mass)), the radius of a circle of a two-dimensional Gaussian."""
    found, _ = radii(np.random.default_rng(1).standard_normal((n, 2)))
    assert found == pytest.approx(np.sqrt(-2 * np.log([0.32, 0.05])), rel=within)


def test_contours_of_correlated_parameters():
    """Oracle: the area is smaller by sqrt(1 - r^2)."""
    z, r = np.random.default_rng(2).standard_normal((5000, 2)), 0.95
    theta = z @ np.linalg.cholesky([[1, r], [r, 1]]).T
    expected = np.sqrt(-2 * np.log([0.32, 0.05]) * np.sqrt(1 - r**2))
    assert radii(theta)[0] == pytest.approx(expected, rel=0.06)


def test_weights_count():
    """Oracle: weights turn a Gaussian of sigma 1.5 into one of sigma 1."""
    theta = 1.5 * np.random.default_rng(3).standard_normal((20000, 2))
    square = np.sum(theta**2, axis=1)
    found, _ = radii(theta, np.exp(-0.5 * square * (1 - 1 / 1.5**2)))
    assert found == pytest.approx(np.sqrt(-2 * np.log([0.32, 0.05])), rel=0.03)


def test_no_mass_leaks_over_an_edge():
    """Oracle: the half of a Gaussian beyond 0 has twice its density at 0; all mass is within."""
    theta = np.abs(np.random.default_rng(4).standard_normal((5000, 2)))
    found = densities.density(theta, np.ones(5000), np.array([[0, np.inf]] * 2))
    cell = np.prod([axis[-2] - axis[-3] for axis in found.axes])
    assert [axis[0] for axis in found.axes] == [0, 0]
    values = found.values[1:, 1:] / cell  # the first are those at the bound
    assert found.values[1:, 1:].sum() == pytest.approx(1, abs=0.01)
    assert values[:3, :3].mean() == pytest.approx(4 / (2 * np.pi), rel=0.1)
    one = densities.density(theta[:, :1], np.ones(5000), np.array([[0, np.inf]]))
    at_zero = one.values[0] / (one.axes[0][-1] - one.axes[0][-2])
    assert at_zero == pytest.approx(2 / np.sqrt(2 * np.pi), rel=0.06)


def test_a_uniform_density_between_two_edges_is_flat():
    """Oracle: 1 / 2 everywhere between -1 and 1."""
    theta = np.linspace(-1, 1, 4001)[:, None]
    found = densities.density(theta, np.ones(4001), np.array([[-1.0, 1.0]]))
    cell = found.axes[0][2] - found.axes[0][1]
    assert found.values / cell == pytest.approx(0.5, rel=0.02)


def test_what_has_no_width_has_no_density():
    assert densities.density(np.ones((5, 2)), np.ones(5), FREE) is None
    assert densities.density(np.ones((1, 2)), np.ones(1), FREE) is None


def test_peaks_that_lie_apart_are_not_smeared():
    """Oracle: the width of one of two narrow peaks, at half of its height."""
    rng = np.random.default_rng(3)
    theta = (1.4 * rng.choice([-1, 1], 20_000) + 0.05 * rng.standard_normal(20_000))[:, None]
    of = densities.density(theta, np.ones(20_000), np.array([[-np.inf, np.inf]]))
    (x,), values = of.axes, of.values
    above = x[(values > values[x > 0].max() / 2) & (x > 0)]
    assert np.ptp(above) == pytest.approx(2.355 * 0.05, rel=0.25)
