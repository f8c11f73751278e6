"""A problem's simulator: its functions of a key, its shifted parameters, and checks of both."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.problems import Problem
from imnn_core.store.errors import InputError, in_a_line


def shifted(problem: Problem) -> np.ndarray:
    """The shifted parameters of finite differences, minus then plus, (2, n_params, n_params)."""
    half = np.diag(problem.delta_theta) / 2
    return problem.theta_fid[None, None] + np.stack([-half, half])


def steps(problem: Problem) -> np.ndarray | None:
    """The steps of finite differences as simulated, (n_params,); None for exact derivatives.

    Those of delta_theta, but for a simulator in JAX, to which the parameters come rounded to its
    own precision.
    """
    if problem.delta_theta is None or problem.numpy or problem.simulator is None:
        return problem.delta_theta
    minus, plus = shifted(problem).astype(jnp.result_type(float)).astype(np.float64)
    return np.diagonal(plus - minus)


def steps_are_lost(problem: Problem) -> bool:
    """Whether rounding changes some step of finite differences by more than a tenth."""
    return problem.delta_theta is not None and bool(
        np.any(np.abs(steps(problem) / problem.delta_theta - 1) > 0.1)
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
        return jax.vmap(jax.vmap(of_theta))(jnp.asarray(shifted(problem), theta.dtype))

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
    if steps_are_lost(problem):
        raise InputError(
            "delta_theta: expected steps that are not lost in theta_fid = "
            f"{problem.theta_fid.tolist()} by rounding, found {problem.delta_theta.tolist()}, of "
            f"which {steps(problem).tolist()} is left"
        )
    key = jax.eval_shape(lambda: jax.random.key(0))
    fiducial, derivative = of_key(problem)
    found = _traced(problem, fiducial, key, "run under jax.jit", "")
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
        if found.shape == ():
            jax.eval_shape(jax.hessian(problem.log_likelihood), theta, d)
    except Exception as error:  # whatever the user's function raises
        raise InputError(
            f"{where}: expected a function in jax.numpy, found {in_a_line(error)}"
        ) from None
    if found.shape != ():
        raise InputError(
            f"{where}: expected one number for a simulation, found an array of shape "
            f"{found.shape}; is a sum missing?"
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


def not_finite(rows: np.ndarray) -> np.ndarray:
    """Numbers of the rows that hold NaN or infinity."""
    return np.flatnonzero(~np.isfinite(rows).all(axis=tuple(range(1, rows.ndim))))
