"""The exact posterior on a grid, against closed forms and other quadratures."""

import jax.numpy as jnp
import numpy as np
import pytest
from imnn_core.inference import exact
from imnn_core.problems import shipped
from imnn_core.problems.prior import prior_of
from imnn_core.store.errors import InputError
from scipy import integrate, special, stats


def of_gaussians(covariance):
    """Log-likelihood of one draw of N(theta, covariance)."""
    inverse, log_det = np.linalg.inv(covariance), np.linalg.slogdet(covariance)[1]
    constant = 0.5 * (log_det + len(covariance) * np.log(2 * np.pi))

    def log_likelihood(theta, d):
        return -0.5 * (d - theta) @ jnp.asarray(inverse) @ (d - theta) - constant

    return log_likelihood


def uniform(low, high, p=1):
    names = [f"theta{i}" for i in range(p)]
    return prior_of(names, {name: {"uniform": [low, high]} for name in names})


def test_exponential_rate(rng):
    """Oracle: the conjugate gamma distribution, cut off by the prior (scipy)."""
    problem, prior = shipped.exponential_rate(), uniform(0, 3)
    d = rng.exponential(1 / prior.draw(rng, 20), (20, 10))
    grid = exact.posterior(problem.log_likelihood, prior, d)
    assert grid.accurate.all()
    theta = grid.sample(5000, 1)
    for i, total in enumerate(d.sum(axis=1)):
        gamma = stats.gamma(11, scale=1 / total)
        mass = gamma.cdf(3)
        mean = gamma.expect(lambda x: x, lb=0, ub=3) / mass
        sd = np.sqrt(gamma.expect(lambda x: (x - mean) ** 2, lb=0, ub=3) / mass)  # noqa: B023
        assert grid.mean[i, 0] == pytest.approx(mean, abs=1e-4 * sd)
        assert grid.sd[i, 0] == pytest.approx(sd, rel=1e-4)
        # The integral of rate^10 exp(-rate total) is 10! / total^11, times the mass below 3.
        log_evidence = np.log(3628800) - 11 * np.log(total) + np.log(mass / 3)
        assert grid.log_evidence[i] == pytest.approx(log_evidence, abs=1e-6)
        of_draws = stats.ks_1samp(theta[i, :, 0], lambda x: gamma.cdf(x) / mass)  # noqa: B023
        assert of_draws.pvalue > 0.001


def test_hard_edges():
    """The likelihood peaks within the prior, on its edge, and up to 30 sigma outside.

    Oracle: scipy's truncated normal distribution, of moments and of draws.
    """
    d, s = np.array([[0.5], [0.0], [1.0], [1.15], [-3.0]]), 0.1
    grid = exact.posterior(of_gaussians(np.array([[s**2]])), uniform(0, 1), d)
    theta = grid.sample(20_000, 1)
    for i, x in enumerate(d[:, 0]):
        of = stats.truncnorm(-x / s, (1 - x) / s, x, s)
        assert grid.mean[i, 0] == pytest.approx(of.mean(), abs=1e-4 * of.std())
        assert grid.sd[i, 0] == pytest.approx(of.std(), rel=1e-4)
        assert stats.ks_1samp(theta[i, :, 0], of.cdf).pvalue > 0.01


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("of_prior", [{"uniform": [-10, 10]}, {"normal": [0, 1]}])
@pytest.mark.parametrize("sigma", [0.3, 1e-4])
def test_narrow_posteriors_in_wide_priors(rng, p, of_prior, sigma):
    """Correlated by 0.95, and up to 10 000 times narrower than the prior or 5 of its sigma away.

    Oracle: the Gaussian product of prior and likelihood.
    """
    names = [f"theta{i}" for i in range(p)]
    prior = prior_of(names, {name: of_prior for name in names})
    covariance = sigma**2 * (0.95 + 0.05 * np.eye(p))
    d = np.linspace(-5, 5, 4)[:, None] + sigma * rng.standard_normal((4, p))
    is_normal = "normal" in of_prior
    precision = np.linalg.inv(covariance) + is_normal * np.eye(p)
    expected = np.linalg.inv(precision)
    mean = d @ np.linalg.inv(covariance) @ expected
    grid = exact.posterior(of_gaussians(covariance), prior, d)
    assert grid.accurate.all()
    sd = np.sqrt(np.diagonal(expected))
    np.testing.assert_allclose((grid.mean - mean) / sd, 0, atol=1e-5)
    np.testing.assert_allclose(
        grid.covariance / (sd * sd[:, None]),
        np.tile(expected / (sd * sd[:, None]), (4, 1, 1)),
        atol=1e-5,
    )
    log_evidence = -p * np.log(20)
    if is_normal:
        log_evidence = stats.multivariate_normal(cov=covariance + np.eye(p)).logpdf(d)
    np.testing.assert_allclose(grid.log_evidence, log_evidence, atol=1e-6)
    theta = grid.sample(4000, 3)
    found = (theta - mean[:, None]) @ np.linalg.inv(np.linalg.cholesky(expected)).T
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=0.06)
    np.testing.assert_allclose(found.std(axis=1), 1, atol=0.06)


def test_gaussian_problem(rng):
    """Oracle: scipy's adaptive quadrature, over mu in closed form."""
    problem = shipped.gaussian()
    prior = prior_of(problem.names, {"mu": {"uniform": [-10, 10]}, "Sigma": {"uniform": [0, 10]}})
    truth = np.array([[0.0, 1.0], [3.0, 9.0], [-9.5, 4.0]])
    d = truth[:, :1] + np.sqrt(truth[:, 1:]) * rng.standard_normal((3, 10))
    grid = exact.posterior(problem.log_likelihood, prior, d)
    assert grid.accurate.all()
    for i, x in enumerate(d):
        square, mean = np.sum((x - x.mean()) ** 2), x.mean()

        def density(S, square=square, mean=mean):  # of Sigma, times the evidence
            of_mu = special.ndtr((np.array([10, -10]) - mean) / np.sqrt(S / 10))
            log_p = -0.5 * square / S - 4.5 * np.log(2 * np.pi * S) - 0.5 * np.log(10)
            return np.exp(log_p) * (of_mu[0] - of_mu[1]) / 200

        moments = [
            integrate.quad(lambda S: S**k * density(S), 0, 10, epsabs=0)[0]  # noqa: B023
            for k in range(3)
        ]
        mean, square = moments[1] / moments[0], moments[2] / moments[0]
        sd = np.sqrt(square - mean**2)
        assert grid.log_evidence[i] == pytest.approx(np.log(moments[0]), abs=1e-4)
        assert grid.mean[i, 1] == pytest.approx(mean, abs=1e-3 * sd)
        assert grid.sd[i, 1] == pytest.approx(sd, rel=1e-3)


def test_gaussian_field(rng):
    """Oracle: a plain grid in numpy, from the field's power spectrum."""
    problem = shipped.gaussian_field(input_shape=(16, 16))
    prior = prior_of(problem.names, {"A": {"log_uniform": [0.1, 10]}, "B": {"normal": [1, 1]}})
    k = np.hypot(*np.meshgrid(*[np.fft.fftfreq(16, 1 / 16)] * 2))
    k[0, 0] = np.inf
    d = np.fft.ifftn(np.fft.fftn(rng.standard_normal((16, 16))) / np.sqrt(k)).real
    grid = exact.posterior(problem.log_likelihood, prior, d[None])
    assert grid.accurate.all()
    k, power = k[k < np.inf], np.abs(np.fft.fftn(d, norm="ortho")[k < np.inf]) ** 2
    A, B = np.meshgrid(np.linspace(0.1, 4, 400), np.linspace(0, 2.5, 400), indexing="ij")
    log_p = -np.log(A) - 0.5 * (B - 1) ** 2
    for one, of_one in zip(power, np.log(k), strict=True):
        log_P = np.log(A) - B * of_one
        log_p = log_p - 0.5 * (one * np.exp(-log_P) + log_P)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    assert max(p[0].sum(), p[-1].sum(), p[:, 0].sum(), p[:, -1].sum()) < 1e-6
    mean = np.array([np.sum(p * A), np.sum(p * B)])
    covariance = np.cov(np.stack([A.ravel(), B.ravel()]), aweights=p.ravel(), ddof=0)
    sd = np.sqrt(np.diagonal(covariance))
    np.testing.assert_allclose((grid.mean[0] - mean) / sd, 0, atol=1e-3)
    np.testing.assert_allclose(
        grid.covariance[0] / (sd * sd[:, None]), covariance / (sd * sd[:, None]), atol=2e-3
    )


def test_nats_follow_from_the_evidence():
    """Information of d ~ N(theta, 0.1) over theta ~ N(0, 1); oracle: ln(1 + 100) / 2."""
    rng = np.random.default_rng(3)
    prior = prior_of(["a"], {"a": {"normal": [0, 1]}})
    theta = rng.standard_normal((2000, 1))
    d = theta + 0.1 * rng.standard_normal((2000, 1))
    log_likelihood = of_gaussians(np.array([[0.01]]))
    grid = exact.posterior(log_likelihood, prior, d)
    nats = exact.log_likelihoods(log_likelihood, theta, d) - grid.log_evidence
    error = nats.std() / np.sqrt(2000)
    assert nats.mean() == pytest.approx(np.log(101) / 2, abs=3 * error)
    assert error < 0.03


def test_likelihoods_that_are_no_numbers_are_none():
    theta = np.array([[[np.nan], [np.inf], [-np.inf], [1.0]]])
    found = exact.log_likelihoods(lambda theta, d: theta[0] * d[0], theta, np.array([[2.0]]))
    assert found.tolist() == [[-np.inf, -np.inf, -np.inf, 2.0]]


def test_one_observation_is_one_of_many():
    log_likelihood = of_gaussians(np.eye(2))
    prior, d = uniform(-10, 10, 2), np.array([[1.0, 2.0], [3.0, 4.0]])
    many = exact.posterior(log_likelihood, prior, d)
    one = exact.posterior(log_likelihood, prior, d[1], input_shape=(2,))
    np.testing.assert_allclose(one.mean, many.mean[1:], rtol=1e-6)


def test_blocks_change_nothing(monkeypatch, rng):
    """Neither where observations are cut, nor where cells are."""
    log_likelihood, prior, d = of_gaussians(np.eye(2)), uniform(-10, 10, 2), np.zeros((5, 2))
    d += rng.standard_normal(d.shape)
    whole = exact.posterior(log_likelihood, prior, d)
    for most in (2 * 80**2 * 2, 5000):
        monkeypatch.setattr(exact, "IN_MEMORY", most)
        parts = exact.posterior(log_likelihood, prior, d)
        assert parts.cells.mass.shape == whole.cells.mass.shape
        np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-6)


def test_a_likelihood_that_is_no_number_somewhere():
    """Likelihoods of NaN are none: half of a Gaussian is left; oracle: its mean, sqrt(2 / pi).

    A grid has no digits for such an edge, and says so.
    """

    def log_likelihood(theta, d):
        return jnp.where(theta[0] < d[0], jnp.nan, -0.5 * (theta[0] - d[0]) ** 2)

    grid = exact.posterior(log_likelihood, uniform(-10, 10), np.array([[1.0]]))
    assert grid.mean[0, 0] == pytest.approx(1 + np.sqrt(2 / np.pi), abs=0.01)


def test_grids_that_did_not_converge_are_told(caplog):
    """Two peaks, each a thousand times narrower than their distance, fall between the cells."""

    def log_likelihood(theta, d):
        return -0.5 * ((jnp.abs(theta[0]) - d[0]) / 1e-3) ** 2

    with caplog.at_level("WARNING", "imnn"):
        grid = exact.posterior(log_likelihood, uniform(-10, 10), np.array([[1.0]]))
    assert not grid.accurate.any()
    assert "1 of 1 observations (first: 0) has not converged" in caplog.text


def test_nothing_to_find():
    with pytest.raises(InputError, match="observation 1: expected a finite log-likelihood"):
        exact.posterior(
            lambda theta, d: jnp.where(d[0] > 0, jnp.nan, theta[0]),
            uniform(0, 1),
            np.array([[0.0], [1.0]]),
        )
    with pytest.raises(InputError, match="at most 3 parameters, found 4"):
        exact.posterior(of_gaussians(np.eye(4)), uniform(0, 1, 4), np.zeros((1, 4)))
    with pytest.raises(InputError, match="expected observations of finite numbers"):
        exact.posterior(of_gaussians(np.eye(1)), uniform(0, 1), np.array([[np.nan]]))


def test_a_grid_that_is_too_coarse_for_a_thin_and_bent_posterior_is_not_accurate():
    """By construction: b = a^2 + d within s, from wide to a hair."""
    prior = prior_of(["a", "b"], {"a": {"uniform": [-3, 3]}, "b": {"uniform": [-5, 10]}})
    observed = np.array([[0.5, 3.0], [-0.2, 1.0], [1.0, 4.0]])
    for s, is_held in ((1.0, True), (0.02, False), (0.002, False)):

        def log_likelihood(theta, d, s=s):
            a, b = theta
            return -0.5 * (((b - a**2 - d[1]) / s) ** 2 + ((a - d[0]) / 2.0) ** 2)

        grid = exact.posterior(log_likelihood, prior, observed)
        assert grid.accurate.all() == is_held
        assert not grid.accurate.any() or is_held
