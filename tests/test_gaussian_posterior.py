"""The Gaussian of an estimate times the prior."""

import numpy as np
import pytest
from imnn_core.inference import gaussian
from imnn_core.problems.prior import prior_of
from imnn_core.store.errors import InputError
from scipy import stats

ONE = {
    "uniform": {"uniform": [0, 1]},
    "log_uniform": {"log_uniform": [1e-4, 10]},
    "normal": {"normal": [3, 0.5]},
    "half_normal": {"half_normal": [1]},
    "truncated": {"truncated": [1, 0.5, 0, 5]},
}


def moments(draws, i=0):
    """Weighted mean and covariance."""
    theta, weights = draws.theta[i], draws.weights[i]
    return np.average(theta, axis=0, weights=weights), np.cov(theta.T, aweights=weights)


@pytest.mark.parametrize(
    "x, s", [(0.5, 0.1), (0.2, 100), (-3, 0.1), (1.5, 0.3), (-40, 1), (0.5, 1e-6)]
)
def test_one_parameter_in_a_box(x, s):
    """Within the box, far wider than it, or 30 and 40 sigma outside; oracle: truncnorm of scipy."""
    prior = prior_of(["a"], {"a": ONE["uniform"]})
    draws = gaussian.sample([[x]], [[s**2]], prior, 20_000, 1)
    of = stats.truncnorm(-x / s, (1 - x) / s, x, s)
    assert draws.effective == pytest.approx([20_000])
    np.testing.assert_allclose(draws.weights, 1, atol=1e-6)
    assert stats.ks_1samp(draws.theta[0, :, 0], of.cdf).pvalue > 0.01
    ends = stats.norm(x, s).logcdf([0, 1]) if x > 0.5 else stats.norm(x, s).logsf([1, 0])
    mass = ends[1] + np.log1p(-np.exp(ends[0] - ends[1]))
    assert draws.log_mass == pytest.approx([mass], rel=1e-9, abs=1e-9)
    assert draws.log_mass_error == 0


@pytest.mark.parametrize("kind", list(ONE))
@pytest.mark.parametrize("x, s", [(0.5, 0.1), (0.1, 0.2), (6, 1), (-1, 0.3)])
def test_every_kind_of_prior(kind, x, s):
    """Mean, sigma and mass; oracle: the midpoint rule in the prior's unbounded space."""
    prior = prior_of(["a"], {"a": ONE[kind]})
    draws = gaussian.sample([[x]], [[s**2]], prior, 100_000, 2)
    z = np.linspace(*((-5, 10) if kind == "normal" else (-30, 30)), 100_001)[:, None]
    theta = prior.from_unbounded(z)
    log_p = prior.log_density(theta) + prior.log_jacobian(z)
    log_p += stats.norm(x, s).logpdf(theta[:, 0])
    p = np.exp(log_p - log_p.max())
    total, p = p.sum(), p / p.sum()
    mean = p @ theta[:, 0]
    sd = np.sqrt(p @ (theta[:, 0] - mean) ** 2)
    found, variance = moments(draws)
    n = draws.effective[0]
    assert n > 100_000 * (0.3 if kind == "log_uniform" else 0.999)
    assert found[0] == pytest.approx(mean, abs=4 * sd / np.sqrt(n))
    assert np.sqrt(variance) == pytest.approx(sd, rel=6 / np.sqrt(n))
    mass = log_p.max() + np.log(total * (z[1, 0] - z[0, 0]))
    error = max(draws.log_mass_error[0], 1e-9)
    assert draws.log_mass[0] == pytest.approx(mass, abs=4 * error)


def boxed(p, low=-1.0, high=2.0):
    names = [f"theta{i}" for i in range(p)]
    return prior_of(names, {name: {"uniform": [low, high]} for name in names})


@pytest.mark.parametrize("p", [2, 4, 8])
def test_correlated_parameters_in_a_box(rng, p):
    """Most of the Gaussian is cut off; oracle: numpy's Gaussian and rejection."""
    covariance = stats.wishart(p + 5, np.eye(p) / (p + 5)).rvs(random_state=3)
    estimate = np.full(p, 0.3)
    estimate[0] = 2.5
    prior = boxed(p)
    draws = gaussian.sample([estimate], covariance, prior, 20_000, 4)
    kept = rng.multivariate_normal(estimate, covariance, 400_000)
    kept = kept[prior.contains(kept)]
    found, of = moments(draws)
    sd = kept.std(axis=0)
    error = 4 * np.sqrt(1 / len(kept) + 1 / draws.effective[0])
    assert draws.effective[0] > 4_000
    np.testing.assert_allclose((found - kept.mean(axis=0)) / sd, 0, atol=error)
    np.testing.assert_allclose(
        of / (sd * sd[:, None]), np.cov(kept.T) / (sd * sd[:, None]), atol=2 * error
    )
    mass = np.exp(draws.log_mass[0]) * 3**p
    assert mass == pytest.approx(len(kept) / 4e5, rel=4 * draws.log_mass_error[0] + error)


def test_normal_priors_are_multiplied_in(rng):
    """Equal weights, and the moments of the product; oracle: (C^-1 + V^-1)^-1."""
    prior = prior_of(["a", "b"], {"a": {"normal": [1, 2]}, "b": {"normal": [-1, 0.1]}})
    C, V = np.array([[1.0, 0.6], [0.6, 0.5]]), np.diag([4, 0.01])
    estimates = np.array([[0.0, 0.0], [50.0, 3.0]])
    draws = gaussian.sample(estimates, C, prior, 50_000, 1)
    expected = np.linalg.inv(np.linalg.inv(C) + np.linalg.inv(V))
    for i, x in enumerate(estimates):
        mean = expected @ (np.linalg.solve(C, x) + np.linalg.solve(V, [1, -1]))
        found, of = moments(draws, i)
        sd = np.sqrt(np.diagonal(expected))
        np.testing.assert_allclose((found - mean) / sd, 0, atol=0.02)
        np.testing.assert_allclose(
            of / (sd * sd[:, None]), expected / (sd * sd[:, None]), atol=0.03
        )
        log_mass = stats.multivariate_normal([1, -1], C + V).logpdf(x)
        assert draws.log_mass[i] == pytest.approx(log_mass, rel=1e-9)
    assert draws.effective == pytest.approx([50_000, 50_000])


@pytest.mark.parametrize("spec", [ONE["uniform"], ONE["log_uniform"], ONE["half_normal"]])
def test_densities_are_normalised(spec):
    """Oracle: scipy's quadrature over both parameters, one of them correlated and cut off."""
    prior = prior_of(["a", "b"], {"a": spec, "b": {"uniform": [0, 1]}})
    low, high = max(prior.bounds[0, 0], 0), min(prior.bounds[0, 1], 6)
    x, C = np.array([[0.4, 1.2]]), np.array([[0.3, 0.1], [0.1, 0.2]])
    a, b = (end + (np.arange(400) + 0.5) / 400 * (top - end) for end, top in ((low, high), (0, 1)))
    theta = np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1).reshape(1, -1, 2)
    if spec is ONE["log_uniform"]:  # equal cells of its logarithm
        a = np.exp(np.log(low) + (np.arange(400) + 0.5) / 400 * np.log(high / low))
        theta = np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1).reshape(1, -1, 2)
        cell = theta[..., 0] * np.log(high / low) / 400 / 400
    else:
        cell = (high - low) / 400 / 400
    log_p, error = gaussian.log_density(theta, x, C, prior, n=40_000, seed=1)
    assert np.sum(np.exp(log_p) * cell) == pytest.approx(1, abs=4 * error[0] + 1e-4)
    assert 0 < error[0] < 0.01
    of_one, _ = gaussian.log_density(theta[:, 7], x, C, prior, n=40_000, seed=1)
    assert of_one == pytest.approx(log_p[:, 7])
    outside, _ = gaussian.log_density(np.array([[-1.0, 0.5]]), x, C, prior)
    assert outside[0] == -np.inf


def test_independent_parameters_have_a_closed_form():
    """Oracle: two truncated normal distributions of scipy."""
    x, s, theta = np.array([[1.4, -0.2]]), np.array([0.3, 0.8]), np.array([[0.9, 0.1]])
    found, error = gaussian.log_density(theta, x, np.diag(s**2), boxed(2, 0, 1), n=10)
    of = stats.truncnorm((0 - x[0]) / s, (1 - x[0]) / s, x[0], s)
    assert found[0] == pytest.approx(of.logpdf(theta[0]).sum())
    assert error == 0


def test_estimates_that_are_none_and_priors_that_miss():
    """NaN has no posterior; a prior that misses by 1000 sigma has one, and a mass that says it."""
    estimates = [[0.5, 0.5], [np.nan, 0.5], [0.5, 1001.0]]
    draws = gaussian.sample(estimates, np.eye(2), boxed(2, 0, 1), 100, 0)
    assert np.isnan(draws.weights[1]).all() and draws.effective[1] == 0
    assert np.isfinite(draws.theta).all()
    assert np.isfinite(draws.weights[[0, 2]]).all()
    assert draws.log_mass[2] == pytest.approx(-0.5 * 1000**2, rel=1e-3)
    assert np.isnan(draws.log_mass[1])


def test_covariances_that_are_none():
    with pytest.raises(InputError, match="covariance of estimates: expected a positive definite"):
        gaussian.sample([[0.5, 0.5]], np.ones((2, 2)), boxed(2), 10, 0)


def test_the_same_seed_gives_the_same_draws():
    first, again, other = (
        gaussian.sample([[0.5, 0.5]], np.eye(2), boxed(2), 100, seed) for seed in (1, 1, 2)
    )
    assert np.array_equal(first.theta, again.theta)
    assert not np.array_equal(first.theta, other.theta)
