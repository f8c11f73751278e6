"""A problem's simulator: its functions of a key, its shifted parameters, and checks of both."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.problems import Problem, stencils
from imnn_core.problems.outputs import check_output
from imnn_core.store.errors import InputError, in_a_line
from imnn_core.store.wording import shown

MOST_COARSE = 1e-3  # distance of neighbouring numbers, in widths of a prior


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


def check_prior(problem: Problem) -> None:
    """See that parameters from a prior keep their digits in what a simulator in JAX gets.

    Raises:
        InputError: they do not.

    """
    if problem.numpy:
        return
    prior, dtype = problem.prior, jnp.result_type(float)
    n = len(prior.names)
    low, middle, high = (prior.quantile(np.full(n, u)) for u in (0.16, 0.5, 0.84))
    gap = np.spacing(np.maximum(np.abs(middle), np.abs(high)).astype(dtype)).astype(np.float64)
    for name, step, width in zip(prior.names, gap, (high - low) / 2, strict=True):
        if step > MOST_COARSE * width:
            raise InputError(
                f"posterior.prior.{name}: expected a prior that {dtype} resolves, since a "
                f"simulator in JAX gets its parameters so, found one of width {width:.3g} where "
                f"numbers are {step:.3g} apart; take the distance from a reference value as the "
                "parameter, or a simulator in numpy"
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
        if problem.delta_theta is None and problem.prior is None:
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
    if problem.prior is not None:
        return
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
