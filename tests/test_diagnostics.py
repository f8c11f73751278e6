"""Calibration: what is calibrated passes, and each diagnostic sees what it is for."""

import numpy as np
import pytest
from imnn_core.inference import diagnostics, exact
from imnn_core.problems import shipped
from imnn_core.problems.prior import prior_of
from scipy import stats

PRIOR = prior_of(["a", "b"], {"a": {"normal": [0, 1]}, "b": {"normal": [0, 1]}})
NOISE = np.array([0.3, 1.0])
# d ~ N(theta, NOISE^2): the posterior is N(d s^2 / NOISE^2, s^2) with 1 / s^2 = 1 + 1 / NOISE^2.
SIGMA = 1 / np.sqrt(1 + 1 / NOISE**2)


def conjugate(n, m, width=1.0, shift=0.0, seed=0):
    """Draws of posteriors that are Gaussian, width times too wide, off by shift sigma."""
    rng = np.random.default_rng([seed, 7])  # of another stream than the references
    theta = PRIOR.draw(rng, n)
    mean = (theta + NOISE * rng.standard_normal((n, 2))) * (SIGMA / NOISE) ** 2 + shift * SIGMA
    samples = mean[:, None] + width * SIGMA * rng.standard_normal((n, m, 2))
    return theta, samples, mean


def each(theta, samples, weights=None, prior=PRIOR):
    rng = np.random.default_rng([1, 8])
    return diagnostics.of_each(theta, samples, weights, prior, rng.random(theta.shape), rng)


def pass_as_exact(problem, spec, n, seed):
    """Check n exact posteriors by all diagnostics, and return TARP's deviation."""
    prior = prior_of(problem.names, spec)
    rng = np.random.default_rng([seed, 7])  # of another stream than the references
    theta = prior.draw(rng, n)
    if len(problem.names) == 2:
        d = theta[:, :1] + np.sqrt(theta[:, 1:]) * rng.standard_normal((n, 10))
    else:
        d = rng.exponential(1 / theta, (n, 10))
    grid = exact.posterior(problem.log_likelihood, prior, d)
    found = each(theta, grid.sample(500, 3), prior=prior)
    assert np.all(diagnostics.ranks(found.pit).p > 0.01)
    coverage = diagnostics.coverage(found.pit, [0.5, 0.9])
    assert np.all(coverage.low < coverage.levels[:, None] + 0.01)
    assert np.all(coverage.high > coverage.levels[:, None] - 0.01)
    widths = diagnostics.widths(found.mean, found.sd, grid.mean, grid.sd)
    np.testing.assert_allclose(widths.ratio[1], 1, atol=0.01)
    np.testing.assert_allclose(widths.shift, 0, atol=0.01)
    return diagnostics.tarp(found.fraction, [0.5]).deviation


GAUSSIAN = {"mu": {"uniform": [-10, 10]}, "Sigma": {"uniform": [0, 10]}}
RATE = {"rate": {"log_uniform": [0.1, 10]}}


def test_the_exact_posterior_passes():
    """1000 gammas on grids, and TARP below 0.03; oracle: what calibration means."""
    assert pass_as_exact(shipped.exponential_rate(), RATE, 1000, seed=4) < 0.03


def test_the_exact_posterior_of_two_parameters_passes():
    """As above, of mean and variance, at which 250 have a TARP of 0.086 in 95 of 100 cases."""
    assert pass_as_exact(shipped.gaussian(), GAUSSIAN, 250, seed=2) < 0.086


@pytest.mark.long
def test_5000_exact_posteriors_pass():
    """TARP below 0.02 (it takes a minute); oracle: as above."""
    assert pass_as_exact(shipped.gaussian(), GAUSSIAN, 5000, seed=1) < 0.02


def test_conjugate_posteriors_pass():
    """5000 of them, and 2000 draws that were joined from blocks."""
    theta, samples, _ = conjugate(5000, 200)
    found = diagnostics.joined(
        each(theta[rows], samples[rows]) for rows in (slice(0, 2000), slice(2000, 5000))
    )
    assert np.all(diagnostics.ranks(found.pit).p > 0.01)
    tarp = diagnostics.tarp(found.fraction, np.linspace(0, 1, 21))
    assert tarp.deviation < 0.02
    assert np.max(np.abs(tarp.covered - tarp.levels)) <= tarp.deviation
    assert tarp.deviation < tarp.band
    histogram = diagnostics.rank_histogram(found.pit, 20)
    assert histogram.counts.sum(axis=0).tolist() == [5000, 5000]
    outside = (histogram.counts < histogram.low) | (histogram.counts > histogram.high)
    assert outside.mean() < 0.15


@pytest.mark.parametrize("width", [0.5, 2])
def test_wrong_widths_are_seen(width):
    """By ranks, coverage, TARP and the ratio of widths; coverage's oracle: the normal."""
    theta, samples, mean = conjugate(1000, 400, width)
    found = each(theta, samples)
    assert np.all(diagnostics.ranks(found.pit).p < 1e-6)
    assert diagnostics.tarp(found.fraction, [0.5]).p < 1e-3
    coverage = diagnostics.coverage(found.pit, [0.68])
    expected = 2 * stats.norm.cdf(width * stats.norm.ppf(0.84)) - 1
    assert np.all((coverage.low < expected) & (expected < coverage.high))
    widths = diagnostics.widths(found.mean, found.sd, mean, np.broadcast_to(SIGMA, mean.shape))
    np.testing.assert_allclose(widths.ratio[1], width, rtol=0.01)


def test_wrong_means_are_seen():
    """Half a sigma off, by ranks and the mean difference."""
    theta, samples, mean = conjugate(1000, 400, shift=0.5)
    found = each(theta, samples)
    assert np.all(diagnostics.ranks(found.pit).p < 1e-6)
    exact_mean, sd = mean - 0.5 * SIGMA, np.broadcast_to(SIGMA, mean.shape)
    widths = diagnostics.widths(found.mean, found.sd, exact_mean, sd)
    np.testing.assert_allclose(widths.shift, 0.5, atol=0.01)
    np.testing.assert_allclose(widths.scatter, 0.5, atol=0.01)


def test_wrong_correlations_are_seen_by_tarp_alone():
    """Posteriors with right marginals, whose correlation of 0.95 was lost."""
    rng = np.random.default_rng(5)
    factor = np.linalg.cholesky([[1, 0.95], [0.95, 1]])
    prior = prior_of(["a", "b"], {name: {"uniform": [-20, 20]} for name in "ab"})
    theta = prior.draw(rng, 2000)
    mean = theta + rng.standard_normal((2000, 2)) @ factor.T
    right, wrong = (
        mean[:, None] + rng.standard_normal((2000, 200, 2)) @ matrix.T
        for matrix in (factor, np.eye(2))
    )
    inside = np.all(np.abs(mean) < 16, axis=1)  # elsewhere the prior cuts it off
    for samples, p in ((right, 1), (wrong, 0)):
        found = each(theta[inside], samples[inside], prior=prior)
        assert np.all(diagnostics.ranks(found.pit).p > 0.01)
        assert (diagnostics.tarp(found.fraction, [0.5]).p > 0.01) == p


def test_all_but_nats_are_blind_to_lost_information():
    """The prior passes as a posterior, with 0 nats; oracle of nats: ln(sigma / s), summed."""
    theta, samples, mean = conjugate(3000, 100)
    rng = np.random.default_rng(3)
    found = each(theta, rng.standard_normal(samples.shape))
    assert np.all(diagnostics.ranks(found.pit).p > 0.01)
    assert diagnostics.tarp(found.fraction, [0.5]).p > 0.01
    log_q = stats.norm(mean, SIGMA).logpdf(theta).sum(axis=1)
    log_prior = PRIOR.log_density(theta)
    nats = diagnostics.nats(log_q, log_prior)
    expected = -np.log(SIGMA).sum()
    assert nats.mean == pytest.approx(expected, abs=3 * nats.error)
    assert 0 < nats.error < 0.05
    assert diagnostics.nats(log_prior, log_prior) == (0, 0)
    assert diagnostics.nats(np.r_[log_q, -np.inf], np.r_[log_prior, 0]).mean == -np.inf


@pytest.mark.parametrize("m", [1, 3, 20])
def test_ranks_of_few_draws_are_uniform(m):
    """Exactly, among m draws and the truth; oracle: Kolmogorov-Smirnov at 20 000."""
    theta, samples, _ = conjugate(20_000, m)
    found = each(theta, samples)
    assert np.all(diagnostics.ranks(found.pit).p > 0.01)
    assert diagnostics.tarp(found.fraction, [0.5]).p > 0.01
    np.testing.assert_allclose(found.effective, m)


def test_ties_are_broken_at_random():
    """Of a parameter with few values a posterior has the truth itself; oracle: as above."""
    rng = np.random.default_rng(4)
    values = rng.integers(0, 3, (20_000, 11, 2)).astype(float)
    found = each(values[:, 0], values[:, 1:])
    assert np.all(diagnostics.ranks(found.pit).p > 0.01)


def test_few_weighted_draws_are_not_rejected():
    """Draws of the prior, weighted by the likelihood, that are worth about 60."""
    theta, _, _ = conjugate(2000, 1)
    rng = np.random.default_rng(6)
    d = theta + NOISE * rng.standard_normal(theta.shape)
    samples = rng.standard_normal((2000, 300, 2))
    log_w = -0.5 * np.sum(((samples - d[:, None]) / NOISE) ** 2, axis=-1)
    found = each(theta, samples, np.exp(log_w - log_w.max(axis=1, keepdims=True)))
    assert 10 < np.median(found.effective) < 100
    assert np.all(diagnostics.ranks(found.pit).p > 0.01)
    assert diagnostics.tarp(found.fraction, [0.5]).p > 0.01


def test_weighted_moments():
    """Mean, sigma and effective number, and a rank within its tie; oracle: by hand."""
    samples = np.array([[[0.0, 1.0], [2.0, 1.0], [4.0, 5.0]]])
    weights = np.array([[1.0, 2.0, 1.0]])
    found = each(np.array([[3.0, -1.0]]), samples, weights)
    np.testing.assert_allclose(found.mean, [[2, 2]])
    np.testing.assert_allclose(found.sd, [[np.sqrt(2), np.sqrt(3)]])
    assert found.effective == pytest.approx([16 / 6])
    # Of the total 4 and the truth's own 6 / 4: 3 lie below the first, none below the second.
    assert 3 / 5.5 < found.pit[0, 0] < 4.5 / 5.5
    assert 0 < found.pit[0, 1] < 1.5 / 5.5


def test_tarp_counts_what_is_nearer_in_the_priors_scale():
    """Oracle: distances by hand."""
    prior = prior_of(["a"], {"a": {"log_uniform": [1, 10_000]}})
    truth, samples = np.array([[100.0]]), np.array([[[10.0], [1000.0], [2000.0], [9000.0]]])
    rng = np.random.default_rng(0)  # cdf: 0.5, and 0.25, 0.75, 0.83, 0.99
    found = diagnostics.of_each(truth, samples, None, prior, np.array([[0.7]]), rng)
    assert 2 / 5 < found.fraction[0] < 3 / 5


@pytest.mark.parametrize("weight", [np.nan, 0.0])
def test_observations_without_a_posterior_are_left_out(weight):
    theta, samples, mean = conjugate(50, 40)
    weights = np.ones((50, 40))
    weights[7] = weight
    found = each(theta, samples, weights)
    assert found.effective[7] == 0 and np.isnan(found.pit[7]).all()
    assert np.isfinite(np.delete(found.pit, 7, axis=0)).all()
    assert np.isfinite(diagnostics.ranks(found.pit).p).all()
    assert diagnostics.rank_histogram(found.pit, 5).counts.sum(axis=0).tolist() == [49, 49]
    assert np.isfinite(diagnostics.coverage(found.pit, [0.5]).covered).all()
    assert np.isfinite(diagnostics.tarp(found.fraction, [0.5]).deviation)
    assert np.isfinite(diagnostics.widths(found.mean, found.sd, mean, found.sd).shift).all()


def test_bands():
    """Coverage's of Clopper and Pearson, TARP's by simulation; oracles: scipy's, and uniforms."""
    pit = np.array([[0.5, 0.01]] * 3 + [[0.9, 0.02]] * 7)
    found = diagnostics.coverage(pit, [0.5, 0.9])
    np.testing.assert_allclose(found.covered, [[0.3, 0], [1, 0]])
    for i, k in enumerate([3, 10]):
        of = stats.binomtest(k, 10).proportion_ci(0.95)
        assert (found.low[i, 0], found.high[i, 0]) == pytest.approx((of.low, of.high))
    of = stats.binomtest(0, 10).proportion_ci(0.95)
    assert (found.low[0, 1], found.high[0, 1]) == pytest.approx((of.low, of.high))
    rng = np.random.default_rng([1, 8])
    tests = [diagnostics.tarp(rng.random(200), [0.5]) for _ in range(400)]
    assert np.mean([test.deviation > test.band for test in tests]) == pytest.approx(0.05, abs=0.03)
    counts = stats.binom(1000, 0.05).rvs(10_000, random_state=1)
    band = diagnostics.rank_histogram(rng.random((1000, 1)), 20)
    inside = np.mean((counts >= band.low) & (counts <= band.high))
    assert inside == pytest.approx(0.955, abs=0.015)


def test_widths_by_hand():
    sd, of = np.array([[1.0], [2.0], [3.0]]), np.ones((3, 1))
    found = diagnostics.widths(np.array([[1.0], [0.0], [2.0]]), sd, of, 2 * of)
    np.testing.assert_allclose(found.ratio[:, 0], [0.55, 1, 1.45])
    assert found.shift == pytest.approx([0])
    assert found.scatter == pytest.approx([np.sqrt(0.5 / 3)])
