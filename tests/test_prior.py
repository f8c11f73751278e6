"""Priors of parameters, and how simulations are given theirs."""

import numpy as np
import pytest
from imnn_core.problems.numbered import numbers_of
from imnn_core.problems.prior import prior_of
from imnn_core.store.errors import InputError
from scipy import integrate, stats

SPEC = {
    "a": {"uniform": [-10, 10]},
    "b": {"log_uniform": [0.1, 10]},
    "c": {"normal": [3, 2]},
    "d": {"half_normal": [2]},
    "e": {"truncated": [1, 2, 0, 5]},
}
BOX = [[-1, 1], [0.5, 2], [0, 4], [0.5, 1], [1, 2]]
OF_SCIPY = [
    stats.uniform(-10, 20),
    stats.loguniform(0.1, 10),
    stats.norm(3, 2),
    stats.halfnorm(0, 2),
    stats.truncnorm(-0.5, 2, 1, 2),
]


@pytest.mark.parametrize("within", [None, BOX])
def test_densities_are_those_of_scipy(within):
    """Draws have the distribution, and the density integrates to 1; oracle: scipy, quadrature."""
    prior = prior_of(list(SPEC), SPEC, within)
    theta = prior.draw(np.random.default_rng(1), 20_000)
    for i, of in enumerate(OF_SCIPY):
        low, high = prior.bounds[i]
        mass = of.cdf(high) - of.cdf(low)
        test = stats.kstest(theta[:, i], lambda t: (of.cdf(t) - of.cdf(low)) / mass)  # noqa: B023
        assert test.pvalue > 0.001
        one = prior_of([prior.names[i]], SPEC, None if within is None else [within[i]])
        total, _ = integrate.quad(
            lambda t: np.exp(one.log_density(np.array([t]))),  # noqa: B023
            max(low, -20),
            min(high, 30),
            points=[1],
        )
        assert total == pytest.approx(1, abs=1e-6)
    assert np.all(prior.contains(theta))
    assert prior.quantile(prior.cdf(theta)) == pytest.approx(theta, rel=1e-9)


@pytest.mark.parametrize("within", [None, BOX])
def test_unbounded_space(within):
    """Back and forth, and the Jacobian; oracle: central differences."""
    prior = prior_of(list(SPEC), SPEC, within)
    theta = prior.draw(np.random.default_rng(2), 50)
    z = prior.to_unbounded(theta)
    assert prior.from_unbounded(z) == pytest.approx(theta, rel=1e-9)
    h = 1e-5
    slopes = (prior.from_unbounded(z + h) - prior.from_unbounded(z - h)) / (2 * h)
    assert prior.log_jacobian(z) == pytest.approx(np.log(slopes).sum(axis=1), abs=1e-6)


def test_any_z_lies_within_the_bounds():
    prior = prior_of(list(SPEC), SPEC)
    for z in (-1e6, 1e6):
        theta = prior.from_unbounded(np.full(5, z))
        assert np.isfinite(theta[[0, 1, 4]]).all()
        assert prior.contains(theta)[()] or not np.isfinite(theta).all()
    assert np.isfinite(prior.to_unbounded(np.array([10.0, 0.1, 3, 0, 5]))).all()


def test_numbers_depend_on_the_simulation_alone():
    """Any range is a part of the whole, and other words give others."""
    for n_params in (1, 4, 5):
        whole = numbers_of([3, 7], 0, 100, n_params)
        assert np.array_equal(numbers_of([3, 7], 37, 61, n_params), whole[37:61])
        assert not np.any(numbers_of([3, 8], 0, 100, n_params) == whole)
        assert len(np.unique(whole)) == whole.size
    several = [numbers_of(words, 0, 5, 2) for words in ([65536, 0], [0, 1], [1, 65535])]
    assert len(np.unique(several)) == 30
    prior = prior_of(["b", "a"], SPEC)
    assert prior.names == ("b", "a")
    assert np.array_equal(prior.rows([1, 2], 5, 9), prior.rows([1, 2], 0, 9)[5:])


def test_a_box_without_any_of_the_prior_is_refused():
    """Ten sigma away, where quantiles have no digits left."""
    prior = prior_of(["c"], SPEC, [[23, 24]])
    with pytest.raises(InputError, match="prior of c: expected some of it in the box"):
        prior.quantile(np.array([0.5]))
