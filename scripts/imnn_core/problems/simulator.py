"""A problem's simulator: its functions of a key, its shifted parameters, and checks of both."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.problems import Problem, stencils
from imnn_core.store.errors import InputError, in_a_line
from imnn_core.store.wording import shown

# Of an element's deviation, the rounding from which on more digits are kept, and none are left.
COARSE, TOO_COARSE = 1e-4, 0.25


def shifted(problem: Problem) -> np.ndarray:
    """The shifted parameters of finite differences, (n_columns, n_params)."""
    moved = np.tile(problem.theta_fid, (len(problem.columns), 1))
    for row, (parameter, offset) in zip(moved, problem.columns, strict=True):
        row[parameter] += offset
    return moved


def columns(problem: Problem) -> list[tuple[int, float]]:
    """Parameter and offset of each shifted simulation, as simulated.

    Those of delta_theta, but for simulations that are drawn by a simulator in JAX, to which the
    parameters come rounded to its own precision.
    """
    if problem.numpy or problem.simulator is None or problem.from_files:
        return problem.columns

    def rounded(theta):
        return theta.astype(jnp.result_type(float)).astype(np.float64)

    offsets = rounded(shifted(problem)) - rounded(problem.theta_fid)
    return [(a, float(row[a])) for (a, _), row in zip(problem.columns, offsets, strict=True)]


def weights_of_points(problem: Problem) -> np.ndarray:
    """Weights of a fiducial and its shifted simulations, (n_params, 1 + n_columns)."""
    return stencils.nested(columns(problem), problem.n_params)[0]


def check_steps(problem: Problem) -> None:
    """See that rounding changes no step of finite differences by more than a tenth.

    Raises:
        InputError: it does, or half of a step is lost altogether.

    """
    if problem.delta_theta is None:
        return
    nominal, left, half = (
        np.array([offset for _, offset in each])
        for each in (problem.columns, columns(problem), columns(problem.with_half_steps()))
    )
    if np.any(np.abs(left / nominal - 1) > 0.1) or not half.all():
        raise InputError(
            "delta_theta: expected steps that are not lost in theta_fid = "
            f"{shown(problem.theta_fid.tolist())} by rounding, found offsets "
            f"{shown(nominal.tolist())}, of which {shown(left.tolist())} is left"
        )


def of_key(problem: Problem) -> tuple[Callable, Callable]:
    """Functions of one key, to a simulation and to its derivative (see `Simulations`)."""
    theta = jnp.asarray(problem.theta_fid, dtype=jnp.result_type(float))

    def fiducial(key):
        return problem.simulator(key, theta)

    def derivative(key):
        def of_theta(theta):
            return problem.simulator(key, theta)

        if problem.delta_theta is None:
            return jax.jacfwd(of_theta)(theta)
        d = jax.vmap(of_theta)(jnp.asarray(shifted(problem), theta.dtype))
        return d.reshape(problem.stored_shape)

    return fiducial, derivative


def check_output(problem: Problem, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """See that a simulator gives what the problem declares.

    Raises:
        InputError: it gives another shape, or no real numbers.

    """
    if shape != problem.input_shape:
        raise InputError(
            f"problem {problem.name!r}: expected simulations of shape {problem.input_shape}, "
            f"found {shape}"
        )
    if not np.issubdtype(dtype, np.floating) and not (
        problem.numpy and np.issubdtype(dtype, np.integer)
    ):
        raise InputError(
            f"problem {problem.name!r}: expected simulations of real numbers (float32), found "
            f"{dtype}"
            + (
                "; return them with .astype(float), and with `derivative: finite_difference`"
                if dtype.kind in "iub"
                else ""
            )
        )


def check(problem: Problem) -> None:
    """Check by shapes that a simulator gives what the problem declares, and can be differentiated.

    Raises:
        InputError: it is not so.

    """
    if problem.simulator is None:
        raise InputError(
            f"problem {problem.name!r}: expected a simulator, or `simulations:` with files, found "
            "neither"
        )
    if problem.numpy:
        if problem.delta_theta is None:
            raise InputError(
                "derivative: expected finite_difference, with delta_theta, since the simulator "
                f"of problem {problem.name!r} is a numpy function, which JAX cannot "
                "differentiate; found exact"
            )
        return
    key = jax.eval_shape(lambda: jax.random.key(0))
    fiducial, derivative = of_key(problem)
    found = _traced(problem, fiducial, key, "run under jax.jit", "")
    if not hasattr(found, "dtype"):
        raise InputError(
            f"problem {problem.name!r}: expected of the simulator one array of shape "
            f"{problem.input_shape}, found {shown(found)}; is a return missing?"
        )
    check_output(problem, found.shape, found.dtype)
    _traced(
        problem,
        derivative,
        key,
        "differentiated by theta",
        ", or set `derivative: finite_difference` and delta_theta",
    )


def check_likelihood(problem: Problem) -> None:
    """See, by shapes alone, that a likelihood gives one number, and can be differentiated by theta.

    Raises:
        InputError: it is not so.

    """
    if problem.log_likelihood is None:
        return
    theta, d = (
        jax.ShapeDtypeStruct(shape, jnp.result_type(float))
        for shape in ((problem.n_params,), problem.input_shape)
    )
    where = f"problem {problem.name!r}: log_likelihood"
    try:
        found = jax.eval_shape(problem.log_likelihood, theta, d)
        if getattr(found, "shape", None) == ():
            jax.eval_shape(jax.hessian(problem.log_likelihood), theta, d)
    except Exception as error:  # whatever the user's function raises
        raise InputError(
            f"{where}: expected a function in jax.numpy, found {in_a_line(error)}"
        ) from None
    if getattr(found, "shape", None) != ():
        what = f"an array of shape {found.shape}" if hasattr(found, "shape") else shown(found)
        missing = "a sum" if hasattr(found, "shape") else "a return"
        raise InputError(
            f"{where}: expected one number for a simulation, found {what}; is {missing} missing?"
        )


def _traced(problem, function, key, what, otherwise):
    """Shape and dtype of a function of a key, or what keeps JAX from finding them."""
    try:
        return jax.eval_shape(function, key)
    except Exception as error:  # whatever the user's simulator raises
        raise InputError(
            f"problem {problem.name!r}: expected a simulator that can be {what}, found "
            f"{in_a_line(error)}; write it in jax.numpy{otherwise}, or declare it with numpy=True "
            "if it is a numpy function"
        ) from None


def coarseness(mean: np.ndarray, deviation: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Distance between neighbouring numbers of a dtype, relative to the deviation of simulations.

    0 for what never varies.

    Args:
        mean, deviation: of each number of a simulation, (*input_shape).
        dtype: of floating-point numbers.

    """
    gap = np.spacing((np.abs(mean) + deviation).astype(dtype)).astype(np.float64)
    return np.where(deviation > 0, gap / np.where(deviation > 0, deviation, 1), 0)


def fault_of_scale(largest: np.ndarray, deviation: np.ndarray) -> str | None:
    """What is wrong where jax's precision can't hold squares of numbers, or all digits of them.

    None if nothing is.

    Args:
        largest: size of each number of a simulation, and
        deviation: of it, (*input_shape) each.

    """
    dtype = np.dtype(jnp.result_type(float))
    most, least = np.sqrt(float(np.finfo(dtype).max)) / 10, 10 * float(np.finfo(dtype).tiny)
    too_small = (deviation > 0) & (deviation < least)
    if largest.max() > most:
        k, is_such = largest.argmax(), largest > most
        expected, what = f"whose squares {dtype} can hold", f"{largest.flat[k]:.3g}"
        remedy = "is it a mask? Leave it out, or take other units"
    elif too_small.any():
        k, is_such = np.where(too_small, deviation, np.inf).argmin(), too_small
        expected, what = f"that {dtype} holds with all digits", f"deviation {deviation.flat[k]:.3g}"
        remedy = "take other units, or leave it out"
    else:
        return None
    where = ", ".join(map(str, np.unravel_index(k, largest.shape)))
    return (
        f"expected numbers {expected}, found {what} at index {where} ({int(is_such.sum())} of "
        f"{largest.size} numbers are such); {remedy}"
    )


def fault_of_digits(mean: np.ndarray, deviation: np.ndarray, dtype: np.dtype) -> str | None:
    """What is wrong where simulations vary by a few of their dtype's steps only; None if nothing.

    Args:
        mean, deviation, dtype: as of `coarseness`.

    """
    coarse = coarseness(mean, deviation, dtype)
    if coarse.max() <= TOO_COARSE:
        return None
    where = np.unravel_index(np.argmax(coarse), coarse.shape)
    n_coarse, steps = int((coarse > TOO_COARSE).sum()), 1 / coarse[where]
    return (
        f"expected numbers whose deviation is many steps of {np.dtype(dtype)}, found mean "
        f"{mean[where]:.6g} and deviation {deviation[where]:.3g} at index "
        f"{', '.join(map(str, where))}, {steps:.2g} steps ({n_coarse} of {coarse.size} numbers are "
        "such); take an offset off them before they are rounded"
    )


def not_finite(rows: np.ndarray) -> np.ndarray:
    """Numbers of the rows that hold NaN, infinity, or what jax's precision can't hold."""
    with np.errstate(over="ignore"):
        narrow = rows.astype(jnp.result_type(float), copy=False)
    return np.flatnonzero(~np.isfinite(narrow).all(axis=tuple(range(1, rows.ndim))))
