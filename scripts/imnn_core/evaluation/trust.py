"""Whether the |F| of a fit is to be trusted, and why not."""

import math
from collections.abc import Iterator, Mapping, Sequence

from imnn_core.data.choice import JUMPS, faults_of_tangents
from imnn_core.evaluation import results
from imnn_core.evaluation.numbers import percent, with_error

CEILING = 3  # standard errors, from which on a difference is no noise
ROUNDING = 1e-3  # tolerance of a share of the score's |F|
SINGULAR = (
    "F of the test set is singular: some change of the parameters together moves no summary, so "
    "that they can't be told apart"
)
LOCAL = 1  # of a parameter's bound and of the summaries' scatter, steps that are small


def why_not(information: dict, names: Sequence[str]) -> list[str]:
    """Reasons not to trust the |F| of a fit's test set, a clause each; none if it is to be trusted.

    Args:
        information: what `evaluate` wrote.
        names: of the parameters.

    """
    det_F, error = results.pair(information, "test", "network", "det_F")
    if not math.isfinite(det_F):
        return [SINGULAR if is_singular(information) else "|F| of the test set is not finite"]
    found = []
    over, over_error = results.pair(information, "test", "over_score", "det_F")
    if over > 1 + max(ROUNDING, CEILING * over_error):
        found.append("|F| is above the score's, which no summaries can exceed")
    if information["finite_differences"] is not None:
        relative = error / det_F if error > 0 and det_F else 0.0
        found += _of_differences(information["finite_differences"], relative, names)
    return found


def is_singular(information: dict) -> bool:
    """Whether |F| of the test set is not finite though F is: it has no inverse."""
    F = (information.get("calibration") or {}).get("F")
    det_F, _ = results.pair(information, "test", "network", "det_F")
    return not math.isfinite(det_F) and F is not None and all(None not in row for row in F)


def is_trusted(information: dict, names: Sequence[str]) -> bool:
    """Whether there is no reason not to trust a fit's |F|."""
    return not why_not(information, names)


def doubts(of_fit: Mapping[str, Sequence[dict]], names: Sequence[str]) -> dict[str, str]:
    """The first reason not to trust a recipe's |F|, by recipe; of all its seeds."""
    found = {
        fit: [reason for each in seeds for reason in why_not(each, names)]
        for fit, seeds in of_fit.items()
    }
    return {fit: reasons[0] for fit, reasons in found.items() if reasons}


def _of_differences(found: dict, error: float, names: Sequence[str]) -> Iterator[str]:
    """Reasons from finite differences.

    Args:
        found: what was measured of them.
        error: of |F|, relative.
        names: of the parameters.

    """
    if not found["of_summaries"]:
        yield from faults_of_tangents(found, names)
    yield from _of_steps(found, error, names)
    both = found["both"]
    change, noise = both["change"], max(error, CEILING * (both["error"] or 0))
    if change is not None and abs(change) > noise and _is_doubtful(found):
        used, other = ("summaries", "tangents")[:: 1 if found["of_summaries"] else -1]
        where = {"summaries": "of the summaries", "tangents": "in the data"}
        remedy = (
            "finite_difference_of_summaries"
            if used == "tangents"
            else "smaller steps, or finite_difference where simulations do not jump"
        )
        yield (
            f"by differences {where[used]} |F| is {both[used]:.4g}, {where[other]} "
            f"{both[other]:.4g}: the steps of delta_theta are too wide for the network, or "
            f"simulations jump; take {remedy}"
        )


def _is_doubtful(found):
    """Whether a disagreement of differences in the data and of summaries puts |F| in doubt.

    Differences in the data are right whatever a network does between the shifted parameters, where
    simulations move straight from one to the other. Differences of discrete simulations' summaries
    are right where the steps are small.
    """
    straight = [value is not None and value < JUMPS for value in found["straightness"]]
    if not found["of_summaries"]:
        return not all(straight)
    small = [
        None not in (step, shift) and step < LOCAL and shift < LOCAL
        for step, shift in zip(found["step_over_bound"], found["shift"], strict=True)
    ]
    return not all(
        is_discrete and is_small
        for is_discrete, is_small in zip(found["is_discrete"], small, strict=True)
    )


def _of_steps(found, error, names):
    """Reasons from the bend of simulations between the shifted parameters."""
    step = found["step"]
    if step is not None:
        if abs(step["change"]) > max(error, CEILING * step["error"]):
            change = with_error(100 * step["change"], 100 * step["error"])
            yield (
                f"|F| changes by {change} % where delta_theta is halved, more than its error of "
                f"{percent(error)} %; take smaller steps"
            )
        if step["error"] < error:  # else it tells nothing
            return
    bend = found["both"]["bend"]["summaries" if found["of_summaries"] else "tangents"]
    if not all(map(math.isfinite, (math.nan if each is None else each for each in bend))):
        yield "how simulations bend between the shifted parameters is not finite"
    elif sum(bend) > error:
        worst = names[bend.index(max(bend))]
        yield (
            f"simulations bend between the shifted parameters, mostly by {worst}, and |F| may be "
            f"off by {percent(sum(bend))} %, more than its error of {percent(error)} %; take "
            "smaller steps, or more offsets"
        )
