"""Whether simulations reach the observation and go with their parameters, and doubts of samples.

Oracle: by construction; what is right is not told.
"""

import numpy as np
import pytest
from imnn_core.inference import doubts, reach
from imnn_core.inference.summaries import Set, Summaries
from imnn_core.problems.prior import prior_of
from imnn_core.store.errors import InputError

SPEC = {"a": {"uniform": [-5, 5]}, "b": {"uniform": [-5, 5]}}
SD = 0.3


def found(rng, observed=(0.1, 0.2), n=3000, theta=None, estimates=None, why_not=(), n_failed=0):
    """Simulations whose estimates scatter by SD."""
    prior = prior_of("ab", SPEC)
    theta = prior.draw(rng, n) if theta is None else theta
    if estimates is None:
        estimates = theta + SD * rng.standard_normal(theta.shape)
    at = np.array([observed], float)
    about = {
        "names": ["a", "b"],
        "theta_fid": [0.0, 0.0],
        "covariance": (SD**2 * np.eye(2)).tolist(),
        "why_not": list(why_not),
        "n_failed": n_failed,
        "n_all": n,
    }
    simulated = Set(theta, estimates, estimates, np.arange(n))
    empty = Set(*(np.empty((0, 2)),) * 3, np.empty(0, int))
    return Summaries(prior, simulated, empty, Set(np.empty((1, 0)), at, at, np.arange(1)), about)


def test_what_is_right_is_not_told(rng):
    of = found(rng)
    reach.check_theta(of, "here")
    assert reach.of_observations(of)[0] == []
    theta = of.prior.draw(rng, 2000)
    assert list(doubts.of_samples(theta, np.ones(2000), 2000, of.prior)) == []


def test_an_observation_that_the_prior_misses_by_far_is_refused(rng):
    for away in ((9.0, 0.0), (0.0, -50.0)):
        with pytest.raises(InputError, match="expected a prior that reaches the observation"):
            reach.of_observations(found(rng, away))[0]


def test_doubts_of_an_observation(rng):
    ((line,),) = reach.of_observations(found(rng, (3.0, 0.0)))
    assert "lies 10 bounds from theta_fid" in line
    lines = reach.of_observations(found(rng, (6.9, 0.0)))[0]
    assert any("outside of the simulations" in line for line in lines)
    assert any("lie beyond those of all simulations" in line for line in lines)
    ((line,),) = reach.of_observations(found(rng, why_not=["steps are too wide"]))
    assert line == "the fit is not to be trusted: steps are too wide"
    ((line,),) = reach.of_observations(found(rng, n_failed=17))
    assert line.startswith("17 of 3000 simulations from the prior failed")


def test_a_hole_in_the_simulations_is_seen(rng):
    """An observation amid the simulations, but with none near it."""
    theta = prior_of("ab", SPEC).draw(rng, 20_000)
    estimates = theta + 0.01 * rng.standard_normal(theta.shape)
    estimates = estimates[np.linalg.norm(estimates, axis=1) > 2.5]
    of = found(rng, (0.0, 0.0), len(estimates), theta[: len(estimates)], estimates)
    lines = reach.of_observations(of)[0]
    assert "the observation lies outside of the simulations" in lines[0]
    assert "simulations are sparse: the 10 nearest lie up to 8" in lines[1]


def test_parameters_that_do_not_go_with_the_simulations_are_refused(rng):
    right = found(rng)
    theta, estimates = right.simulated.theta, right.simulated.estimates
    cases = {
        "expected the parameters in the order a, b": (theta[:, ::-1], estimates),
        "in another order than their parameters": (rng.permutation(theta), estimates),
        "expected parameters within the prior": (theta + [1, 0], estimates),
        "expected b drawn from the prior": (theta * [1, 0.7], estimates),
    }
    for words, (theta, estimates) in cases.items():
        of = found(rng, n=len(theta), theta=theta, estimates=estimates)
        with pytest.raises(InputError, match=words) as error:
            reach.check_theta(of, "posterior.simulations")
        assert len(error.value.lines) == 1


def test_doubts_of_samples(rng):
    """Few effective samples; mass at an edge, by its share in a hundredth of the prior."""
    prior = prior_of("ab", SPEC)
    theta = prior.draw(rng, 5000)
    weights = np.zeros(5000)
    weights[:20] = 1
    (line,) = doubts.of_samples(theta, weights, 20, prior)
    assert "worth 20 independent ones" in line
    theta[:, 1] = 5 - rng.exponential(0.3, 5000)
    lines = list(doubts.of_samples(theta, np.ones(5000), 5000, prior))
    assert len(lines) == 1
    assert "at the upper edge of the prior of b, 5" in lines[0]


def test_methods_that_disagree():
    of = {"one": ([0, 0], [1, 1]), "two": ([0.1, 0.1], [1.1, 1])}
    assert list(doubts.between(of, "ab")) == []
    (line,) = doubts.between(of | {"two": ([0.1, 0.8], [1, 1])}, "ab")
    assert "one and two disagree, most in b" in line
    (line,) = doubts.between(of | {"two": ([0, 0], [2, 1])}, "ab")
    assert "most in a" in line


def test_a_method_that_is_off_the_exact_posterior():
    right = ([0.1, 0.0], [1.0, 1.1])
    exact = ([0.0, 0.0], [1.0, 1.0])
    assert list(doubts.against_exact("neural", right, exact, "ab")) == []
    (line,) = doubts.against_exact("neural", ([0.0, 0.0], [1.0, 0.7]), exact, "ab")
    assert line.startswith("neural is off the exact posterior, most in b: 0 ± 0.7, exactly 0 ± 1")
    unknown = ([np.nan, np.nan], [np.nan, np.nan])
    assert list(doubts.against_exact("neural", right, unknown, "ab")) == []


def test_the_blur_of_accepted_simulations(rng):
    """Oracle: the variance of points in a ball, drawn."""
    points = rng.standard_normal((100_000, 3))
    points *= 2 * rng.random((100_000, 1)) ** (1 / 3) / np.linalg.norm(points, axis=1)[:, None]
    blur = np.sqrt(1 + points.var(axis=0).mean())
    (line,) = doubts.of_epsilon(2.0, 3)
    assert f"about {100 * (blur - 1):.0f} % wider" in line
    assert list(doubts.of_epsilon(0.5, 3)) == []


def test_a_stretch_of_rows_that_do_not_go_together_is_seen(rng):
    """As where a part of the files was named in another order."""
    of = found(rng, n=2000)
    estimates = of.simulated.estimates.copy()
    estimates[1500:] = np.roll(estimates[1500:], 1, axis=0)
    moved = found(rng, n=2000, theta=of.simulated.theta, estimates=estimates)
    with pytest.raises(InputError, match="do not go together from about row 1[4-9]"):
        reach.check_theta(moved, "here")


def test_numbers_that_float32_rounds_beyond_a_bound_lie_on_it():
    prior = prior_of("a", {"a": {"uniform": [0.7, 0.9]}})
    rounded = np.array([[np.float32(0.7)], [0.8], [np.float32(0.9)], [0.69], [0.91]], float)
    assert not prior.contains(rounded[:1]).all()
    np.testing.assert_array_equal(
        prior.unrounded(rounded)[:, 0], [0.7, 0.8, float(np.float32(0.9)), 0.69, 0.91]
    )


def test_a_posterior_of_two_peaks_is_told(rng):
    """A Gaussian, a uniform and a skewed one have one; oracle: by construction."""
    prior = prior_of("ab", SPEC)
    one = np.stack([rng.normal(0, 0.5, 5000), rng.exponential(0.5, 5000)], axis=1)
    assert not [line for line in doubts.of_samples(one, np.ones(5000), 5000, prior)]
    two = one + 2 * rng.choice([-1, 1], (5000, 1)) * [1, 0]
    (line,) = doubts.of_samples(two, np.ones(5000), 5000, prior)
    assert line.startswith("it has more than one peak in a")
