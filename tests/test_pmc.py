"""Population Monte Carlo: its weights, its steps, and posteriors against exact ones."""

import numpy as np
import pytest
from imnn_core.inference import pmc, pmc_kernel, rejection
from imnn_core.problems.prior import prior_of
from imnn_core.store.errors import InputError
from normal_draws import PRIOR, SCALE, exact, moments, simulator
from scipy import stats

SETTINGS = pmc.Settings(n_particles=400, batch=1000)
OBSERVED = np.array([0.0, 1.0]) * SCALE
FIELDS = range(len(pmc.Population._fields))


def run(settings=SETTINGS, simulate=None, prior=PRIOR, observed=OBSERVED, key=(7,), **more):
    return pmc.run(simulate or simulator(1), prior, observed, key, settings, **more)


def population_of(rng, n, p, low=-1.0):
    """Particles in the unbounded space of a box, with weights."""
    prior = prior_of([*map(str, range(p))], {str(i): {"uniform": [low, i + 1]} for i in range(p)})
    weights = rng.random(n) ** 4
    return prior, prior.to_unbounded(prior.draw(rng, n)), weights / weights.sum()


def of_box(prior, z):
    """The density of a uniform prior in its unbounded space."""
    return np.exp(prior.log_jacobian(z)) / np.prod(np.diff(prior.bounds))


@pytest.mark.parametrize(("p", "degrees"), [(1, 5), (2, 5), (2, 4), (5, 3)])
def test_the_density_of_the_kernel(p, degrees, rng):
    """Oracle: scipy's t-distributions, one for each particle, and the prior."""
    prior, z, weights = population_of(rng, 70, p)
    kernel = pmc_kernel.kernel_of(prior, z, weights, degrees, 0.1)
    at = np.concatenate([z[:10], z[:10] * 30])
    covariance = np.atleast_2d(np.cov(z.T, aweights=weights, ddof=0))
    shape = 2 * covariance * (degrees - 2) / degrees
    t = np.array([stats.multivariate_t(each, shape, degrees).pdf(at) for each in z])  # (70, 20)
    expected = 0.9 * kernel.weights @ t + 0.1 * of_box(prior, at)
    assert pmc_kernel.log_density(kernel, prior, at) == pytest.approx(np.log(expected), abs=1e-9)


def test_draws_of_the_kernel(rng):
    """A tenth is the prior's, the others have the mixture's distribution; oracle: scipy's t."""
    prior, z, weights = population_of(rng, 50, 1)
    kernel = pmc_kernel.kernel_of(prior, z, weights, 5, 0.1)
    drawn = pmc_kernel.draw(kernel, prior, rng, 20_000)[:, 0]
    of_prior = prior.from_unbounded(drawn[:2000, None])[:, 0]
    assert stats.kstest(of_prior, stats.uniform(-1, 2).cdf).pvalue > 0.01
    scale = kernel.root[0, 0] * np.sqrt(3 / 5)

    def cdf(x):
        return stats.t(5).cdf((np.asarray(x)[:, None] - z[:, 0]) / scale) @ kernel.weights

    assert stats.kstest(drawn[2000:], cdf).pvalue > 0.01


def test_the_kernel_reaches_into_the_tails(rng):
    """Particles are drawn by weights times (prior / f)^(3/4); oracle: f by scipy's t."""
    prior, z, weights = population_of(rng, 60, 2)
    kernel = pmc_kernel.kernel_of(prior, z, weights, 5, 0.1)
    covariance = np.cov(z.T, aweights=weights, ddof=0)
    f = weights @ [stats.multivariate_t(each, covariance * 3 / 5, 5).pdf(z) for each in z]
    expected = weights * (of_box(prior, z) / f) ** 0.75
    assert kernel.weights == pytest.approx(expected / expected.sum(), rel=1e-9)


def test_weights_are_the_priors_density_over_the_kernels(rng):
    """Summaries that know nothing of theta leave the prior; oracle: the prior's own moments.

    With flat weights, the test fails: the particles have the kernel's distribution.
    """
    prior = prior_of(["a", "b"], {"a": {"uniform": [-10, 10]}, "b": {"half_normal": [1.5]}})

    def simulate(theta, first):
        return np.random.default_rng((3, first)).random((len(theta), 1))

    settings = pmc.Settings(n_particles=2000, quantile=0.5, batch=4000, most_steps=5)
    found = run(settings, simulate, prior, np.array([0.5]))
    assert len(found.epsilon) == 5
    u = prior.cdf(found.theta)
    for column in u.T:  # uniform, with a deviation for the effective sample size
        order = np.argsort(column)
        deviation = np.abs(np.cumsum(found.weights[order]) - column[order]).max()
        assert stats.kstwobign.sf(deviation * np.sqrt(found.n_effective[-1])) > 0.01
    flat = np.abs(np.arange(1, 2001) / 2000 - np.sort(u[:, 0])).max()
    assert stats.kstwobign.sf(flat * np.sqrt(found.n_effective[-1])) < 1e-6


def test_posterior_of_normal_draws():
    """Mean and width of both parameters of N(mu, Sigma); oracle: the posterior by quadrature.

    1000 particles scatter by 0.05 and 0.07 sigma in the mean, by 7 and 13 % in the width.
    """
    found = run(pmc.Settings(n_particles=1000, epsilon_end=0.5, smallest_acceptance=1e-4))
    mean, width = moments(found.theta, found.weights)
    exact_mean, exact_width = exact(OBSERVED)
    assert found.epsilon[-1] <= 0.5
    assert (mean - exact_mean) / exact_width == pytest.approx(0, abs=0.2)
    assert width / exact_width == pytest.approx(1, abs=0.3)


def test_posterior_of_a_rate():
    """Twenty intervals of a process with a rate; oracle: the gamma distribution, by quantiles."""
    prior = prior_of(["rate"], {"rate": {"uniform": [0, 10]}})

    def simulate(theta, first):  # the maximum-likelihood estimate, whitened at rate 1
        total = np.random.default_rng((1, first)).gamma(20, 1 / theta[:, 0])
        return np.sqrt(20) * 20 / total[:, None]

    settings = pmc.Settings(n_particles=2000, epsilon_end=0.05, smallest_acceptance=1e-4)
    found = run(settings, simulate, prior, np.array([np.sqrt(20) * 1.2]))
    order = np.argsort(found.theta[:, 0])
    gamma = stats.gamma(21, scale=1 / (20 / 1.2))
    deviation = np.cumsum(found.weights[order]) - gamma.cdf(found.theta[order, 0])
    assert stats.kstwobign.sf(np.abs(deviation).max() * np.sqrt(found.n_effective[-1])) > 0.01
    mean, width = moments(found.theta, found.weights)
    assert (mean - gamma.mean()) / gamma.std() == pytest.approx(0, abs=0.1)
    assert width / gamma.std() == pytest.approx(1, abs=0.08)


def test_steps_are_told_and_counted():
    """Simulations have consecutive numbers, batches one size; oracle: counted by the simulator.

    No two have the same parameters, as they had if batches shared their random numbers.
    """
    asked, shown, values = [], [], set()

    def simulate(theta, first):
        asked.append((first, len(theta)))
        values.update(theta[:, 0])
        assert np.all(PRIOR.contains(theta))
        return simulator(1)(theta, first)

    found = run(SETTINGS._replace(most_steps=4), simulate, show=shown.append)
    assert asked == [(1000 * i, 1000) for i in range(len(asked))]
    assert found.n_simulations[-1] == 1000 * len(asked) == len(values)
    assert np.all(np.diff(found.epsilon) < 0)
    assert [len(each.epsilon) for each in shown] == [1, 2, 3, 4]
    assert found.epsilon[-1] == found.distance.max()
    assert found.weights.sum() == pytest.approx(1)
    assert found.n_effective[-1] == pytest.approx(1 / np.sum(found.weights**2))
    assert found.acceptance[0] == 400 / 2000 and np.all(found.acceptance < 1)


@pytest.mark.parametrize("step", [0, 2, 3])
def test_resuming_goes_on_to_the_same_bits(step):
    """Oracle: the run that was not interrupted. A resumed finished run draws nothing."""
    saved = []
    settings = SETTINGS._replace(most_steps=4)
    whole = run(settings, save=saved.append)
    resumed = run(settings, resume=pmc.Population(*map(np.copy, saved[step])))
    assert all(np.array_equal(whole[i], resumed[i]) for i in FIELDS)
    other = run(settings, key=(8,))
    assert not np.array_equal(whole.z, other.z)


def test_failed_simulations_are_counted_and_never_kept():
    """Half of the prior fails; oracle: the other half, and the failures counted here."""
    failed = []

    def simulate(theta, first):
        s = simulator(1)(theta, first)
        s[theta[:, 0] > 0] = np.nan
        failed.append((theta[:, 0] > 0).sum())
        return s

    found = run(SETTINGS._replace(most_steps=3), simulate)
    assert np.all(found.theta[:, 0] <= 0)
    assert found.n_failed.sum() == sum(failed)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"epsilon_end": 3.0}, "epsilon has reached 3"),
        ({"smallest_acceptance": 0.2}, "fewer than 0.2 of simulations were accepted"),
        ({"most_simulations": 8000}, "8000 simulations were allowed"),
        ({"most_simulations": 8500}, "8500 simulations were allowed"),
        ({"most_steps": 2}, "2 steps were allowed"),
    ],
)
def test_reasons_to_stop(changed, reason):
    """Each rule stops by itself and is kept; oracle: the rule."""
    settings = SETTINGS._replace(**changed)
    found = run(settings)
    assert pmc.reason_to_stop(found, settings) == reason
    assert found.n_simulations[-1] <= settings.most_simulations
    assert len(found.epsilon) <= settings.most_steps
    assert found.epsilon[-1] <= rejected(found.n_simulations[0])
    before = found.epsilon[-2]
    assert found.epsilon[-1] <= before
    assert "epsilon_end" not in changed or before > 3


def rejected(n):
    """Epsilon of rejection of the first n simulations, those of the first step."""
    draws = [np.random.SeedSequence((7, 0), spawn_key=(i,)) for i in range(n // 1000)]
    rngs = [np.random.Generator(np.random.Philox(each)) for each in draws]
    s = [simulator(1)(PRIOR.draw(rng, 1000), 1000 * i) for i, rng in enumerate(rngs)]
    return rejection.nearest(np.concatenate(s), OBSERVED[None], 400).epsilon[0] * (1 + 1e-9)


def test_summaries_that_come_no_nearer():
    """All distances are equal from the first step on; oracle: the rule."""
    found = run(SETTINGS, lambda theta, first: np.ones((len(theta), 2)))
    assert pmc.reason_to_stop(found, SETTINGS).startswith("the summaries come no nearer")
    assert len(found.epsilon) == 1


def test_what_can_not_begin():
    """One line each; oracle: the numbers given."""
    with pytest.raises(
        InputError, match="most_simulations of at least 2000, .* of 400 is taken, found 1999$"
    ):
        run(SETTINGS._replace(most_simulations=1999))
    with pytest.raises(InputError, match="at least 400 simulations .* found 0 of 2000$"):
        run(SETTINGS, lambda theta, first: np.full((len(theta), 2), np.nan))
    with pytest.raises(InputError, match=r"finite numbers, found \[nan, 0.0\]"):
        run(SETTINGS, observed=np.array([np.nan, 0.0]))


@pytest.mark.long  # two minutes
def test_widths_and_cost_against_rejection():
    """Over 12 seeds, at the same epsilon; oracle: 12 times rejection of 4 * 10^6 simulations.

    The width of Sigma's heavy-tailed posterior scatters by 8 % from seed to seed.
    """
    settings = pmc.Settings(epsilon_end=0.25, smallest_acceptance=1e-4)
    found = [run(settings, simulator(1), key=(seed,)) for seed in range(12)]
    widths = np.mean([moments(each.theta, each.weights)[1] for each in found], axis=0)
    epsilon = np.mean([each.epsilon[-1] for each in found])
    kept, n = [], 0
    for i in range(480):
        theta = PRIOR.draw(np.random.default_rng((11, i)), 100_000)
        distance = np.linalg.norm(simulator(12)(theta, i) - OBSERVED, axis=1)
        kept.append(theta[distance <= epsilon])
        n += len(theta)
    kept = np.concatenate(kept)
    assert widths / kept.std(axis=0) == pytest.approx(1, abs=0.05)
    n_rejection = settings.n_particles * n / len(kept)
    assert np.mean([each.n_simulations[-1] for each in found]) <= n_rejection / 8
