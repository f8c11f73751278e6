"""The problem: its closed forms against autodiff and Monte Carlo."""

import jax
import numpy as np
import pytest
from analytic_fisher import monte_carlo
from imnn_core.problems import shipped, simulations
from small_files import fiducial


@pytest.mark.parametrize("theta_fid", [(0.0, 1.0), (0.5, 1.5)])
def test_the_closed_form_is_the_monte_carlo_mean_of_the_curvature(theta_fid):
    """Oracle: the mean of -d^2 ln L / d theta^2 by autodiff over 20 000 simulations, within 4 of
    its standard errors.
    """
    problem = shipped.gaussian(theta_fid)
    found = monte_carlo(problem, fiducial(problem, 20000))
    F = problem.fisher(problem.theta_fid)
    error = np.maximum(
        found["F_error"], 1e-4
    )  # F_mu_mu is n / Sigma in every simulation: rounding is all of its error
    assert np.all(np.abs(np.asarray(found["F"]) - F) < 4 * error)
    assert abs(found["det_F"] - np.linalg.det(F)) < 4 * found["det_F_error"]
    assert found["det_F_error"] < 0.02 * found["det_F"]


def test_errors_of_the_monte_carlo_mean():
    """Oracle: by hand, for n = 10 draws at Sigma = 1, the entries have variance 0, n and 2 n; |F| =
    10 F_Sigma_Sigma.
    """
    found = monte_carlo(shipped.gaussian(), fiducial(shipped.gaussian(), 20000))
    expected = np.sqrt(np.array([[0, 10], [10, 20]]) / 20000)
    np.testing.assert_allclose(
        found["F_error"], expected, rtol=0.03, atol=1e-6
    )  # a standard deviation of 20 000 is good to 1 %
    assert found["det_F_error"] == pytest.approx(10 * expected[1, 1], rel=0.03)


def test_ten_draws_at_the_default_have_a_determinant_of_fifty():
    """Oracle: diag(n / Sigma, n / (2 Sigma^2)) = diag(10, 5)."""
    problem = shipped.gaussian()
    np.testing.assert_allclose(problem.fisher(problem.theta_fid), [[10, 0], [0, 5]])


def test_derivatives_of_the_simulator(float64):
    """Oracle: by hand, d = mu + sqrt(Sigma) z, so that dd/dmu = 1 and dd/dSigma = (d - mu) / (2
    Sigma).
    """
    problem = shipped.gaussian(theta_fid=(0.5, 1.5), input_shape=(4, 3))
    (piece,) = simulations.draw(problem, jax.random.key(3), 7, 5)
    assert piece.fiducial.shape == (7, 4, 3)
    assert piece.derivative.shape == (5, 4, 3, 2)
    np.testing.assert_allclose(piece.derivative[..., 0], 1)
    np.testing.assert_allclose(piece.derivative[..., 1], (piece.fiducial[:5] - 0.5) / 3, rtol=1e-12)
