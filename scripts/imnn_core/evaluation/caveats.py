"""What a reader should know before trusting the numbers, and what to do about it."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from imnn_core.evaluation import limits, results

Caveat = tuple[str, str]  # what, and what to do
ERRORS, ROUNDING = (
    5,
    1e-3,
)  # how far numbers that should agree may be apart: standard errors, and relative to their size
FEW = 0.05  # bias of C^-1 from which on simulations are few
CEILING = 3  # errors above it from which on a share is not of noise
ABOVE = {
    "validation": "It chose the weights by chance agreement with its noise; trust the test set.",
    "test": "No summaries keep more than the score: log_likelihood is not that of the simulator, "
    "or the set is too small.",
}


def percent(ratio: float) -> str:
    """A ratio in per cent: no decimals from 10 % on, else two digits."""
    return f"{100 * ratio:.0f}" if not ratio < 0.1 else f"{100 * ratio:.2g}"


def of_fits(
    of_fit: Mapping[str, Sequence[dict]], recipes: Mapping[str, dict], has_files: bool = False
) -> Iterator[Caveat]:
    """What was measured of the fits, and how they ended.

    Args:
        of_fit: what `evaluate` wrote, of each fit's seeds.
        recipes: theirs, as in the configuration.
        has_files: whether simulations are the user's own files.

    """
    key = {"training": "n_s", "validation": "n_s", "test": "n_test"}
    more = {
        split: f"Get more {split} simulations." if has_files else f"Raise {key[split]}."
        for split in key
    }
    for fit, informations in of_fit.items():
        for information in informations:
            for what, remedy in _of_fit(information, more):
                yield f"{fit}, seed {information['seed']}{what}", remedy
        yield from _of_recipe(fit, informations[0], recipes[fit]["n_summaries"], more)


def _of_recipe(
    fit: str, information: dict, n_summaries: int, more: Mapping[str, str]
) -> Iterator[Caveat]:
    splits = information["splits"]
    if "validation" not in splits:
        decided = (
            "when to stop and which weights were best"
            if information["weights"] == "best"
            else "when to stop"
        )
        yield (
            f"{fit} had no validation set: training |F| decided {decided}.",
            "Its training |F| is optimistic; trust the test set.",
        )
    smallest = min(splits, key=lambda split: splits[split]["n_s"])
    n_s = splits[smallest]["n_s"]
    bias = (
        (n_s - 1) / (n_s - n_summaries - 2) - 1 if n_s > n_summaries + 2 else float("inf")
    )  # of C^-1, Gaussian summaries
    if bias > FEW:
        yield (
            f"{fit}: the {smallest} set has {n_s} simulations, few for {n_summaries} summaries: "
            f"the inverse of their covariance, and with it F, is {percent(bias)} % too large on "
            "average.",
            f"{more[smallest]} Or take fewer n_summaries; on the test set read the debiased |F|.",
        )


def _measured(information: dict, split: str, *keys: str) -> tuple[float, float]:
    """A quantity of a set and its error; NaN where it was not measured, or is not finite."""
    found = [results.on([information], split, *keys, part) for part in ("value", "error")]
    return tuple(math.nan if each is None else float(each[0]) for each in found)


def _of_fit(information: dict, more: Mapping[str, str]) -> Iterator[Caveat]:
    """Of one fit; what follows its name."""
    yield from _of_its_end(information)
    yield from _of_what_it_kept(information, more)
    yield from _of_overfitting(information)
    for split, why in ABOVE.items():
        value, error = _measured(information, split, "over_score", "det_F")
        if value > 1 + max(ROUNDING, CEILING * error):
            yield (
                f": |F| of the {split} set is {percent(value)} % of the score's, above the "
                "ceiling.",
                f"{why} {more[split]}",
            )
    det_C = information["splits"]["test"]["network"]["det_C"]["value"]
    if det_C is not None and not 0.5 < det_C < 2:
        yield (
            f": |C| = {results.compact(det_C)} on the test set, not 1: the penalty has not "
            "brought it there, or on training simulations alone.",
            "F does not depend on it. For summaries of unit covariance: whiten, more patience, "
            "or more simulations.",
        )


def _of_its_end(information: dict) -> Iterator[Caveat]:
    if information["stopped"] == "max_iterations":
        yield (
            " stopped at max_iterations; |F| may still have been rising.",
            "Raise max_iterations, or continue it with a recipe that has continue_from.",
        )
    if information["kept_iteration"] == 0 and information["iterations"] > 1:
        yield (
            ": the weights kept are the initial ones, since |F| never rose above theirs.",
            "Try another learning_rate, more patience or a larger min_iterations.",
        )


def _of_what_it_kept(information: dict, more: Mapping[str, str]) -> Iterator[Caveat]:
    value, error = _measured(information, "test", "network", "det_F")
    analytic = information["det_F_analytic"]
    if math.isnan(value):
        yield (
            ": |F| of the test set is not finite.",
            "Look at the fit's log and history; try a smaller learning_rate.",
        )
    if analytic is not None and value < 0.5 * analytic:
        yield (
            f" keeps only {percent(value / analytic)} % of the analytic |F|.",
            "Try more simulations, another network, a smaller learning_rate or more patience.",
        )
    if error > 0.1 * value:
        yield f": |F| of the test set is known to {percent(error / value)} % only.", more["test"]
    kept, error = _measured(information, "test", "over_linear", "det_F")
    if results.has_floor([information]) and kept + CEILING * error < 1:
        yield (
            f" keeps less than a linear compression: {results.with_error(kept, error)} of its |F|.",
            "Try standardise, another learning_rate, more patience or max_iterations, another "
            "network, or more simulations.",
        )


def _of_overfitting(information: dict) -> Iterator[Caveat]:
    """By shares of the score's |F|, which have no common noise, else by |F|; not of training that was drawn on the fly."""
    remedy = "Try more simulations, a smaller network, augment, averaging, or a network with the symmetry of the problem."
    (seen, _), (kept, _) = (
        _measured(information, split, "over_score", "det_F") for split in ("training", "test")
    )
    if seen > kept + 0.1:
        trained, tested = f"{percent(seen)} % of the score's |F|", f"{percent(kept)} %"
        yield (
            f" is overfitted: it keeps {trained} on its training set, {tested} on the test set.",
            remedy,
        )
    trained, tested = (
        _measured(information, split, "network", "det_F") for split in ("training", "test")
    )
    if math.isnan(seen) and trained[0] - tested[0] > max(
        0.1 * tested[0], CEILING * math.hypot(trained[1], tested[1])
    ):
        trained, tested = results.with_error(*trained), results.with_error(*tested)
        yield (
            f" is overfitted: |F| = {trained} on its training set, {tested} on the test set.",
            remedy,
        )


def of_differences(informations: Sequence[dict], names: Sequence[str]) -> Iterator[Caveat]:
    """What finite differences by the parameters left to be desired."""
    for information in informations:
        for line in limits.faults_of_differences(information["finite_differences"], names):
            yield (
                f"{information['fit']}, seed {information['seed']}: {line}.",
                "See `delta_theta` in docs/own_problems.md.",
            )


def of_problem(analytic: dict, informations: Sequence[dict]) -> Iterator[Caveat]:
    """Where likelihood, closed form and simulator contradict each other, of which each is what the user says.

    Args:
        analytic: what `analytic_fisher` wrote.
        informations: of the fits.

    """
    remedy = "One of them is wrong: what is kept of the score, or of the analytic |F|, means nothing before they agree."
    found, F = analytic["monte_carlo"], analytic["F"]
    if found is not None:
        curvature, error = np.array(found["F"]), np.array(found["F_error"])
        size = np.sqrt(np.abs(np.outer(np.diag(curvature), np.diag(curvature))))
        if F is not None and np.any(np.abs(curvature - F) > ERRORS * error + ROUNDING * size):
            yield (
                f"fisher says F = {_matrix(F)}, the curvature of log_likelihood over simulations "
                f"{_matrix(curvature)}.",
                remedy,
            )
        if np.linalg.eigvalsh(curvature)[0] <= 0:
            yield (
                "The curvature of log_likelihood over simulations gives F = "
                f"{_matrix(curvature)}, not positive definite.",
                remedy,
            )
        mean, error = np.array(found["score"]), np.array(found["score_error"])
        if np.any(np.abs(mean) > ERRORS * error):
            shown = ", ".join(f"{m:.3g} ± {e:.1g}" for m, e in zip(mean, error, strict=True))
            yield (
                f"The score ∂ ln L/∂θ at theta_fid has the mean {shown} over simulations, where "
                "it should have 0.",
                remedy,
            )
    exact = informations[0]["finite_differences"] is None  # which have an error of their own
    of_score = informations[0]["splits"]["test"].get("score") if exact else None
    det_F = analytic["det_F"] if F is not None else found and found["det_F"]
    if of_score and det_F is not None:
        value, error = (of_score["det_F"][part] for part in ("value", "error"))
        if value is not None and abs(value - det_F) > ERRORS * (error or 0) + ROUNDING * abs(det_F):
            whose = "fisher" if F is not None else "the curvature of log_likelihood"
            yield (
                f"|F| of the score on test simulations is {value:.4g} ± {error or 0:.1g}, by "
                f"{whose} {det_F:.4g}.",
                remedy,
            )


def _matrix(F) -> str:
    return str([[float(f"{number:.4g}") for number in row] for row in np.asarray(F)])


def of_estimates(estimates: Sequence[dict], is_refined: bool) -> Iterator[Caveat]:
    """Estimates of observed data that are too far from theta_fid to be trusted.

    Args:
        estimates: what `estimate` wrote, for each fit and seed.
        is_refined: whether the run is repeated at its estimate.

    """
    for found in estimates:
        if (away := limits.distance(found)) > limits.FAR:
            yield (
                f"{found['fit']}, seed {found['seed']}: the estimate of the observed data is "
                f"{away:.3g} bounds from theta_fid, where neither F nor its error need hold.",
                "Look at the refinements, which go on from there."
                if is_refined
                else "Set refine, or a nearer theta_fid.",
            )
