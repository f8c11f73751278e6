"""What is measured of summaries, its bias and its error, each against an oracle that shares none of
its code.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from imnn_core.compression import compressor
from imnn_core.compression.compressor import Summaries
from imnn_core.data import sources
from imnn_core.evaluation import measure
from imnn_core.evaluation.jackknife import groups_of, jackknife
from imnn_core.gradient import derivatives
from imnn_core.gradient.fisher import Statistics
from imnn_core.problems import shipped, simulations

# The mean of ten draws d, the mean of |d|, and the score. By hand, for d ~ N(0, 1): C = diag(1, 1 -
# 2/pi) / 10, dmu/dtheta = diag(1, 1 / sqrt(2 pi)), and all of the simulations' own information is
# diag(10, 5).
F_ABS = np.diag([10, 10 / (2 * np.pi) / (1 - 2 / np.pi)])  # 4.38
SHARE = F_ABS[1, 1] / 5


@functools.cache
def gaussian_summaries(n):
    """These summaries of n simulations, by name."""
    problem = shipped.gaussian()
    theta = jnp.asarray(problem.theta_fid, dtype=jnp.float32)

    def apply(_, d):
        return jnp.concatenate(
            [jnp.stack([d.mean(), jnp.abs(d).mean()]), jax.grad(problem.log_likelihood)(theta, d)]
        )

    compressed = compressor.compress(derivatives.exact(apply), jax.devices()[:1], 1000, parallel=1)
    pieces = list(simulations.draw(problem, simulations.seed_key(0, "test"), n, n))
    summaries = compressed(
        {}, sources.in_memory(*(np.concatenate(arrays) for arrays in zip(*pieces, strict=True)))
    )
    return {"network": summaries.part(slice(0, 2)), "score": summaries.part(slice(2, 4))}


def test_F_of_the_score_and_of_known_summaries():
    """Oracle: the score is sufficient, F = diag(10, 5); and the closed form above, |F| = 43.8 and
    0.876 of the score's.
    """
    value, _, error = measure.measure(gaussian_summaries(100000))
    for name, F in (("score", np.diag([10, 5])), ("network", F_ABS)):
        assert np.all(np.abs(value[name]["F"] - F) < 3.5 * error[name]["F"])
        assert abs(value[name]["det_F"] - np.linalg.det(F)) < 3.5 * error[name]["det_F"] < 2
        assert np.all(
            np.abs(value[name]["sigma"] - np.diag(F) ** -0.5) < 3.5 * error[name]["sigma"]
        )
    assert abs(value["over_score"]["det_F"] - SHARE) < 3.5 * error["over_score"]["det_F"] < 0.01
    assert np.all(
        np.abs(value["over_score"]["F_diagonal"] - [1, SHARE])
        < 3.5 * error["over_score"]["F_diagonal"] + 1e-6
    )
    assert (
        error["over_score"]["det_F"] < 0.5 * error["network"]["det_F"] / value["network"]["det_F"]
    )  # common noise is gone


def test_what_F_assumes():
    """Oracle: by hand.

    |d| of d ~ N(0, 1) has skewness 0.9953 and excess kurtosis 0.8692, a mean of ten 1/sqrt(10) and
    1/10 of them; and C is proportional to Sigma, so that it changes by Sigma's bound, 1 /
    sqrt(4.38).
    """
    value, _, error = measure.measure(gaussian_summaries(100000))
    for quantity, expected in (
        ("skewness", [0, 0.9953 / 10**0.5]),
        ("excess_kurtosis", [0, 0.08692]),
    ):
        assert np.all(
            np.abs(value["network"][quantity] - expected) < 3.5 * error["network"][quantity]
        )
    # The score's estimates are d's mean and mean square: chi squared of ten has skewness sqrt(8 /
    # 10), excess kurtosis 12 / 10.
    for quantity, expected in (("skewness", [0, 0.8**0.5]), ("excess_kurtosis", [0, 1.2])):
        assert np.all(np.abs(value["score"][quantity] - expected) < 3.5 * error["score"][quantity])
    for name, expected in (("network", F_ABS[1, 1] ** -0.5), ("score", 2 * 5**-0.5)):
        found, its_error = (part[name]["covariance_change"][1] for part in (value, error))
        assert abs(found - expected) < 3.5 * its_error < 0.02


def test_the_change_of_the_covariance_is_that_between_two_thetas(rng):
    """Oracle: numpy's covariances of summaries at shifted theta, central difference, and their
    generalised eigenvalues.
    """
    z = rng.standard_normal((400, 3))

    def x_of(theta):
        return np.stack(
            [
                z[:, 0] * np.exp(theta[0]) + theta[0],
                z[:, 1] * (1 + theta[1]) + theta[1] + z[:, 0] * theta[0],
            ],
            1,
        )

    h = 1e-5
    shifts = h * np.eye(2)
    dx = np.stack([(x_of(shift) - x_of(-shift)) / (2 * h) for shift in shifts], axis=2)
    summaries = Summaries(x_of([0, 0]), dx)
    value = measure.measure({"network": summaries}).value["network"]
    C, sigma = (
        np.cov(x_of([0, 0]), rowvar=False),
        np.sqrt(np.diag(np.linalg.inv(measure.statistics_of(summaries).F))),
    )
    for a, shift in enumerate(shifts):
        dC = (np.cov(x_of(shift), rowvar=False) - np.cov(x_of(-shift), rowvar=False)) / (2 * h)
        expected = sigma[a] * np.abs(np.linalg.eigvals(np.linalg.solve(C, dC))).max()
        assert value["covariance_change"][a] == pytest.approx(expected, rel=1e-6)


def test_skewness_and_kurtosis(rng):
    """Oracle: scipy.stats, on exponential numbers whose mean is not zero, as that of a part of a
    set is not.
    """
    z = rng.exponential(size=(1000, 2)) - 0.3
    sums = np.stack([(z**power).sum(axis=0) for power in (1, 2, 3, 4)])
    skewness, kurtosis = measure.distribution(sums, len(z))
    np.testing.assert_allclose(skewness, scipy.stats.skew(z), rtol=1e-10)
    np.testing.assert_allclose(kurtosis, scipy.stats.kurtosis(z), rtol=1e-10)


@pytest.mark.parametrize(("n_s", "n_d"), [(500, 500), (1003, 217), (60, 7), (5, 5)])
def test_groups_are_disjoint_and_alike(n_s, n_d):
    groups = groups_of(n_s, n_d)
    assert len(groups) == min(50, n_d)
    np.testing.assert_array_equal(np.sort(np.concatenate(groups)), np.arange(n_s))
    for sizes in ([len(rows) for rows in groups], [(rows < n_d).sum() for rows in groups]):
        assert min(sizes) >= 1
        assert max(sizes) - min(sizes) <= 2


def test_groups_share_out_the_simulations_of_each_parameter():
    """Oracle: by definition: each group has its share of every number of simulations."""
    groups = groups_of(2000, 1000, counts=(300, 1000))
    np.testing.assert_array_equal(np.sort(np.concatenate(groups)), np.arange(2000))
    for n in (300, 1000, 2000):
        assert {int((rows < n).sum()) for rows in groups} == {n // 50}


def test_sums_without_a_group_are_those_of_the_rest(rng):
    """Oracle: numpy's mean and covariance of the simulations that are left, on data far from zero,
    and n_d < n_s.
    """
    x, dx = 1e6 + rng.standard_normal((203, 3)), rng.standard_normal((120, 3, 2))
    groups = measure.sums_of_groups(Summaries(x, dx))
    rows = groups_of(203, 120)
    for g in (0, 17, 49):
        left = np.setdiff1d(np.arange(203), rows[g])
        sums = jax.tree.map(lambda leaf, g=g: leaf.sum(axis=0) - leaf[g], groups)
        m = measure.moments(sums)
        np.testing.assert_allclose(
            m.scatter / (m.n_s - 1), np.cov(x[left], rowvar=False), rtol=1e-8, atol=1e-8
        )
        np.testing.assert_allclose(m.mean, (x[left] - x.mean(axis=0)).mean(axis=0), atol=1e-8)
        np.testing.assert_allclose(m.mean_derivative, dx[left[left < 120]].mean(axis=0), rtol=1e-12)


@functools.cache
def of_independent_sets(n_sets, n):
    """Estimates of each of n_sets independent sets of n simulations, stacked."""

    def groups_of_set(i):
        rows = slice(i * n, (i + 1) * n)
        return {
            name: measure.sums_of_groups(Summaries(x[rows], dx[rows]))
            for name, (x, dx) in summaries.items()
        }

    summaries = gaussian_summaries(n_sets * n)

    def quantity(s):
        factors = [measure.factor(measure.moments(s[name])) for name in ("network", "score")]
        network, score = map(measure.information, factors)
        ratio = measure.ratio(*factors)
        return {
            "det_F": network["det_F"],
            "F_diagonal": np.diagonal(network["F"], axis1=-2, axis2=-1),
            "det_F_score": score["det_F"],
            "F_diagonal_score": np.diagonal(score["F"], axis1=-2, axis2=-1),
            "ratio": ratio["det_F"],
            "ratio_Sigma": ratio["F_diagonal"][..., 1],
        }

    of_sets = jax.tree.map(lambda *leaves: np.stack(leaves, 1), *map(groups_of_set, range(n_sets)))
    return jackknife(of_sets, quantity)


TRUTH = {
    "det_F": np.linalg.det(F_ABS),
    "F_diagonal": np.diag(F_ABS),
    "det_F_score": 50,
    "F_diagonal_score": [10, 5],
    "ratio": SHARE,
    "ratio_Sigma": SHARE,
}


@pytest.mark.parametrize("quantity", TRUTH)
def test_the_jackknife_error_is_the_scatter_over_independent_sets(quantity):
    """Oracle: the standard deviation over independent sets; 400 of them, so that it is known to 3.5
    %.
    """
    value, _, error = (part[quantity] for part in of_independent_sets(400, 100))
    np.testing.assert_allclose(error.mean(axis=0) / value.std(axis=0, ddof=1), 1, atol=0.1)


@pytest.mark.parametrize("quantity", TRUTH)
def test_the_debiased_mean_over_independent_sets_is_the_truth(quantity):
    """Oracle: closed forms; within 3 standard errors of the mean over 400 sets."""
    value, debiased, _ = (part[quantity] for part in of_independent_sets(400, 100))
    error = debiased.std(axis=0, ddof=1) / np.sqrt(len(debiased))
    assert np.all(np.abs(debiased.mean(axis=0) - TRUTH[quantity]) < 3 * error)
    if quantity.startswith("det_F"):  # and there was a bias to be taken off
        assert value.mean() - TRUTH[quantity] > 3 * error


def test_debiasing_takes_off_what_is_known_exactly_for_gaussian_summaries(rng):
    """Oracle: E[C^-1] = (n - 1) / (n - n_summaries - 2) C^-1 (Hartlap, Simon & Schneider 2007).

    With noisy derivatives E[F] = that times (F + tr(C^-1 cov(dx)) / n). Over 700 sets of n = 40
    raw values meet this mean, and debiased ones the truth.
    """
    n, n_sets, p, noise = 40, 700, 3, 0.8
    x = rng.standard_normal((n_sets, n, p))
    dx = np.ones((n_sets, n, p, 1)) + noise * rng.standard_normal((n_sets, n, p, 1))

    def F_of(s):
        return measure.information(measure.factor(measure.moments(s)))["F"][..., 0, 0]

    each = [measure.sums_of_groups(Summaries(*part)) for part in zip(x, dx, strict=True)]
    of_sets = jax.tree.map(lambda *leaves: np.stack(leaves, 1), *each)
    value, debiased, _ = jackknife(of_sets, F_of)
    error = value.std() / np.sqrt(n_sets)
    assert value.mean() == pytest.approx(
        (n - 1) / (n - p - 2) * (p + noise**2 * p / n), abs=3 * error
    )
    assert debiased.mean() == pytest.approx(p, abs=3 * error + p * (p / n) ** 2)
    assert value.mean() - p > 5 * error


def test_estimates_of_a_linear_gaussian_problem_are_those_of_maximum_likelihood(rng):
    """Oracle: generalised least squares, x ~ N(A theta, C) with the sample's own C, by
    numpy.linalg.lstsq.
    """
    A, theta_fid = rng.standard_normal((4, 2)), np.array([3.0, -2.0])
    x = A @ theta_fid + rng.standard_normal((500, 4)) @ rng.standard_normal((4, 4))
    summaries = Summaries(x, np.broadcast_to(A, (500, 4, 2)))
    statistics = measure.statistics_of(summaries)
    L_inv = np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False)))
    expected = (
        theta_fid + np.linalg.lstsq(L_inv @ A, L_inv @ (x - x.mean(axis=0)).T, rcond=None)[0].T
    )
    found = measure.estimates(x, statistics, theta_fid)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        np.cov(found, rowvar=False), np.linalg.inv(statistics.F), rtol=1e-9, atol=1e-12
    )


def test_what_has_no_inverse_is_nan_and_no_error(rng):
    """A linear compression of simulations whose mean doesn't move is 0."""
    x, dx = rng.standard_normal((60, 4)), rng.standard_normal((60, 4, 2))
    x[:, 2:], dx[:, 2:] = 0, 0
    good, bad = (Summaries(x, dx).part(block) for block in (slice(0, 2), slice(2, 4)))
    assert np.isnan(measure.estimates(bad.x, measure.statistics_of(bad), np.zeros(2))).all()
    assert np.isfinite(measure.estimates(good.x, measure.statistics_of(good), np.zeros(2))).all()
    assert not np.isfinite(
        measure.measure({"network": bad}).value["network"]["covariance_change"]
    ).any()
    estimate = measure.measure({"network": good, "linear": bad})
    assert np.isfinite(estimate.value["network"]["det_F"])
    assert not np.isfinite(estimate.value["linear"]["det_F"])
    assert not np.isfinite(estimate.value["over_linear"]["det_F"])


def test_nearly_degenerate_parameters_keep_their_digits(rng):
    """Oracle: by hand, |F| = (1e-9)^2, where F itself is ((1, 1), (1, 1)) to rounding; and nothing
    is measured of parameters that are the same. Units of the parameters do not matter.
    """
    x = rng.standard_normal((200, 2))
    x -= x.mean(axis=0)
    x @= np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    for difference, expected in ((1e-9, 1e-18), (0, np.nan)):
        for units in ([1, 1], [1e-3, 1e5]):
            dx = np.array([[1, 1], [0, difference]]) * units
            network = Summaries(x, np.broadcast_to(dx, (200, 2, 2)))
            det_F = measure.measure({"network": network}).value["network"]["det_F"]
            np.testing.assert_allclose(det_F, expected * np.prod(units) ** 2.0, rtol=1e-6)


def test_nothing_is_estimated_by_an_F_without_inverse():
    """Two parameters that move all summaries alike; numpy itself finds an inverse, of rounding."""
    D, C = np.array([[1.0, 1.0], [0.3, 0.3]]), np.diag([0.1, 0.2])
    F = D.T @ np.linalg.inv(C) @ D * [[1, 1], [1, 1 + 4e-16]]
    statistics = Statistics(F, C, np.linalg.inv(C), np.zeros(2), D)
    assert np.isfinite(np.linalg.inv(F)).all()
    assert np.isnan(measure.estimates(np.ones((3, 2)), statistics, np.zeros(2))).all()
