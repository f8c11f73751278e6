"""What a reader should know before trusting the numbers, and what to do about it."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

Caveat = tuple[str, str]  # what, and what to do
INDEPENDENT = 0.5  # of the variance of independent draws, from which on a difference is taken for one of unmatched seeds
ERRORS, ROUNDING = 5, 1e-3  # how far numbers that should agree may be apart: standard errors, and relative to their size
FEW = 0.05  # bias of C^-1 from which on simulations are few
CEILING = 3  # errors above it from which on a share is not of noise
ABOVE = {
    "validation": "It chose the weights by chance agreement with its noise; trust the test set, and raise n_s.",
    "test": "No summaries keep more than the score: log_likelihood is not that of the simulator, or n_test is too small.",
}
FAR = 5  # bounds from theta_fid, beyond which an estimate is far


def percent(ratio: float) -> str:
    """A ratio in per cent: no decimals from 10 % on, else two digits."""
    return f"{100 * ratio:.0f}" if not ratio < 0.1 else f"{100 * ratio:.2g}"


def of_fits(of_fit: Mapping[str, Sequence[dict]], recipes: Mapping[str, dict]) -> Iterator[Caveat]:
    """What was measured of the fits, and how they ended.

    Args:
        of_fit: what `evaluate` wrote, of each fit's seeds.
        recipes: theirs, as in the configuration.

    """
    for fit, informations in of_fit.items():
        for information in informations:
            for what, remedy in _of_fit(information):
                yield f"{fit}, seed {information['seed']}{what}", remedy
        yield from _of_recipe(fit, informations[0], recipes[fit]["n_summaries"])


def _of_recipe(fit: str, information: dict, n_summaries: int) -> Iterator[Caveat]:
    splits = information["splits"]
    if "validation" not in splits:
        yield (
            f"{fit} had no validation set: training |F| decided when to stop and which weights were best.",
            "Its training |F| is optimistic; trust the test set.",
        )
    n_s = min(found["n_s"] for found in splits.values())
    bias = (n_s - 1) / (n_s - n_summaries - 2) - 1 if n_s > n_summaries + 2 else float("inf")  # of C^-1, Gaussian summaries
    if bias > FEW:
        yield (
            f"{fit}: a set has {n_s} simulations, few for {n_summaries} summaries: the inverse of their covariance, and with "
            f"it F, is {percent(bias)} % too large on average.",
            "Raise n_s (n_test of the test set), or take fewer n_summaries; on the test set read the debiased |F|.",
        )


def _of_fit(information: dict) -> Iterator[Caveat]:
    """Of one fit; what follows its name."""

    def share(split):
        found = information["splits"].get(split, {}).get("over_score")
        value, error = (None, None) if found is None else (found["det_F"][part] for part in ("value", "error"))
        return (math.nan if value is None else value), (math.nan if error is None else error)

    det_F, det_C = (information["splits"]["test"]["network"][name] for name in ("det_F", "det_C"))
    analytic = information["det_F_analytic"]
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
    if analytic is not None and det_F["value"] is not None and det_F["value"] < 0.5 * analytic:
        yield (
            f" keeps only {percent(det_F['value'] / analytic)} % of the analytic |F|.",
            "Try more simulations, another network, a smaller learning_rate or more patience.",
        )
    if det_F["error"] is not None and det_F["error"] > 0.1 * det_F["value"]:
        yield f": |F| of the test set is known to {percent(det_F['error'] / det_F['value'])} % only.", "Raise n_test."
    (seen, _), (kept, _) = share("training"), share("test")  # none of training that was drawn on the fly
    if seen > kept + 0.1:
        yield (
            f" is overfitted: it keeps {percent(seen)} % of the score's |F| on its training set, {percent(kept)} % on the test "
            "set.",
            "Try more simulations, a smaller network, augment, averaging, or a network with the symmetry of the problem.",
        )
    for split, remedy in ABOVE.items():
        value, error = share(split)
        if value > 1 + max(ROUNDING, CEILING * error):
            yield f": |F| of the {split} set is {percent(value)} % of the score's, above the ceiling.", remedy
    if det_C["value"] is not None and not 0.5 < det_C["value"] < 2:
        yield (
            f": |C| = {det_C['value']:.3g} on the test set, not 1: the weights kept are from before the penalty brought it "
            "there.",
            "F does not depend on it; for summaries of unit covariance give more patience, or keep the final weights.",
        )


def faults_of_differences(found: dict | None, names: Sequence[str]) -> list[str]:
    """What is wrong with finite differences, in a line each, with numbers.

    Args:
        found: None for exact derivatives; else `independence` of each parameter; and `step`, None or a mapping of change and
            error, of |F| with half of delta_theta relative to |F|, and of error_det_F, that of |F| itself.
        names: of the parameters.

    """
    if found is None:
        return []
    lines = [
        f"the difference of simulations at shifted {name} has {value:.2g} of the variance of independent draws (matched seeds: "
        "far less than 1); seeds do not match, or delta_theta is too large"
        for name, value in zip(names, found["independence"], strict=True)
        if value > INDEPENDENT
    ]
    step = found["step"]
    if step and abs(step["change"]) > max(step["error_det_F"], 2 * step["error"]):
        lines.append(
            f"halving delta_theta changes |F| by {100 * step['change']:+.2g} %, more than the error of |F|, "
            f"{100 * step['error_det_F']:.2g} %; take a smaller delta_theta"
        )
    return lines


def of_differences(informations: Sequence[dict], names: Sequence[str]) -> Iterator[Caveat]:
    """What finite differences by the parameters left to be desired."""
    for information in informations:
        for line in faults_of_differences(information["finite_differences"], names):
            yield f"{information['fit']}, seed {information['seed']}: {line}.", "See `delta_theta` in config/README.md."


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
                f"fisher says F = {_matrix(F)}, the curvature of log_likelihood over simulations {_matrix(curvature)}.",
                remedy,
            )
        if np.linalg.eigvalsh(curvature)[0] <= 0:
            yield (
                f"The curvature of log_likelihood over simulations gives F = {_matrix(curvature)}, not positive definite.",
                remedy,
            )
        mean, error = np.array(found["score"]), np.array(found["score_error"])
        if np.any(np.abs(mean) > ERRORS * error):
            shown = ", ".join(f"{m:.3g} ± {e:.1g}" for m, e in zip(mean, error, strict=True))
            yield f"The score ∂ ln L/∂θ at theta_fid has the mean {shown} over simulations, where it should have 0.", remedy
    exact = informations[0]["finite_differences"] is None  # which have an error of their own
    of_score = informations[0]["splits"]["test"].get("score") if exact else None
    det_F = analytic["det_F"] if F is not None else found and found["det_F"]
    if of_score and det_F is not None:
        value, error = (of_score["det_F"][part] for part in ("value", "error"))
        if value is not None and abs(value - det_F) > ERRORS * (error or 0) + ROUNDING * abs(det_F):
            whose = "fisher" if F is not None else "the curvature of log_likelihood"
            yield f"|F| of the score on test simulations is {value:.4g} ± {error or 0:.1g}, by {whose} {det_F:.4g}.", remedy


def _matrix(F) -> str:
    return str([[float(f"{number:.4g}") for number in row] for row in np.asarray(F)])


def distance(found: dict) -> float:
    """How far an estimate lies from theta_fid, at the most, in bounds of a parameter.

    Args:
        found: what `estimate` wrote.

    """
    away = np.abs(np.array(found["estimates"]) - found["theta_fid"]) / found["error"]
    return float(away.max())


def of_estimates(estimates: Sequence[dict], is_refined: bool) -> Iterator[Caveat]:
    """Estimates of observed data that are too far from theta_fid to be trusted.

    Args:
        estimates: what `estimate` wrote, for each fit and seed.
        is_refined: whether the run is repeated at its estimate.

    """
    for found in estimates:
        if (away := distance(found)) > FAR:
            yield (
                f"{found['fit']}, seed {found['seed']}: the estimate of the observed data is {away:.3g} bounds from theta_fid, "
                "where neither F nor its error need hold.",
                "Look at the refinements, which go on from there." if is_refined else "Set refine, or a nearer theta_fid.",
            )
