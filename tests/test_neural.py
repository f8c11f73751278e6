"""Neural posterior estimation, against exact posteriors."""

import h5py
import numpy as np
import pytest
from imnn_core.inference import mixture, neural
from imnn_core.problems.prior import prior_of
from imnn_core.store.errors import InputError
from scipy import stats

PRIOR = prior_of(["rate", "b"], {"rate": {"uniform": [0, 10]}, "b": {"normal": [3, 2]}})
QUICK = neural.Settings(3, hidden=(16,), least_steps=300, most_epochs=3, ensemble=1)


@pytest.fixture(scope="module")
def quick():
    """A network that is trained for a moment, on numbers that depend on the parameters a little."""
    rng = np.random.default_rng(1)
    theta = PRIOR.draw(rng, 400)
    x = theta @ np.array([[1.0, 2.0, 0.0], [0.5, 0.0, 1.0]]) + rng.standard_normal((400, 3))
    return neural.train(theta, x, PRIOR, 2, QUICK._replace(ensemble=2)), theta, x


def test_exact_mean_and_width():
    """Oracle: the gamma posterior of a rate, Gamma(n + 1, sum d), cut at the prior's edge."""
    prior = prior_of(["rate"], {"rate": {"uniform": [0, 10]}})
    rng = np.random.default_rng(3)
    theta = prior.draw(rng, 20_000)
    x = rng.gamma(10, size=theta.shape) / theta
    q = neural.train(theta, x, prior, 0, neural.Settings(most_epochs=12, ensemble=1))
    totals = np.array([5.0, 10.0, 1.5])  # of draws; the last has half of its posterior beyond
    samples = q.sample(totals[:, None], 20_000, 4)
    assert samples.min() > 0 and samples.max() < 10
    for total, sample in zip(totals, samples[..., 0], strict=True):
        grid = (np.arange(40_000) + 0.5) / 4000
        p = stats.gamma.pdf(grid, 11, scale=1 / total)
        mean = np.average(grid, weights=p)
        sd = np.sqrt(np.average((grid - mean) ** 2, weights=p))
        assert abs(sample.mean() - mean) < 0.1 * sd
        assert sample.std() == pytest.approx(sd, rel=0.08)
        density = np.exp(q.log_density(grid[None, ::40, None], np.array([[total]])))[0]
        exact = p[::40] / p.mean() / 10
        assert np.abs(density - exact).mean() * 10 < 0.12  # total variation, twice


def test_density_is_normalised(quick):
    """Oracle: one, the integral of a density over the prior (trapezoids)."""
    q, _, x = quick
    rate, b = np.linspace(0, 10, 401), np.linspace(-7, 13, 401)
    grid = np.stack(np.meshgrid(rate, b, indexing="ij"), -1).reshape(1, -1, 2)
    density = np.exp(q.log_density(grid, x[:1])).reshape(401, 401)
    assert np.trapezoid(np.trapezoid(density, b), rate) == pytest.approx(1, abs=2e-3)
    outside = q.log_density(np.array([[[-0.1, 3.0], [10.1, 3.0]]]), x[:1])
    assert (outside == -np.inf).all()


def test_draws_follow_density(quick):
    """Oracle: probabilities of bins, integrals of the density; draws are binomial in each."""
    q, _, x = quick
    n, edges = 40_000, np.linspace(0, 10, 11)
    theta = q.sample(x[:1], n, 5)[0]
    rate, b = (np.arange(400) + 0.5) / 40, (np.arange(400) + 0.5) / 20 - 7
    grid = np.stack(np.meshgrid(rate, b, indexing="ij"), -1).reshape(1, -1, 2)
    p = np.exp(q.log_density(grid, x[:1])).reshape(10, 40, 400).sum((1, 2)) / 40 / 20
    counts = np.histogram(theta[:, 0], edges)[0]
    assert np.abs(counts - n * p).max() < 5 * np.sqrt(n * p.max())


def random_mixtures(rng, n, p=3):
    """Mixtures of two components for n observations, with factors far from diagonal."""
    s, z = rng.standard_normal((50, 2)), rng.standard_normal((50, p)) @ rng.random((p, p))
    weights = mixture.initial(rng, s, z, (4,), 2)
    weights["w"] = rng.standard_normal(weights["w"].shape) / 2
    return mixture.of_summaries(weights, rng.standard_normal((n, 2)), p, np)


def components(of, i):
    """Shares, means and covariances of the components of observation i, mapped by hand."""
    for k in range(of.log_shares.shape[1]):
        F = of.factors[i, k] @ of.factor[i]
        mean = of.location[i] + np.linalg.solve(of.factor[i], of.locations[i, k])
        yield np.exp(of.log_shares[i, k]), mean, np.linalg.inv(F.T @ F)


def test_mixture_by_scipy():
    """Oracle: scipy's multivariate normal densities."""
    rng = np.random.default_rng(6)
    of, z = random_mixtures(rng, 5), rng.standard_normal((5, 4, 3))
    found = mixture.log_density(of, z, np)
    for i in range(5):
        each = [
            share * stats.multivariate_normal(m, C).pdf(z[i]) for share, m, C in components(of, i)
        ]
        np.testing.assert_allclose(found[i], np.log(sum(each)), rtol=1e-6, atol=1e-6)


def test_draws_have_the_moments_of_the_mixture():
    """Oracle: mean and covariance of a mixture in closed form."""
    rng = np.random.default_rng(9)
    of = random_mixtures(rng, 3)
    for i in range(3):
        z = mixture.draw(of, rng, i, 100_000)
        mean = sum(share * m for share, m, _ in components(of, i))
        C = sum(share * (C + np.outer(m - mean, m - mean)) for share, m, C in components(of, i))
        sd = np.sqrt(np.diag(C))
        assert (np.abs(z.mean(0) - mean) < 0.02 * sd).all()
        np.testing.assert_allclose(np.cov(z.T) / np.outer(sd, sd), C / np.outer(sd, sd), atol=0.03)


def test_begins_as_linear_regression():
    """Oracle: numpy's least squares, and the covariance of the residuals."""
    rng = np.random.default_rng(7)
    s = rng.standard_normal((200, 2))
    z = s @ np.array([[1.0, 0.5], [0.0, 2.0]]) + 3 + rng.standard_normal((200, 2)) * [0.1, 0.01]
    weights = mixture.initial(rng, s, z, (4,), 2)
    weights["w"] *= 0
    of = mixture.of_summaries(weights, s, 2, np)
    np.testing.assert_allclose(of.location, s @ [[1, 0.5], [0, 2]] + 3, atol=0.07)
    np.testing.assert_allclose(1 / np.diagonal(of.factor[0]), [0.1, 0.01], rtol=0.2)


def test_comes_back_from_a_file_to_the_bit(quick, tmp_path):
    q, theta, x = quick
    with h5py.File(tmp_path / "q.h5", "w") as file:
        for name, array in q.arrays().items():
            file[name] = array
    with h5py.File(tmp_path / "q.h5") as file:
        again = neural.of_arrays({name: of[()] for name, of in file.items()}, PRIOR)
    assert (again.sample(x[:3], 50, 1) == q.sample(x[:3], 50, 1)).all()
    of = theta[None, :50].repeat(3, 0)
    assert (again.log_density(of, x[:3]) == q.log_density(of, x[:3])).all()
    assert again.report == q.report


def test_seed_decides_the_bits(quick):
    q, theta, x = quick
    shown = []
    again = neural.train(
        theta, x, PRIOR, 2, QUICK._replace(ensemble=2), lambda *of: shown.append(of)
    )
    for name, array in q.arrays().items():
        assert name == "report.seconds" or (again.arrays()[name] == array).all(), name
    other = neural.train(theta, x, PRIOR, 3, QUICK)
    assert (other.arrays()["member0.w"] != q.arrays()["member0.w"]).any()
    assert shown[0][0] == 1 and shown[-1][0] <= shown[-1][1] and "held out" in shown[0][2]
    assert len(shown) == sum(q.report["epochs"])


def test_best_weights_are_kept(quick):
    """Oracle: the smallest loss shown, and the loss on the simulations held out, by numpy."""
    _, theta, x = quick
    shown, settings = [], QUICK._replace(learning_rate=0.02, least_steps=600, weight_decay=0.0)
    q = neural.train(theta, x, PRIOR, 5, settings, lambda done, n, text: shown.append(text))
    losses = [float(text.split()[-1]) for text in shown]
    assert losses[q.report["best_epoch"][0] - 1] == min(losses)
    assert losses[-1] > min(losses) + 0.01  # it had begun to learn the simulations by heart
    held_out = np.random.default_rng([5, 0]).permutation(len(x))[:40]
    log_q = q.log_density(theta[held_out, None], x[held_out])[:, 0]
    z = neural.scores_of_parameters(theta[held_out], PRIOR)
    log_ratio = stats.norm.logpdf(z).sum(1) - PRIOR.log_density(theta[held_out])
    assert -(log_q + log_ratio).mean() == pytest.approx(min(losses), abs=2e-4)


def test_ensemble_is_the_mean_of_its_members(quick):
    """Oracle: the mean of the members' densities, and of their draws' means."""
    q, theta, x = quick
    each = [neural.Neural(PRIOR, q.scores, [weights], {}) for weights in q.members]
    densities = [np.exp(one.log_density(theta[None, :20], x[:1])) for one in each]
    together = np.exp(q.log_density(theta[None, :20], x[:1]))
    np.testing.assert_allclose(together, np.mean(densities, 0), rtol=1e-12)
    assert (densities[0] != densities[1]).all()
    means = [one.sample(x[:1], 20_000, 1)[0].mean(0) for one in each]
    error = q.sample(x[:1], 20_000, 2)[0].mean(0) - np.mean(means, 0)
    assert np.abs(error).max() < 0.06


def test_draws_of_an_observation_do_not_depend_on_later_ones(quick):
    q, _, x = quick
    of_four = q.sample(x[:4], 30, 1)
    np.testing.assert_allclose(q.sample(x[:1], 30, 1)[0], of_four[0], rtol=1e-9)


def test_far_observations_have_draws_and_densities(quick):
    q, theta, _ = quick
    far = np.array([[1e300, -1e300, 0.0], [-1e12, 0, 1e5]])
    samples = q.sample(far, 100, 1)
    assert PRIOR.contains(samples).all() and np.isfinite(samples).all()
    assert np.isfinite(q.log_density(samples, far)).all()
    furthest = neural.parameters_of_scores(np.array([[50.0, 50.0], [-50.0, -50.0]]), PRIOR)
    assert PRIOR.contains(furthest).all() and np.isfinite(furthest).all()


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda theta, x: (theta[:60], x[:60]), "expected at least 100, found 60"),
        (lambda theta, x: (theta, x[:-1]), r"expected theta \(n, 2\)"),
        (lambda theta, x: (theta[:, :1], x), r"expected theta \(n, 2\)"),
        (lambda theta, x: (theta, x * [1, 0, 1]), "summary 1: .* found 0 everywhere"),
        (lambda theta, x: (theta, np.where(x == x[3, 0], np.nan, x)), "x: .* in 1 rows"),
        (lambda theta, x: (np.where(theta == theta[3, 1], np.inf, theta), x), "theta: .* in 1"),
        (lambda theta, x: (theta - [5, 0], x), "within the prior, found"),
    ],
)
def test_bad_input_is_one_line(quick, spoil, words):
    _, theta, x = quick
    with pytest.raises(InputError, match=words) as error:
        neural.train(*spoil(theta, x), PRIOR, 0, QUICK)
    assert len(error.value.lines) == 1


def test_training_that_diverges_is_one_line(quick):
    _, theta, x = quick
    with pytest.raises(InputError, match="expected a finite loss, found none at learning rate"):
        neural.train(theta, x, PRIOR, 0, QUICK._replace(learning_rate=1e30))


def test_trains_where_jax_is_in_double_precision(quick, float64):
    q, theta, x = quick
    again = neural.train(theta, x, PRIOR, 2, QUICK)
    assert all(array.dtype == np.float32 for array in again.members[0].values())
    loss, before = again.report["held_out_loss"][0], q.report["held_out_loss"][0]
    assert loss == pytest.approx(before, abs=0.01)


def test_summaries_of_another_number_are_refused(quick):
    q, theta, x = quick
    with pytest.raises(InputError, match="expected 3 summaries, found shape"):
        q.sample(x[:, :2], 5, 0)
    with pytest.raises(InputError, match="expected finite summaries"):
        q.log_density(theta[None, :5], x[:1] * np.nan)
