"""What a reader of the report is warned of, and what to do about it."""

import re

import numpy as np
import pytest
from imnn_core.evaluation import contradictions, warnings


def fit_of(shares=(0.75, 0.7, 0.7), det_F=(35.0, 0.3), n_s=1000, **changes):
    """What `evaluate` writes of one fit, as far as warnings look at it; shares of training,
    validation and test.
    """
    splits = {
        split: {"n_s": n_s, "over_score": {"det_F": {"value": value, "error": 0.02}}}
        for split, value in zip(("training", "validation", "test"), shares, strict=False)
    }
    splits["test"]["network"] = {
        "det_F": dict(zip(("value", "error"), det_F, strict=True)),
        "det_C": {"value": 1.0},
    }
    return {
        "fit": "a",
        "seed": 1,
        "iterations": 9,
        "kept_iteration": 5,
        "stopped": "patience",
        "weights": "best",
        "det_F_analytic": 50.0,
        "n_summaries": 2,
        "finite_differences": None,
        "splits": splits,
    } | changes


def without_score(trained=35.0, over_linear=1.4):
    """What `evaluate` writes where there is no likelihood."""
    found = fit_of()
    for split, value in found["splits"].items():
        del value["over_score"]
        value["network"] = {
            "det_F": {"value": trained if split == "training" else 35.0, "error": 0.3},
            "det_C": {"value": 1.0},
        }
    test = found["splits"]["test"]
    test |= {
        "linear": {"det_F": {"value": 25.0, "error": 1.0}},
        "over_linear": {"det_F": {"value": over_linear, "error": 0.05}},
    }
    return found


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (fit_of(), []),
        (
            fit_of(shares=(0.9, 0.7, 0.7)),
            ["is overfitted: it keeps 90 % of the score's |F| on its training set, 70 % on the"],
        ),
        (fit_of(shares=(0.79, 0.7, 0.7)), []),  # 0.1 apart is the limit
        (
            fit_of(shares=(0.9, 1.07, 0.9)),
            [": |F| of the validation set is 107 % of the score's, above the ceiling"],
        ),
        (fit_of(shares=(0.9, 1.05, 0.9)), []),  # three errors are the limit
        (
            fit_of(shares=(0.9, 0.9, 1.07)),
            [": |F| of the test set is 107 % of the score's, above the ceiling"],
        ),
        (fit_of(stopped="max_iterations"), [" stopped at max_iterations"]),
        (fit_of(kept_iteration=0), [": the weights kept are the initial ones"]),
        (fit_of(det_F=(24.0, 0.3)), [" keeps only 48 % of the analytic |F|"]),
        (fit_of(det_F=(35.0, 3.6)), [": |F| of the test set is known to 10 % only"]),
        (fit_of(det_F=(None, None)), [": |F| of the test set is not finite"]),
        (without_score(), []),
        (without_score(trained=38.0), []),  # less than a tenth more
        (
            without_score(trained=40.0),
            ["is overfitted: |F| = 40.00 ± 0.30 on its training set, 35.00 ± 0.30 on the test set"],
        ),
        (
            without_score(over_linear=0.84),
            ["keeps less than a linear compression: 0.840 ± 0.050 of its |F|"],
        ),
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
    said = [what for what, _ in warnings.of_fits({"a": [found]})]
    assert len(said) == len(expected)
    for warning, words in zip(said, expected, strict=True):
        assert words in warning


def test_more_simulations_are_asked_for_where_they_come_from():
    """Oracle: by hand."""
    found = {"a": [fit_of(det_F=(35.0, 3.6), n_s=60)]}
    assert [remedy.split(".")[0] for _, remedy in warnings.of_fits(found)] == [
        "Raise n_test",
        "Raise n_s",
    ]
    remedies = [remedy.split(".")[0] for _, remedy in warnings.of_fits(found, has_files=True)]
    assert remedies == ["Get more test simulations", "Get more training simulations"]


@pytest.mark.parametrize(
    ("over_linear", "det_F", "n_d", "words"),
    [
        ([0.3, 0.3, 0.3], 0.5, 400, "keeps 0.300 ± 0.020 of a linear compression's |F|. The rows"),
        ([0.9, 0.3, 0.3], 0.5, 400, None),  # it is overfitted
        ([0.45, 0.45, 0.45], 0.5, 400, None),  # three errors
        (
            [1.0, 1.0, 1.0],
            0.19,
            400,
            "|F| is 0.19 ± 0.10 on the test set, which may be 0. The rows",
        ),
        ([1.0, 1.0, 1.0], 0.21, 400, None),
        ([1.0, 1.0, 1.0], 0.19, 49, None),  # few derivatives
    ],
)
@pytest.mark.parametrize("has_files", [True, False])
@pytest.mark.parametrize("differences", [None, {}])
def test_derivatives_of_other_rows_are_named_before_anything_else(
    over_linear, det_F, n_d, words, has_files, differences
):
    """Oracle: by hand. They are a user's own if they come from files and are no differences."""
    found = fit_of(det_F=(det_F, 0.1), stopped="max_iterations", finite_differences=differences)
    for each, value in zip(found["splits"].values(), over_linear, strict=True):
        each["over_linear"] = {"det_F": {"value": value, "error": 0.02}}
        each["linear"] = {"det_F": {"value": 1.0, "error": 0.1}}
    found["splits"]["test"]["n_d"] = n_d
    said = [what for what, _ in warnings.of_fits({"a": [found]}, has_files)]
    named = [what for what in said if "The rows of derivative may not be" in what]
    if words is None or differences is not None or not has_files:
        assert named == []
    else:
        assert named == said[:1]
        assert words in said[0]


def test_a_fit_without_a_validation_set_is_called_optimistic():
    without = fit_of()
    del without["splits"]["validation"]
    ((what, _),) = warnings.of_fits({"a": [without]})
    assert what.startswith("a had no validation set")


def fits(det_F=50.0, error=0.5, exact=True):
    test = {"score": {"det_F": {"value": det_F, "error": error}}}
    return [
        {"splits": {"test": test}, "finite_differences": None if exact else {"independence": [0.0]}}
    ]


def analytic(
    F=((10.0, 0.0), (0.0, 5.0)), curvature=((10.0, 0.0), (0.0, 5.01)), score=(0.01, -0.02)
):
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


def noisy(known):
    """The curvature of fewer simulations, with a larger error."""
    return known | {"monte_carlo": known["monte_carlo"] | {"det_F_error": 2.0}}


@pytest.mark.parametrize(
    ("known", "found", "caveat"),
    [
        (analytic(), fits(), None),
        (
            analytic(F=((10.0, 0.0), (0.0, 15.0))),
            fits(150.0),
            r"fisher says F = \[\[10.0, 0.0\], \[0.0, 15.0\]\], the curvature",
        ),
        (
            analytic(F=None, curvature=((-10.0, 0.0), (0.0, 5.0))),
            fits(-50.0),
            "the curvature .*, not positive definite",
        ),
        (
            analytic(score=(0.01, 0.2)),
            fits(),
            r"the score .* has the mean 0.01 ± 0.03, 0.2 ± 0.02 over simulations, where it",
        ),
        (
            analytic(),
            fits(55.0),
            r"\|F\| of the score on test simulations is 55 ± 0.5, by fisher 50",
        ),
        (
            analytic(F=None),
            fits(55.0),
            r"\|F\| of the score on test simulations is 55 ± 0.5, by the curvature of log_likelihood 50",
        ),
        (noisy(analytic(F=None)), fits(55.0), None),
        (analytic(), fits(55.0, exact=False), None),
        (analytic(), fits(None, None), None),
        (
            {"F": None, "det_F": None, "monte_carlo": None},
            [{"splits": {"test": {}}, "finite_differences": None}],
            None,
        ),
    ],
)
def test_a_likelihood_that_contradicts_the_simulator_is_said(known, found, caveat):
    """Oracle: by hand: five standard errors."""
    lines = [what for what, _ in contradictions.of_problem(known, found)]
    if caveat is None:
        assert lines == []
    else:
        (line,) = lines
        assert re.match(caveat, line, flags=re.IGNORECASE)


def test_an_estimate_far_from_theta_fid_is_said():
    """Oracle: by hand: 0.9 / 0.15 = 6 bounds."""
    found = {
        "fit": "a",
        "seed": 1,
        "theta_fid": [0.0, 1.0],
        "error": [0.1, 0.15],
        "estimates": [[0.1, 1.1], [0.2, 1.9]],
    }
    ((what, remedy),) = warnings.of_estimates([found], is_refined=False)
    assert what.startswith(
        "a, seed 1: the estimate of the observed data is 6 bounds from theta_fid"
    )
    assert "with a simulator refine" in remedy
    assert not list(warnings.of_estimates([found | {"estimates": [[0.1, 1.1]]}], is_refined=False))
