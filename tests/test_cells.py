"""Cells of densities, and the space in which the prior is standard normal."""

import numpy as np
from imnn_core.inference.cells import Cells, Frame
from imnn_core.inference.standard import theta_of
from imnn_core.problems.prior import prior_of
from scipy import special


def test_draws_are_not_wider_than_the_posterior(rng):
    """Cells of 0.8 sigma would add 2.6 % to it, drawn uniformly within; oracle: 1, 0 and 0.5."""
    axes = np.linalg.cholesky([[1, 0.5], [0.5, 1]])[None]
    frame = Frame(axes, np.full((1, 2), -6.4), np.full((1, 2), 6.4))
    p = np.exp(-0.5 * (np.arange(16) - 7.5) ** 2 * 0.8**2)
    cells = Cells(frame, (p[:, None] * p)[None] / p.sum() ** 2)
    z = cells.sample(400_000, rng)[0]
    np.testing.assert_allclose(np.cov(z.T), [[1, 0.5], [0.5, 1]], atol=0.01)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=0.006)


def test_parameters_from_standard_normal_numbers():
    """Oracle: the prior's own quantiles, and far in its tails the normal's symmetry."""
    spec = {
        "a": {"uniform": [-1, 2]},
        "b": {"log_uniform": [0.1, 10]},
        "c": {"normal": [3, 2]},
        "d": {"half_normal": [2]},
        "e": {"truncated": [1, 2, 0, 5]},
    }
    y = np.linspace(-5, 5, 21)[:, None] * np.ones(5)
    for within in (None, [[0, 1], [0.5, 2], [0, 4], [0.5, 1], [1, 2]]):
        prior = prior_of(list(spec), spec, within)
        expected = prior.quantile(special.ndtr(y))
        np.testing.assert_allclose(theta_of(prior, y), expected, rtol=1e-8, atol=1e-12)
    far = theta_of(prior_of(["c"], spec), np.array([[-30.0], [30.0]]))
    np.testing.assert_allclose(far, [[3 - 60], [3 + 60]])
