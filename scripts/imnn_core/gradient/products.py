"""Products of stacks of vectors with a matrix, as products of two matrices.

XLA's CPU backend folds a transposition into a product of two matrices, but not into one of an array
of more axes: there it copies. A layer `d @ w` of a network that is mapped over simulations and over
their tangents is such a product, and the gradient by w needs it transposed. Seen in a profile: 12 %
of an iteration of the default recipe were copies.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.extend import core
from jax.extend.core.primitives import dot_general_p, jit_p


def _is_stack(equation) -> bool:
    """Whether it multiplies an array of three or more axes, on the left, with a matrix."""
    if equation.primitive is not dot_general_p:
        return False
    ((left, _), batched), (array, matrix) = (
        equation.params["dimension_numbers"],
        (v.aval for v in equation.invars),
    )
    return array.ndim > 2 and matrix.ndim == 2 and len(left) == 1 and not batched[0]


def _of_matrices(equation, array, matrix):
    """The same product, of the array as one matrix."""
    ((i,), (j,)), _ = equation.params["dimension_numbers"]
    rows = jnp.moveaxis(array, i, -1)
    flat = rows.reshape(math.prod(rows.shape[:-1]), rows.shape[-1])
    product = dot_general_p.bind(
        flat, matrix, **equation.params | {"dimension_numbers": (((1,), (j,)), ((), ()))}
    )
    return product.reshape(*rows.shape[:-1], matrix.shape[1 - j])


def _run(jaxpr, constants, arguments) -> list:
    """Values of a program's results."""
    values = dict(zip(jaxpr.constvars, constants, strict=True)) | dict(
        zip(jaxpr.invars, arguments, strict=True)
    )
    for equation in jaxpr.eqns:
        inputs = [v.val if isinstance(v, core.Literal) else values[v] for v in equation.invars]
        if _is_stack(equation):
            results = [_of_matrices(equation, *inputs)]
        elif equation.primitive is jit_p:
            inner = equation.params["jaxpr"]
            results = _run(inner.jaxpr, inner.consts, inputs)
        else:
            results = equation.primitive.bind(
                *inputs, **equation.primitive.get_bind_params(equation.params)
            )
            results = results if equation.primitive.multiple_results else [results]
        values |= zip(equation.outvars, results, strict=True)
    return [v.val if isinstance(v, core.Literal) else values[v] for v in jaxpr.outvars]


def of_matrices(function: Callable) -> Callable:
    """The same function, with its products of stacks and matrices as products of two matrices.

    Those with the stack on the right, and those within a loop, a branch or a function with a
    derivative of its own stay as they are. What the program says of itself (names for a profile,
    lines of the source) is lost.
    """

    def rewritten(*arguments):
        program, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
        results = _run(program.jaxpr, program.consts, jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(shapes), results)

    return rewritten
