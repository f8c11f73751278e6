"""What the report and the figures make of numbers and names."""

import re

import numpy as np
import pandas as pd
import pytest
from imnn_core import caveats, plots
from imnn_core.results import of_seeds, on_test, share, with_error
from report import digits, read_table


def test_fits_may_be_named_like_numbers(tmp_path):
    (tmp_path / "summary.csv").write_text("fit,det_F,det_F_error\n1.10,1,\n1.1,2,\nNA,3,0.5\n")
    table = read_table(tmp_path / "summary.csv")
    assert list(table["fit"]) == ["1.10", "1.1", "NA"]
    assert list(table["det_F_error"].isna()) == [True, True, False]


def test_the_kept_iteration_lies_within_the_figure():
    """The final weights are those after the last row of the history."""
    columns = ("det_F", "det_C", "det_invC", "penalty", "coupling")
    history = {"iteration": np.arange(10)} | {f"training_{name}": np.ones(10) for name in columns}
    figure = plots.history_figure(history, ["training"], analytic=None, kept_iteration=10, title="")
    assert figure.axes[2].get_xlim() == (0, 10)


def test_numbers_of_the_report():
    """Oracle: by hand."""
    found = [digits(value) for value in (39.9, 50.0, 1.0e6, 1.0e7, None, float("nan"), 7)]
    assert found == ["39.90", "50.00", "1000000", "1.000e+07", "–", "–", "7"]
    assert with_error(49.9164, 0.1387) == "49.92 ± 0.14"
    assert with_error(-0.001035, 0.0099) == "−0.0010 ± 0.0099"
    assert with_error(123456.7, 4321.0) == "123457 ± 4321"
    assert with_error(10.0, 0.0) == "10"
    assert with_error(1.0, 3e-16) == "1"
    assert with_error(-3e-14, 2e-13) == "0"
    assert with_error(12.345, float("nan")) == "12.3"
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
    assert str(share(seeds)) == "– %"
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


def test_an_overfitted_fit_is_called_that():
    """Oracle: by hand: 0.9 of the score's on training, 0.7 on test; 0.1 apart is the limit."""
    columns = {
        "fit": "a", "seed": 1, "iterations": 9, "kept_iteration": 5, "stopped": "patience", "det_C": 1.0,
        "ratio_to_analytic": 0.7, "det_F": 35.0, "det_F_error": 0.3,
    }  # fmt: skip

    def found(training):
        rows = [columns | {"split": "training", "ratio_to_score": training}, columns | {"split": "test", "ratio_to_score": 0.7}]
        return [what for what, _ in caveats.of_fits(pd.DataFrame(rows)) if "overfitted" in what]

    assert found(0.9) == [
        "a, seed 1 is overfitted: it keeps 90 % of the score's |F| on its training set, 70 % on the test set."
    ]
    assert found(0.79) == []


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
    assert len(caveats.faults_of_differences(found, ["a", "b"])) == n_lines
    noisy = {"independence": independence, "step": {"n": 9, "change": change, "error": 0.2, "error_det_F": 0.05}}
    assert len(caveats.faults_of_differences(noisy, ["a", "b"])) == sum(value > 0.5 for value in independence)
    assert caveats.faults_of_differences(None, ["a", "b"]) == []
