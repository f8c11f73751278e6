"""Checks of simulations that were drawn: finite, the same when drawn again, with digits left."""

import numpy as np
from imnn_core.problems.precision import fault_of_digits, fault_of_scale, not_finite
from imnn_core.problems.problem import Problem
from imnn_core.problems.simulator import shifted
from imnn_core.store.errors import InputError
from imnn_core.store.wording import shortened, shown

FEW = 10  # simulations, by fewer of which deviations are those of all numbers together


def check_repeated(problem: Problem, first: np.ndarray, again: np.ndarray) -> None:
    """See that a simulation that is drawn again, also by another process, is the same.

    Raises:
        InputError: it is another.

    """
    if not np.array_equal(first, again, equal_nan=True):
        raise InputError(
            f"problem {problem.name!r}: expected the same simulation from the same random "
            "generator, found another; draw all random numbers from the generator that the "
            "simulator is given, so that seeds match across parameters"
        )


def check_finite(
    problem: Problem, name: str, first: int, rows: np.ndarray, n_columns: int = 0
) -> None:
    """See that all numbers of simulations are finite.

    Args:
        problem: theirs.
        name: "fiducial" or "derivative".
        first: number of the first of the rows.
        rows: of the array.
        n_columns: of derivatives that are single simulations, row by row, how many a row has.

    Raises:
        InputError: some are not.

    """
    bad = not_finite(rows)
    if not bad.size:
        return
    index, what = first + int(bad[0]), "simulation" if name == "fiducial" else "derivative"
    theta, at = problem.theta_fid, "theta_fid"
    if n_columns:
        theta, at, what = shifted(problem)[index % n_columns], "theta", "simulation"
        index //= n_columns
    raise InputError(
        f"problem {problem.name!r}: expected finite numbers at {at} = {shown(theta.tolist())}, "
        f"found NaN or infinity in the {what} of index {index} ({bad.size} of {len(rows)} from "
        "there on)"
    )


def check_first(problem: Problem, d: np.ndarray, dd: np.ndarray) -> None:
    """Check the first simulations of a set: digits and scales of their numbers, and dependence.

    Args:
        problem: theirs.
        d, dd: simulations, and derivatives of the first of them.

    Raises:
        InputError: they have no digits left, or do not depend on a parameter.

    """
    if len(d) > 1:  # one alone has no deviation
        _check_digits(problem, d)
    if len(dd):
        _check_dependence(problem, d, dd)


def _check_digits(problem: Problem, d: np.ndarray) -> None:
    mean, deviation = d.mean(axis=0, dtype=np.float64), d.std(axis=0, dtype=np.float64)
    if len(d) < FEW:  # of which one number or another hardly differs by chance
        deviation = np.full(mean.shape, np.sqrt(np.mean(deviation**2)))
    fault = fault_of_scale(np.abs(d).max(axis=0), deviation) or fault_of_digits(
        mean, deviation, d.dtype
    )
    if fault:
        raise InputError(f"problem {problem.name!r}: {fault}")


def depends(problem: Problem, d: np.ndarray, dd: np.ndarray) -> np.ndarray:
    """Whether some of these simulations depend on each parameter, (n_params,).

    Args:
        d: simulations, (n, *input_shape).
        dd: derivatives of the first of them, or the same simulations at shifted parameters.

    """
    n, found = len(dd), np.zeros(problem.n_params, bool)
    if problem.delta_theta is None:
        return (dd != 0).reshape(-1, problem.n_params).any(axis=0)
    columns = np.moveaxis(dd.reshape(n, -1, *problem.input_shape), 1, 0)
    for i in range(problem.n_params):
        mine = [columns[c] for c, (a, _) in enumerate(problem.columns) if a == i]
        first, *others = mine if len(mine) > 1 else [d[:n], *mine]
        found[i] = any((other != first).any() for other in others)
    return found


def _check_dependence(problem: Problem, d: np.ndarray, dd: np.ndarray) -> None:
    """Check that simulations depend on each parameter; JAX takes a comparison for a constant."""
    constant = [
        name
        for name, found in zip(problem.names, depends(problem, d, dd), strict=True)
        if not found
    ]
    if constant:
        how, remedy = "difference", ""
        if problem.delta_theta is None:
            how, remedy = (
                "derivative",
                "; if they do, by a comparison or a rounding, set `derivative: finite_difference`",
            )
        raise InputError(
            f"problem {problem.name!r}: expected simulations that depend on each parameter, found "
            f"a {how} of 0 everywhere by {shortened(', '.join(constant))}{remedy}"
        )
