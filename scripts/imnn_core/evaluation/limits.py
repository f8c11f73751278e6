"""From where on a measurement is worth a warning, in the log of its job as in the report."""

from collections.abc import Sequence

import numpy as np

# of the variance of independent draws, from which on a difference is taken for one of unmatched
# seeds
INDEPENDENT = 0.5
FAR = 5  # bounds from theta_fid, beyond which an estimate is far


def faults_of_differences(found: dict | None, names: Sequence[str]) -> list[str]:
    """What is wrong with finite differences, in a line each, with numbers.

    Args:
        found: None for exact derivatives; else `independence` of each parameter; and `step`, None
            or a mapping of change and error, of |F| with half of delta_theta relative to |F|, and
            of error_det_F, that of |F| itself.
        names: of the parameters.

    """
    if found is None:
        return []
    lines = [
        f"the difference of simulations at shifted {name} has {value:.2g} of the variance of "
        "independent draws (matched seeds: far less than 1); seeds do not match, or delta_theta "
        "is too large"
        for name, value in zip(names, found["independence"], strict=True)
        if value > INDEPENDENT
    ]
    step = found["step"]
    if step and abs(step["change"]) > max(step["error_det_F"], 2 * step["error"]):
        lines.append(
            f"halving delta_theta changes |F| by {100 * step['change']:+.2g} %, more than the "
            f"error of |F|, {100 * step['error_det_F']:.2g} %; take a smaller delta_theta"
        )
    return lines


def distance(found: dict) -> float:
    """How far an estimate lies from theta_fid, at the most, in bounds of a parameter.

    Args:
        found: what `estimate` wrote.

    """
    away = np.abs(np.array(found["estimates"]) - found["theta_fid"]) / found["error"]
    return float(away.max())
