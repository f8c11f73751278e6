"""What a simulator gives. Imports no jax."""

import numpy as np
from imnn_core.problems.problem import Problem
from imnn_core.store.errors import InputError


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
