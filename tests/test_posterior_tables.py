"""Tables of posteriors, what is doubtful about them, and what the report says first."""

from types import SimpleNamespace

import numpy as np
import pytest
from imnn_core.config.posterior import n_accepted
from imnn_core.inference import diagnostics, methods, page, results, tables
from imnn_core.inference.summaries import Set, Summaries
from imnn_core.problems.prior import prior_of
from imnn_core.store.errors import InputError
from refine import cut_prior
from tabulate_posterior import all_doubts, of_calibration, of_posterior

NOISE, N = 0.5, 1000
PRIOR = prior_of(["a"], {"a": {"normal": [0, 1]}})
VARIANCE = 1 / (1 + NOISE**-2)  # of the posterior of a number with noise, given N(0, 1)


def calibration(rng, wider=1.0):
    """Posteriors of N numbers by draws, ``wider`` than the exact ones, which are beside them."""
    theta = rng.standard_normal((N, 1))
    x = theta + NOISE * rng.standard_normal((N, 1))
    mean, sd = VARIANCE * x / NOISE**2, np.full((N, 1), np.sqrt(VARIANCE))
    draws = mean[:, None] + wider * sd[:, None] * rng.standard_normal((N, 2000, 1))
    each = diagnostics.of_each(theta, draws, None, PRIOR, rng.random((N, 1)), rng)

    def log_normal(y, mean, sd):
        return (-0.5 * ((y - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi))[:, 0]

    exact = results.Exact(
        mean,
        sd,
        log_normal(x, 0, np.sqrt(1 + NOISE**2)),
        log_normal(x, theta, NOISE),
        np.ones(N, bool),
        np.arange(N),
    )
    log_q = log_normal(theta, mean, wider * sd)
    about = {"fit": "f", "seed": 1, "method": "m", "names": ["a"], "symbols": ["a"]}
    return results.Calibration(each, log_q, PRIOR.log_density(theta), theta, exact, about)


def test_a_right_method_in_the_table(rng):
    """Oracle: closed forms: -1/2 ln of the posterior's variance nats over a prior of variance 1."""
    (row,) = of_calibration(calibration(rng))
    assert row["n"] == N
    assert row["rank_p"] > 0.01
    assert row["tarp_p"] > 0.01
    assert row["coverage_90_low"] < 0.9 < row["coverage_90_high"]
    assert abs(row["nats"] + 0.5 * np.log(VARIANCE)) < 4 * row["nats_error"]
    assert row["nats_lost"] == pytest.approx(0, abs=1e-12)
    for key in ("width_over_exact_5", "width_over_exact_50", "width_over_exact_95"):
        assert row[key] == pytest.approx(1, abs=0.05)
    assert row["mean_off_exact"] < 0.05


def test_a_method_twice_too_wide_in_the_table(rng):
    """Oracle: closed forms; ln 2 - (1 - 1/4) / 2 nats are lost, 2 Phi(3.29) - 1 are covered."""
    (row,) = of_calibration(calibration(rng, wider=2.0))
    assert row["rank_p"] < 1e-6
    assert row["coverage_90"] == pytest.approx(0.999, abs=0.004)
    assert abs(row["nats_lost"] - (np.log(2) - 0.375)) < 4 * row["nats_lost_error"]
    assert row["width_over_exact_50"] == pytest.approx(2, abs=0.05)


def posterior(mean, sd=1.0, seed=1, method="m", told=(), fit="f"):
    """Normal samples with these moments exactly."""
    z = np.random.default_rng(3).standard_normal(500)
    z = (z - z.mean()) / z.std()
    about = {
        "fit": fit,
        "seed": seed,
        "method": method,
        "doubts": [list(told)],
        "facts": {"epsilon": [0.5]},
        "n_simulations": 10,
        "seconds": 1.0,
    }
    theta = (mean + sd * z)[None, :, None]
    return results.Posterior(theta, np.ones((1, 500)), {}, PRIOR, about)


NO_EXACT = (None, None, None)


def test_a_row_of_a_posterior():
    """Oracle: the moments that the samples were given, and their quantiles by numpy."""
    found = posterior(2.0, 0.3)
    exact = results.Exact(*(np.full((1, 1), x) for x in (1.9, 0.2)), *[np.zeros(1)] * 4)
    (row,) = of_posterior(found, (exact, None, None))
    expected = {"mean": 2.0, "sd": 0.3, "mean_exact": 1.9, "sd_exact": 0.2, "effective": 500}
    for key, value in (expected | {"epsilon": 0.5, "n_simulations": 10}).items():
        assert row[key] == pytest.approx(value)
    low, high = np.quantile(found.theta[0, :, 0], [0.1587, 0.8413], method="hazen")
    assert (row["q16"], row["q84"]) == pytest.approx((low, high))


def test_doubts_are_told_once_and_seeds_and_methods_are_compared():
    """Oracle: by construction: means 0.6 sigma apart, and widths by 1.5."""
    told = ["the fit is not to be trusted: x"]
    found = [
        posterior(1.0, method="one", told=told),
        posterior(1.0, 1.5, method="two", told=told),
        posterior(1.6, seed=2, method="one"),
        posterior(1.6, seed=2, method="two"),
    ]
    what = [each["what"] for each in all_doubts(found, {1: NO_EXACT, 2: NO_EXACT})]
    assert what == [
        "one: the fit is not to be trusted: x",
        "one and two disagree, most in a: 1 ± 1 and 1 ± 1.5",
        "one: seed 1 and seed 2 disagree, most in a: 1 ± 1 and 1.6 ± 1",
        "two: seed 1 and seed 2 disagree, most in a: 1 ± 1.5 and 1.6 ± 1",
    ]
    exact = results.Exact(*(np.full((1, 1), x) for x in (1.0, 1.0)), *[np.zeros(1)] * 4)
    found = all_doubts([posterior(1.0), posterior(1.4, seed=2)], dict.fromkeys((1, 2), (exact,)))
    (each,) = found
    assert each["what"] == "m is off the exact posterior, most in a: 1.4 ± 1, exactly 1 ± 1"
    assert each["seed"] == 2


def rows_of(mean, method, fit="f", **more):
    row = {"fit": fit, "seed": 1, "method": method, "parameter": "a", "observation": 0}
    return [row | {"mean": mean, "sd": 0.1} | more]


def row_of(method, p, fit="f"):
    return [{"fit": fit, "seed": 1, "method": method, "rank_p": p, "tarp_p": 0.5}]


@pytest.mark.parametrize(
    ("calibration", "expected"),
    [
        (row_of("neural", 0.5) + row_of("gaussian", 0.5), "a = 1.00 ± 0.10"),
        (row_of("neural", 1e-4) + row_of("gaussian", 0.5), "a = 2.00 ± 0.10"),
        (row_of("neural", 1e-4) + row_of("gaussian", 1e-9), "; not calibrated"),
        ([], "by f and neural, one seed; its calibration was not tested"),
    ],
)
def test_the_first_sentence_takes_a_method_that_passed(calibration, expected):
    """Oracle: by hand: the preferred method, unless it failed and another did not."""
    rows = rows_of(1.0, "neural") + rows_of(2.0, "gaussian")
    found = page.sentence(rows, calibration, ["f"], ["a"], ["a"], is_observed=True)
    assert expected in found
    assert "test simulation" not in found


def test_the_first_sentence_says_what_it_is_of():
    rows = rows_of(1.0, "neural") + rows_of(9.0, "neural", observation=1)
    how = (row_of("neural", 0.5), ["f"], ["a"], ["a"])
    assert "a test simulation" in page.sentence(rows[:1], *how, is_observed=False)
    found = page.sentence(rows, *how, is_observed=True, doubt="steps are too wide")
    assert "a = 1.00 ± 0.10" in found
    assert "of the first of 2 observations" in found
    assert found.endswith("not to be trusted: steps are too wide")
    found = page.sentence(rows, *how, is_observed=True, peaks=frozenset([("f", "neural")]))
    assert "more than one peak" in found


def test_intervals_have_digits_of_their_width():
    """Parameters far from 0, and near it; oracle: by hand."""
    row = rows_of(2450000.5031, "m", q16=2450000.5011, q84=2450000.5051, mean_exact=np.nan)[0]
    row |= {"sd": 0.002, "sd_exact": np.nan, "n_simulations": 0, "seconds": 1.0}
    table = tables.of_posteriors([row], {"a": "a"})
    cells = dict(zip(table.columns, table.rows[0], strict=True))
    assert cells["mean ± σ"][0] == "(2.4500005031 ± 0.0000000020) × 10⁶"
    assert cells["68 % interval"][0] == "2.4500005011 × 10⁶ to 2.4500005051 × 10⁶"


def test_a_box_holds_all_but_the_tails_of_every_posterior(tmp_path):
    """Oracle: numpy's quantiles, a fifth of the width beyond them; the prior's bounds stay."""
    prior, paths = prior_of(["a"], {"a": {"uniform": [0, 10]}}), []
    rng = np.random.default_rng(1)
    draws = [rng.normal(mean, 0.5, 20_000) for mean in (4.0, 5.0)]
    for i, x in enumerate(draws):
        paths.append(tmp_path / f"{i}.h5")
        samples = SimpleNamespace(theta=x[None, :, None], weights=np.ones((1, len(x))))
        results.write_posterior(paths[-1], prior, samples, {}, {})
    cut_prior(paths, tmp_path / "prior.json")
    low = np.quantile(draws[0], 1e-4, method="hazen")
    high = np.quantile(draws[1], 1 - 1e-4, method="hazen")
    margin = 0.2 * (high - low)
    from imnn_core.problems.prior import of_run

    found = of_run(["a"], None, tmp_path / "prior.json")
    np.testing.assert_allclose(found.bounds, [[low - margin, high + margin]], rtol=1e-6)
    cut_prior(paths[:1], tmp_path / "prior.json")
    assert of_run(["a"], None, tmp_path / "prior.json").bounds[0, 0] >= 0


@pytest.mark.parametrize(("n", "kept"), [(10**6, 1000), (10**5, 200), (1500, 150), (100, 10)])
def test_how_many_rejection_keeps(n, kept):
    assert n_accepted(n) == kept


def test_rejection_that_would_keep_the_prior_is_refused(rng):
    theta = PRIOR.draw(rng, 90)
    simulated = Set(theta, theta, theta, np.arange(90))
    found = Summaries(PRIOR, simulated, simulated, simulated, {"covariance": [[1.0]]})
    task = methods.Task(found, {"rejection": {"n_accepted": 10}}, (1,))
    with pytest.raises(InputError, match="expected at least 10 times as many simulations"):
        methods.of_rejection(task, {}, simulated.rows(slice(0, 1)), (1,))
    enough = methods.Task(found, {"rejection": {"n_accepted": 9}}, (1,))
    assert methods.of_rejection(enough, {}, simulated, (1,)).theta.shape == (90, 9, 1)
