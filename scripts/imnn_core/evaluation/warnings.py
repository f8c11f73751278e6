"""Warnings: what is doubtful about the numbers of a run, and what to do about it."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from imnn_core.data import choice
from imnn_core.evaluation import results, trust
from imnn_core.evaluation.numbers import compact, percent, with_error
from imnn_core.evaluation.trust import CEILING, ROUNDING

Said = tuple[str, str]  # a warning, and its remedy
Row = tuple[bool, str, str]  # condition, warning, remedy

REMEDY = "See finite differences in docs/own_problems.md."
APART = "Take fewer parameters, or data that depend on each of them in another way."
ERRORS = 5  # tolerance of equal numbers, in standard errors
FEW = 0.05  # bias of C^-1, from which on there are few simulations
FAR_BELOW = 0.5  # of a linear compression's |F|, what is far too little
ENOUGH = 50  # derivatives, by which |F| differs from 0 by more than twice its error, if at all
MANY = 5  # warnings of a kind that are shown; further ones are counted
FAR = 5  # bounds from theta_fid, from which on an estimate is far


def of_fits(of_fit: Mapping[str, Sequence[dict]], has_files: bool = False) -> Iterator[Said]:
    """Warnings about how fits ended and what was measured of them.

    Args:
        of_fit: information.json of each seed, by recipe.
        has_files: whether simulations come from the user's files.

    """
    keys = {"training": "n_s", "validation": "n_s", "test": "n_test"}
    more = {
        split: f"Get more {split} simulations." if has_files else f"Raise {key}."
        for split, key in keys.items()
    }
    for fit, informations in of_fit.items():
        tables = [
            (f"{fit}, seed {each['seed']}", [*_of_rows(each, has_files), *_of_fit(each, more)])
            for each in informations
        ]
        tables.append((fit, _of_recipe(informations[0], more)))
        for name, rows in tables:
            yield from ((name + text, remedy) for holds, text, remedy in rows if holds)


def _of_rows(information: dict, has_files: bool) -> list[Row]:
    """Warnings about exact derivatives of a user that seem not to be those of the simulations.

    A network has no use for derivatives of other simulations, unless it is linear: it keeps nothing
    of them, or far less than a linear compression, of the sets that fitted it, too.
    """
    test = information["splits"]["test"]
    det_F, error = results.pair(information, "test", "network", "det_F")
    over = [
        results.pair(information, split, "over_linear", "det_F") for split in information["splits"]
    ]
    far_below = results.has_floor([information]) and all(
        value + CEILING * noise < FAR_BELOW for value, noise in over
    )
    nothing = det_F <= 2 * error and test.get("n_d", 0) >= ENOUGH
    found = f": |F| is {with_error(det_F, error)} on the test set, which may be 0."
    if far_below:
        value, noise = results.pair(information, "test", "over_linear", "det_F")
        found = f" keeps {with_error(value, noise)} of a linear compression's |F|."
    return [
        (
            has_files and information["finite_differences"] is None and (nothing or far_below),
            f"{found} The rows of derivative may not be those of fiducial.",
            "See first that row i of derivative is the derivative of row i of fiducial: of the "
            "same seed, in the same order. Other remedies are in vain before.",
        )
    ]


def _of_fit(information: dict, more: Mapping[str, str]) -> list[Row]:
    """Warnings about one fit. Comparisons with NaN, for what was not measured, are false."""
    trained, trained_error = results.pair(information, "training", "network", "det_F")
    det_F, error = results.pair(information, "test", "network", "det_F")
    det_C, _ = results.pair(information, "test", "network", "det_C")
    analytic = information["det_F_analytic"] or math.nan
    over_linear, linear_error = results.pair(information, "test", "over_linear", "det_F")
    of_score = {
        split: results.pair(information, split, "over_score", "det_F")
        for split in ("training", "validation", "test")
    }
    seen, kept = of_score["training"][0], of_score["test"][0]
    noise = CEILING * math.hypot(trained_error, error)
    smaller = (
        "Try more simulations, a smaller network, augment, averaging, or a network with the "
        "symmetry of the problem."
    )
    above = {
        "validation": "It chose the weights by chance agreement with its noise; trust the test "
        "set.",
        "test": "No summaries keep more than the score: log_likelihood is not that of the "
        "simulator, or the set is too small.",
    }
    return [
        (
            information["stopped"] == "max_iterations",
            " stopped at max_iterations; |F| may still have been rising.",
            "Raise max_iterations, or continue it with a recipe that has continue_from.",
        ),
        (
            information["kept_iteration"] == 0 and information["iterations"] > 1,
            ": the weights kept are the initial ones, since |F| never rose above theirs.",
            "Try another learning_rate, more patience or a larger min_iterations.",
        ),
        (
            math.isnan(det_F) and not trust.is_singular(information),
            ": |F| of the test set is not finite.",
            "Look at the fit's log and history; try a smaller learning_rate.",
        ),
        (
            det_F < 0.5 * analytic,
            f" keeps only {percent(det_F, analytic)} % of the analytic |F|.",
            "Try more simulations, another network, a smaller learning_rate or more patience.",
        ),
        (
            error > 0.1 * det_F,
            f": |F| of the test set is known to {percent(error, det_F)} % only.",
            more["test"],
        ),
        (
            results.has_floor([information]) and over_linear + CEILING * linear_error < 1,
            " keeps less than a linear compression: "
            f"{with_error(over_linear, linear_error)} of its |F|.",
            "Try linear, standardise, another learning_rate, more patience or max_iterations, "
            "another network, or more simulations.",
        ),
        (  # shares of the score's |F|, of the same simulations, have no common noise
            seen > kept + 0.1,
            f" is overfitted: it keeps {percent(seen)} % of the score's |F| on its training set, "
            f"{percent(kept)} % on the test set.",
            smaller,
        ),
        (
            math.isnan(seen) and trained - det_F > max(0.1 * det_F, noise),
            f" is overfitted: |F| = {with_error(trained, trained_error)} on its training set, "
            f"{with_error(det_F, error)} on the test set.",
            smaller,
        ),
        *(
            (
                of_score[split][0] > 1 + max(ROUNDING, CEILING * of_score[split][1]),
                f": |F| of the {split} set is {percent(of_score[split][0])} % of the score's, "
                "above the ceiling.",
                f"{why} {more[split]}",
            )
            for split, why in above.items()
        ),
        (
            det_C <= 0.5 or det_C >= 2,
            f": |C| = {compact(det_C)} on the test set, not 1: the penalty has not brought it "
            "there, or on training simulations alone.",
            "F does not depend on it. For summaries of unit covariance: whiten, more patience, "
            "or more simulations.",
        ),
    ]


def _of_recipe(information: dict, more: Mapping[str, str]) -> list[Row]:
    """Warnings about the sets of a recipe, the same for all seeds."""
    splits, n_summaries = information["splits"], information["n_summaries"]
    decided = "when to stop" + " and which weights were best" * (information["weights"] == "best")
    smallest = min(splits, key=lambda split: splits[split]["n_s"])
    n_s = splits[smallest]["n_s"]
    free = n_s - n_summaries - 2
    bias = (n_s - 1) / free - 1 if free > 0 else math.inf  # of C^-1, for Gaussian summaries
    return [
        (
            "validation" not in splits,
            f" had no validation set: training |F| decided {decided}.",
            "Its training |F| is optimistic; trust the test set.",
        ),
        (
            bias > FEW,
            f": the {smallest} set has {n_s} simulations, few for {n_summaries} summaries: the "
            "inverse of their covariance, and with it F, is "
            f"{percent(bias)} % too large on average.",
            f"{more[smallest]} Or take fewer n_summaries; on the test set read the debiased |F|.",
        ),
    ]


def of_trust(informations: Sequence[dict], names: Sequence[str]) -> Iterator[Said]:
    """Warnings about fits whose |F| is not to be trusted, and about finite differences."""
    for information in informations:
        whose = f"{information['fit']}, seed {information['seed']}"
        reasons = trust.why_not(information, names)
        for reason in reasons:
            remedy = APART if reason == trust.SINGULAR else REMEDY
            yield f"{whose} is not to be trusted: {reason}.", remedy
        if (found := information["finite_differences"]) is not None:
            for line in choice.doubts(found, found["of_summaries"], names):
                if line not in reasons:
                    yield f"{whose}: {line}.", REMEDY


def by_remedy(found: Iterable[Said]) -> dict[str, list[str]]:
    """Group warnings by their remedy; of many show the first, and count the others."""
    grouped = {}
    for what, remedy in found:
        grouped.setdefault(remedy, []).append(what)
    for each in grouped.values():
        if len(each) > MANY + 1:
            each[MANY:] = [f"… and {len(each) - MANY} more of the kind."]
    return grouped


def of_estimates(estimates: Sequence[dict], is_refined: bool) -> Iterator[Said]:
    """Warnings about estimates of observed data that are too far from theta_fid to be trusted.

    Args:
        estimates: what `estimate` wrote, for each recipe and seed.
        is_refined: whether the run is repeated at its estimate.

    """
    for found in estimates:
        if (away := distance(found)) > FAR:
            yield (
                f"{found['fit']}, seed {found['seed']}: the estimate of the observed data is "
                f"{away:.3g} bounds from theta_fid, where neither F nor its error need hold.",
                "Look at the refinements, which go on from there."
                if is_refined
                else "See that the data are like the simulations (units, masks); then take a "
                "nearer theta_fid, or with a simulator refine.",
            )


def distance(found: dict) -> float:
    """Largest distance of an estimate from theta_fid, in bounds of a parameter.

    Args:
        found: what `estimate` wrote.

    """
    away = np.abs(np.array(found["estimates"]) - found["theta_fid"]) / found["error"]
    return float(away.max())
