"""Contradictions between a user's likelihood, closed form and simulator."""

from collections.abc import Iterator, Sequence

import numpy as np
from imnn_core.evaluation import results
from imnn_core.evaluation.trust import ROUNDING
from imnn_core.gradient.matrices import is_positive_definite

ERRORS = 5  # tolerance of equal numbers, in standard errors


def of_problem(analytic: dict, informations: Sequence[dict]) -> Iterator[tuple[str, str]]:
    """Warnings, with remedies, about a likelihood, a closed form and a simulator that disagree.

    Args:
        analytic: what `analytic_fisher` wrote.
        informations: of the fits.

    """
    remedy = (
        "One of them is wrong: what is kept of the score, or of the analytic |F|, means nothing "
        "before they agree."
    )
    found, F = analytic["monte_carlo"], analytic["F"]
    if found is not None:
        curvature, error = np.array(found["F"]), np.array(found["F_error"])
        size = np.sqrt(np.abs(np.outer(np.diag(curvature), np.diag(curvature))))
        shown = f"the curvature of log_likelihood over simulations {_matrix(curvature)}"
        if F is not None and np.any(np.abs(curvature - F) > ERRORS * error + ROUNDING * size):
            yield f"fisher says F = {_matrix(F)}, {shown}.", remedy
        if not is_positive_definite(curvature):
            yield (
                "The curvature of log_likelihood over simulations gives F = "
                f"{_matrix(curvature)}, not positive definite.",
                remedy,
            )
        mean, error = np.array(found["score"]), np.array(found["score_error"])
        if np.any(np.abs(mean) > ERRORS * error):
            shown = ", ".join(f"{m:.3g} ± {e:.1g}" for m, e in zip(mean, error, strict=True))
            yield (
                f"The score ∂ ln L/∂θ at theta_fid has the mean {shown} over simulations, "
                "where it should have 0.",
                remedy,
            )
    if informations[0]["finite_differences"] is not None:  # which have an error of their own
        return
    value, error = results.pair(informations[0], "test", "score", "det_F")
    whose = "fisher" if F is not None else "the curvature of log_likelihood"
    det_F = analytic["det_F"] if F is not None else found and found["det_F"]
    error = np.nan_to_num(error)
    if F is None and found:  # which has the noise of its own simulations
        error = np.hypot(error, np.nan_to_num(found.get("det_F_error", 0.0)))
    if det_F is not None and abs(value - det_F) > ERRORS * error + ROUNDING * abs(det_F):
        yield (
            f"|F| of the score on test simulations is {value:.4g} ± {error:.1g}, by {whose} "
            f"{det_F:.4g}.",
            remedy,
        )


def _matrix(F) -> str:
    return str([[float(f"{number:.4g}") for number in row] for row in np.asarray(F)])
