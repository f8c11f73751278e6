"""What the report and the figures make of numbers and names."""

import re

import numpy as np
import pytest
from imnn_core import caveats, limits, tables
from imnn_core.errors import InputError
from imnn_core.results import Share, compact, of_seeds, on_test, share, with_error
from report import breakable, by_remedy, caption, from_rst, headline, in_text, refinements_after


def test_numbers_of_the_report():
    """Oracle: by hand."""
    found = [tables.number(value)[0] for value in (39.9, 50.0, 1.0e6, 1.0e7, None, float("nan"), 7)]
    assert found == ["39.90", "50.00", "1 × 10⁶", "1 × 10⁷", "–", "–", "7"]
    assert with_error(49.9164, 0.1387) == "49.92 ± 0.14"
    assert with_error(-0.001035, 0.0099) == "−0.0010 ± 0.0099"
    assert with_error(123456.7, 4321.0) == "123457 ± 4321"
    assert with_error(10.0, 0.0) == "10"
    assert with_error(1.0, 3e-16) == "1"
    assert with_error(-3e-14, 2e-13) == "0"
    assert with_error(12.345, float("nan")) == "12.3"
    assert with_error(2.232e26, 0.286e26) == "(2.23 ± 0.29) × 10²⁶"
    assert with_error(-2.39986e-9, 1.44e-10) == "(−2.40 ± 0.14) × 10⁻⁹"
    assert with_error(0.00010, 0.00003) == "(1.00 ± 0.30) × 10⁻⁴"
    assert (compact(65127.4), compact(-1.5e-7), compact(0.0)) == ("65127", "−1.5 × 10⁻⁷", "0")
    assert with_error(float("nan"), 1.0) == "–"


def test_few_seeds_that_are_alike_do_not_hide_the_error_of_one():
    """Oracle: by hand: mean 2, standard deviation 1, or the mean error where that is larger."""
    assert of_seeds(np.array([1.0, 2.0, 3.0]), np.full(3, 0.5)) == (2, 1)
    assert of_seeds(np.array([1.0, 2.0, 3.0]), np.full(3, 1.5)) == (2, 1.5)
    assert of_seeds(np.array([2.0]), np.array([0.5])) == (2, 0.5)


def test_what_could_not_be_computed_is_no_number_and_does_not_change_what_a_fit_is_compared_with():
    """Oracle: by hand: a null is NaN, a dash in words; the score is there, so that nothing else is taken."""
    ratio = {"det_F": {"value": 0.5, "error": 0.1}}
    null = {"det_F": {"value": None, "error": None}}
    network = {"det_F": {"value": 25.0, "error": 5.0}}
    seeds = [{"det_F_analytic": 50.0, "splits": {"test": {"network": network, "over_score": each}}} for each in (ratio, null)]
    assert share(seeds[:1]) == ("the score", 0.5, 0.1, 0.1)
    assert share(seeds).whose == "the score"
    assert str(share(seeds)) == "–"
    for linear, of_it, expected in (
        ((20.0, 5.0), ratio, ("a linear compression", "0.50 ± 0.10 ×")),
        ((20.0, 11.0), ratio, ("nothing", "–")),  # less than twice its error
        ((None, None), null, ("nothing", "–")),
    ):
        floor = {"det_F": dict(zip(("value", "error"), linear, strict=True))}
        test = {"network": network, "linear": floor, "over_linear": of_it}
        found = share([{"det_F_analytic": None, "splits": {"test": test}}])
        assert (found.whose, str(found)) == expected
    assert on_test(seeds, "over_linear", "det_F", "value") is None


def without_score(trained=35.0, over_linear=1.4):
    """What `evaluate` writes where there is no likelihood."""
    found = fit_of()
    for split, value in found["splits"].items():
        del value["over_score"]
        value["network"] = {"det_F": {"value": trained if split == "training" else 35.0, "error": 0.3}, "det_C": {"value": 1.0}}
    test = found["splits"]["test"]
    test |= {
        "linear": {"det_F": {"value": 25.0, "error": 1.0}},
        "over_linear": {"det_F": {"value": over_linear, "error": 0.05}},
    }
    return found


def fit_of(shares=(0.75, 0.7, 0.7), det_F=(35.0, 0.3), n_s=1000, **changes):
    """What `evaluate` writes of one fit, as far as warnings look at it; shares of training, validation and test."""
    splits = {
        split: {"n_s": n_s, "over_score": {"det_F": {"value": value, "error": 0.02}}}
        for split, value in zip(("training", "validation", "test"), shares, strict=False)
    }
    splits["test"]["network"] = {"det_F": dict(zip(("value", "error"), det_F, strict=True)), "det_C": {"value": 1.0}}
    return {
        "fit": "a", "seed": 1, "iterations": 9, "kept_iteration": 5, "stopped": "patience", "weights": "best",
        "det_F_analytic": 50.0,
        "splits": splits,
    } | changes  # fmt: skip


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (fit_of(), []),
        (fit_of(shares=(0.9, 0.7, 0.7)), ["is overfitted: it keeps 90 % of the score's |F| on its training set, 70 % on the"]),
        (fit_of(shares=(0.79, 0.7, 0.7)), []),  # 0.1 apart is the limit
        (fit_of(shares=(0.9, 1.07, 0.9)), [": |F| of the validation set is 107 % of the score's, above the ceiling"]),
        (fit_of(shares=(0.9, 1.05, 0.9)), []),  # three errors are the limit
        (fit_of(shares=(0.9, 0.9, 1.07)), [": |F| of the test set is 107 % of the score's, above the ceiling"]),
        (fit_of(stopped="max_iterations"), [" stopped at max_iterations"]),
        (fit_of(kept_iteration=0), [": the weights kept are the initial ones"]),
        (fit_of(det_F=(24.0, 0.3)), [" keeps only 48 % of the analytic |F|"]),
        (fit_of(det_F=(35.0, 3.6)), [": |F| of the test set is known to 10 % only"]),
        (fit_of(det_F=(None, None)), [": |F| of the test set is not finite"]),
        (without_score(), []),
        (without_score(trained=38.0), []),  # less than a tenth more
        (without_score(trained=40.0), ["is overfitted: |F| = 40.00 ± 0.30 on its training set, 35.00 ± 0.30 on the test set"]),
        (without_score(over_linear=0.84), ["keeps less than a linear compression: 0.840 ± 0.050 of its |F|"]),
        (without_score(over_linear=0.86), []),  # three errors
        (fit_of(n_s=80), []),  # 79/76 is 3.9 % too much, 5 % the limit
        (
            fit_of(n_s=60, weights="final"),
            ["a: the training set has 60 simulations, few for 2 summaries"],
        ),  # 59/56 is 5.4 % too much
    ],
)
def test_what_a_reader_is_warned_of(found, expected):
    """Oracle: by hand."""
    warnings = [what for what, _ in caveats.of_fits({"a": [found]}, {"a": {"n_summaries": 2}})]
    assert len(warnings) == len(expected)
    for warning, words in zip(warnings, expected, strict=True):
        assert words in warning


def test_more_simulations_are_asked_for_where_they_come_from():
    """Oracle: by hand."""
    found, recipes = {"a": [fit_of(det_F=(35.0, 3.6), n_s=60)]}, {"a": {"n_summaries": 2}}
    assert [remedy.split(".")[0] for _, remedy in caveats.of_fits(found, recipes)] == ["Raise n_test", "Raise n_s"]
    remedies = [remedy.split(".")[0] for _, remedy in caveats.of_fits(found, recipes, has_files=True)]
    assert remedies == ["Get more test simulations", "Get more training simulations"]


def test_a_fit_without_a_validation_set_is_called_optimistic():
    without = fit_of()
    del without["splits"]["validation"]
    ((what, _),) = caveats.of_fits({"a": [without]}, {"a": {"n_summaries": 2}})
    assert what.startswith("a had no validation set")


def test_the_result_in_one_sentence():
    """Oracle: written by hand; the best first, as it is compared."""
    shares = {"mlp": Share("the score", 0.737, 0.048, 0.004), "deep_set": Share("the score", 0.9966, 0.0021, 0.001)}
    det_F = {"mlp": "36.6 ± 2.7", "deep_set": "49.5 ± 0.5"}
    expected = "deep_set kept 99.66 ± 0.21 % of the Fisher information, mlp 73.7 ± 4.8 %; three seeds, 1000 simulations each"
    assert headline(shares, det_F, 3, "1000 simulations each") == expected
    one = {"mlp": Share("a linear compression", 1.4, 0.1, 0.1)}
    assert headline(one, det_F, 1, "9 simulations each") == (
        "mlp has 1.40 ± 0.10 × the |F| of a linear compression; one seed, 9 simulations each"
    )
    nothing = {"mlp": Share("nothing", float("nan"), 0.1, 0.1)}
    assert headline(nothing, det_F, 13, "9 simulations each") == (
        "mlp has |F| = 36.6 ± 2.7, and of a linear compression |F| is not known to differ from 0; 13 seeds, 9 simulations each"
    )


def test_captions_and_symbols(tmp_path):
    """Oracle: by hand."""
    (tmp_path / "a.rst").write_text("**{{ snakemake.wildcards.fit }}** of {{ snakemake.config['n'] }}: :math:`\\mu`")
    text = caption("a", tmp_path, {"n": 7}, fit="mlp")
    assert text.startswith("<p><strong>mlp</strong> of 7: <math") and "<mi>μ</mi>" in text
    (tmp_path / "b.rst").write_text("|F| is a substitution there")
    with pytest.raises(InputError, match=r"b.rst: expected reStructuredText, found: .*substitution"):
        caption("b", tmp_path, {})
    (tmp_path / "c.rst").write_text("{{ snakemake.config['missing'] }}")
    with pytest.raises(InputError, match=r"c.rst: expected a caption of Snakemake's report, found: .*missing"):
        caption("c", tmp_path, {})
    (tmp_path / "d.rst").write_text("{{ 1 / 0 }}")
    with pytest.raises(InputError, match=r"d.rst: expected a caption of Snakemake's report, found: division by zero$"):
        caption("d", tmp_path, {})
    assert "raw" in str(pytest.raises(InputError, from_rst, ".. raw:: html\n\n   <script>").value)
    for symbol, shown in {
        r"$\mu$": "μ",
        r"$\Sigma$": "Σ",
        "$A$": "A",
        r"$\Omega_m$": "Ω<sub>m</sub>",
        "mu": "name",
        r"$\no{$": "name",
    }.items():
        assert in_text(symbol, "name") == shown
    assert in_text(r"$\theta_{fid}$", "name") == "θ<sub>fid</sub>"
    assert in_text("$a + b$", "name") == "name"
    assert breakable("deep_set <1.5> −0.1") == "deep_<wbr>set &lt;1.5&gt; −0.1"


def test_many_warnings_of_a_kind_are_counted():
    """Oracle: by hand."""
    found = [(f"fit {i}", "do this") for i in range(8)] + [("one", "do that")]
    assert by_remedy(found) == {
        "do this": ["fit 0", "fit 1", "fit 2", "fit 3", "fit 4", "… and 3 more of the kind."],
        "do that": ["one"],
    }


def test_the_repetitions_that_follow_a_run():
    """Oracle: by hand: folders from that of the report."""
    assert refinements_after("a", {"refine": 2}) == ["refined-1", "refined-2"]
    assert refinements_after("a/refined-1", {"refine": 2}) == ["../refined-2"]
    assert refinements_after("a/refined-2", {"refine": 2}) == []


def test_the_times_of_the_rules(tmp_path):
    """Oracle: by hand: sums, medians and maxima by rule; what was in the config before is left out."""
    head = "s\th:m:s\tmax_rss\n"
    for path, line in {
        "fit/a/seed-1": "3.0\t0:00:03\t100.0",
        "fit/a/seed-2": "5.0\t0:00:05\tNA",
        "fit/a/seed-3": "13.0\t0:00:13\t50.0",
        "fit/b/seed-1": "7.0\t0:00:07\t700.0",
        "summarise": "0.5\t0:00:00\t9.0",
        "report": "9.0\t0:00:00\t9.0",
        "evaluate/a/seed-1": "4",  # cut off
        "evaluate/a/seed-2": "-\t-",
        "simulate/seed-1/test": "1.0\t0:00:00\t20.0",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{path}.tsv").write_text(f"{head}{line}\n")
    table = tables.times(tmp_path, {"a", "seed-1", "seed-2", "seed-3", "test"})
    assert [[shown for shown, _ in row] for row in table.rows] == [
        ["fit", "3", "21.0", "5.00", "13.0", "100"],
        ["evaluate", "1", "4.00", "4.00", "4.00", "–"],
        ["simulate", "1", "1.00", "1.00", "1.00", "20.0"],
        ["summarise", "1", "0.500", "0.500", "0.500", "9.00"],
    ]
    assert tables.times(tmp_path / "nowhere", set()).rows == []


def fits(det_F=50.0, error=0.5, exact=True):
    test = {"score": {"det_F": {"value": det_F, "error": error}}}
    return [{"splits": {"test": test}, "finite_differences": None if exact else {"independence": [0.0]}}]


def analytic(F=((10.0, 0.0), (0.0, 5.0)), curvature=((10.0, 0.0), (0.0, 5.01)), score=(0.01, -0.02)):
    return {
        "F": F and [list(row) for row in F],
        "det_F": F and float(np.linalg.det(F)),
        "monte_carlo": {
            "F": curvature,
            "F_error": [[0.0, 0.03], [0.03, 0.01]],
            "det_F": float(np.linalg.det(curvature)),
            "score": score,
            "score_error": [0.03, 0.02],
        },
    }


@pytest.mark.parametrize(
    ("known", "found", "caveat"),
    [
        (analytic(), fits(), None),
        (
            analytic(F=((10.0, 0.0), (0.0, 15.0))),
            fits(150.0),
            r"fisher says F = \[\[10.0, 0.0\], \[0.0, 15.0\]\], the curvature",
        ),
        (analytic(F=None, curvature=((-10.0, 0.0), (0.0, 5.0))), fits(-50.0), "the curvature .*, not positive definite"),
        (analytic(score=(0.01, 0.2)), fits(), r"the score .* has the mean 0.01 ± 0.03, 0.2 ± 0.02 over simulations, where it"),
        (analytic(), fits(55.0), r"\|F\| of the score on test simulations is 55 ± 0.5, by fisher 50"),
        (
            analytic(F=None),
            fits(55.0),
            r"\|F\| of the score on test simulations is 55 ± 0.5, by the curvature of log_likelihood 50",
        ),
        (analytic(), fits(55.0, exact=False), None),
        (analytic(), fits(None, None), None),
        ({"F": None, "det_F": None, "monte_carlo": None}, [{"splits": {"test": {}}, "finite_differences": None}], None),
    ],
)
def test_a_likelihood_that_contradicts_the_simulator_is_said(known, found, caveat):
    """Oracle: by hand: five standard errors."""
    lines = [what for what, _ in caveats.of_problem(known, found)]
    if caveat is None:
        assert lines == []
    else:
        (line,) = lines
        assert re.match(caveat, line, flags=re.IGNORECASE)


def test_an_estimate_far_from_theta_fid_is_said():
    """Oracle: by hand: 0.9 / 0.15 = 6 bounds."""
    found = {"fit": "a", "seed": 1, "theta_fid": [0.0, 1.0], "error": [0.1, 0.15], "estimates": [[0.1, 1.1], [0.2, 1.9]]}
    ((what, remedy),) = caveats.of_estimates([found], is_refined=False)
    assert what.startswith("a, seed 1: the estimate of the observed data is 6 bounds from theta_fid")
    assert "Set refine" in remedy
    assert not list(caveats.of_estimates([found | {"estimates": [[0.1, 1.1]]}], is_refined=False))


@pytest.mark.parametrize(
    ("independence", "change", "n_lines"),
    [([0.1, 0.2], 0.01, 0), ([0.1, 0.6], 0.01, 1), ([0.1, 0.2], -0.09, 1), ([1, 1], 0.2, 3)],
)
def test_what_is_said_of_finite_differences(independence, change, n_lines):
    """Oracle: by hand: half of the variance of independent draws; a change of more than the error of |F| and twice its own."""
    found = {"independence": independence, "step": {"n": 9, "change": change, "error": 0.01, "error_det_F": 0.05}}
    assert len(limits.faults_of_differences(found, ["a", "b"])) == n_lines
    noisy = {"independence": independence, "step": {"n": 9, "change": change, "error": 0.2, "error_det_F": 0.05}}
    assert len(limits.faults_of_differences(noisy, ["a", "b"])) == sum(value > 0.5 for value in independence)
    assert limits.faults_of_differences(None, ["a", "b"]) == []
