"""Whether |F| is to be trusted: each reason not to, on what was measured."""

import re

import numpy as np
import pytest
from imnn_core.data import choice
from imnn_core.evaluation import trust
from imnn_core.evaluation.headline import headline
from imnn_core.evaluation.results import Share

NAMES = ["a", "b"]


def fit_with(of_summaries=False, change=0.0, error=0.001, bend=(0.0, 0.0), step=None, **changes):
    """What `evaluate` writes of a fit with |F| = 50 ± 2 and matched, straight simulations."""
    differences = {
        "independence": [0.1, 0.1],
        "straightness": [0.01, 0.05],
        "undone": [-1.0, None],
        "is_discrete": [False, False],
        "of_summaries": of_summaries,
        "both": {
            "n": 100,
            "tangents": 50.0,
            "summaries": 50.0 * (1 + change),
            "change": change,
            "error": error,
            "bend": {"tangents": list(bend), "summaries": list(bend)},
        },
        "shift": [0.4, 0.4],
        "step_over_bound": [0.5, 0.5],
        "step": step,
    } | changes
    network = {"det_F": {"value": 50.0, "error": 2.0}}
    return {
        "splits": {"test": {"network": network}},
        "finite_differences": differences,
    }


@pytest.mark.parametrize(
    ("information", "reason"),
    [
        (fit_with(), None),
        # Straight simulations: what the network does between the shifted parameters is its own.
        (fit_with(change=3.0), None),
        (fit_with(change=3.0, straightness=[0.01, 0.4]), "of the summaries 200"),
        (fit_with(change=0.03, straightness=[0.01, 0.4]), None),  # less than the error of |F|
        (fit_with(change=0.3, error=0.11, straightness=[0.01, 0.4]), None),  # noise
        (fit_with(change=3.0, straightness=[None, 0.01]), "of the summaries 200"),
        (fit_with(of_summaries=True, change=3.0), "in the data 50"),
        (fit_with(of_summaries=True, change=0.03), None),
        (
            # Counts, and a step that is small beside the bound and the scatter.
            fit_with(of_summaries=True, change=3.0, is_discrete=[True, True]),
            None,
        ),
        (
            fit_with(of_summaries=True, change=3.0, is_discrete=[True] * 2, shift=[0.4, 1.2]),
            "in the data 50",
        ),
        (
            fit_with(
                of_summaries=True, change=3.0, is_discrete=[True] * 2, step_over_bound=[1.2, 0.4]
            ),
            "in the data 50",
        ),
        (
            fit_with(of_summaries=True, change=3.0, is_discrete=[True] * 2, shift=[0.4, None]),
            "in the data 50",
        ),
        (fit_with(bend=(0.03, 0.0)), None),  # the error is 4 %
        (fit_with(bend=(0.02, 0.03)), r"bend between .* mostly by b, .* off by 5 %"),
        (fit_with(of_summaries=True, bend=(0.02, 0.03)), r"mostly by b"),
        (fit_with(bend=(None, 0.0)), "not finite"),
        # Where the steps were halved, that counts.
        (fit_with(bend=(9.0, 9.0), step={"n": 9, "change": 0.03, "error": 0.01}), None),
        (fit_with(step={"n": 9, "change": 0.08, "error": 0.03}), None),
        (fit_with(step={"n": 9, "change": -0.08, "error": 0.02}), r"\|F\| changes by"),
        # … unless it is noise.
        (fit_with(bend=(9.0, 9.0), step={"n": 9, "change": 0.1, "error": 0.05}), "bend"),
        (fit_with(independence=[0.1, 0.6]), "at shifted b and those at theta_fid are nearly ind"),
        (fit_with(of_summaries=True, independence=[0.1, 0.6]), None),
        (
            fit_with(independence=[0.36, 0.1], undone=[0.2, -0.5]),
            r"at shifted a .* match in part only .*is 0\.36, .* back by 20 %.*poisson.ppf",
        ),
        # Little of either may be rounding, or a bend.
        (fit_with(independence=[0.04, 0.1], undone=[0.2, 0.04]), None),
        (fit_with(of_summaries=True, independence=[0.36, 0.1], undone=[0.2, -0.5]), None),
    ],
)
def test_reasons(information, reason):
    """Oracle: by hand, the limits as stated."""
    found = trust.why_not(information, NAMES)
    assert trust.is_trusted(information, NAMES) == (reason is None)
    if reason is None:
        assert found == []
    else:
        assert re.search(reason, "\n".join(found)), found


def test_exact_derivatives_and_a_ceiling():
    """Oracle: by hand: three errors above the score."""
    information = fit_with() | {"finite_differences": None}
    assert trust.is_trusted(information, NAMES)
    test = information["splits"]["test"]
    test["over_score"] = {"det_F": {"value": 1.05, "error": 0.02}}
    assert trust.is_trusted(information, NAMES)
    test["over_score"] = {"det_F": {"value": 1.07, "error": 0.02}}
    assert "above the score's" in trust.why_not(information, NAMES)[0]
    test["network"]["det_F"]["value"] = None
    assert trust.why_not(information, NAMES) == ["|F| of the test set is not finite"]


@pytest.mark.parametrize(
    ("found", "of_summaries", "words"),
    [
        ({}, False, None),
        ({"is_discrete": [False, True]}, False, "jump at shifted b, as counts do"),
        ({"is_discrete": [False, True]}, True, None),
        ({}, True, "`derivative: finite_difference` is safer"),
        ({"independence": [0.9, 0.1]}, True, "are nearly independent .* adds noise to the deriv"),
        ({"independence": [0.1, 0.4], "undone": [-1, 0.2]}, True, "shifted b .* adds noise to"),
        ({"independence": [0.1, 0.4], "undone": [-1, 0.2]}, False, "shifted b .* no derivatives"),
        ({"independence": [0.9, 0.1]}, False, "shifted a and those at"),
    ],
)
def test_a_choice_that_does_not_suit_the_simulations_is_told(found, of_summaries, words):
    """Oracle: by hand."""
    lines = choice.doubts(fit_with()["finite_differences"] | found, of_summaries, NAMES)
    assert len(lines) == (words is not None)
    assert all(re.search(words, line) for line in lines)


def test_the_headline_gives_no_number_that_is_not_to_be_trusted():
    """Oracle: by hand."""
    kept = {fit: Share("the score", value, 0.01, 0.01) for fit, value in (("x", 0.9), ("y", 0.8))}
    det_F = {"x": "45", "y": "40"}
    line = headline(kept, det_F, 2, "100 simulations each", {"x": "it jumps"})
    assert line.startswith("The |F| of x is not to be trusted: it jumps. The others: y kept 80")
    assert "90" not in line
    line = headline(kept, det_F, 1, "100 simulations each", dict.fromkeys(kept, "it jumps"))
    assert line == (
        "No result, since |F| is not to be trusted: it jumps; one seed, 100 simulations each"
    )
    assert not set("0123456789") & set(np.char.replace(line, "100", "").item())


def test_parameters_that_can_not_be_told_apart_are_named_as_such():
    """Oracle: by hand: F is finite and its determinant is not."""
    information = fit_with()
    information["splits"]["test"]["network"]["det_F"] = {"value": None, "error": None}
    for F, expected in (
        ([[4.0, 4.0], [4.0, 4.0]], trust.SINGULAR),
        ([[None, 4.0], [4.0, 4.0]], "|F| of the test set is not finite"),
    ):
        found = information | {"calibration": {"F": F}}
        assert trust.why_not(found, NAMES) == [expected]
        assert trust.is_singular(found) == (expected == trust.SINGULAR)
    assert not trust.is_singular(fit_with() | {"calibration": {"F": [[4.0, 0.0], [0.0, 4.0]]}})
