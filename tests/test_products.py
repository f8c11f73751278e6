"""Products of stacks of vectors with a matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_simulations, small_network
from imnn_core.data import chunks
from imnn_core.gradient import products


def shapes_in_products(program):
    """Numbers of axes of what the program multiplies, functions that it calls included."""
    found = []
    for equation in program.eqns:
        if equation.primitive.name == "dot_general":
            found.append([v.aval.ndim for v in equation.invars])
        for inner in equation.params.values():
            found += shapes_in_products(inner.jaxpr) if hasattr(inner, "jaxpr") else []
    return found


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("of_matrix", [0, 1])
def test_a_product_over_any_axes(float64, rng, axis, of_matrix):
    """Oracle: numpy's tensordot."""
    array, matrix = (
        np.moveaxis(rng.standard_normal((4, 5, 3)), -1, axis),
        rng.standard_normal((3, 2)),
    )
    matrix = matrix.T if of_matrix else matrix

    def function(array, matrix):
        return jax.lax.dot_general(array, matrix, (((axis,), (of_matrix,)), ((), ())))

    found = products.of_matrices(function)(array, matrix)
    np.testing.assert_allclose(found, np.tensordot(array, matrix, (axis, of_matrix)), rtol=1e-14)


@pytest.mark.parametrize("shape", [(0, 5, 3), (4, 5, 0)])
def test_a_product_of_nothing(shape):
    """Oracle: numpy."""
    array, matrix = np.ones(shape), np.ones((shape[-1], 2))
    np.testing.assert_array_equal(products.of_matrices(jnp.matmul)(array, matrix), array @ matrix)


def test_a_network_and_its_gradient_multiply_matrices_only(float64, rng):
    """Oracle of the values: jax's own derivative of the network as it was written."""
    summarise, weights = small_network()
    batch = chunks.Batch(*map(jnp.asarray, random_simulations(rng, float64)))

    def gradient(function):
        return jax.grad(lambda w: sum(jnp.sum(jnp.sin(leaf)) for leaf in function(w, batch)))

    before, after = gradient(summarise), gradient(products.of_matrices(summarise))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), after(weights), before(weights)
    )
    assert max(map(max, shapes_in_products(jax.make_jaxpr(before)(weights).jaxpr))) == 3
    assert max(map(max, shapes_in_products(jax.make_jaxpr(after)(weights).jaxpr))) == 2


def test_loops_calls_and_derivatives_of_ones_own_stay(float64, rng):
    """Oracle: jax on the function as it was written, whose derivative by the array is wrong on
    purpose.
    """
    array, matrix, constant = (
        rng.standard_normal((4, 5, 3)),
        rng.standard_normal((3, 3)),
        rng.standard_normal((4, 5, 3)),
    )

    @jax.custom_jvp
    def odd(x):
        return x**2

    odd.defjvp(lambda primals, tangents: (odd(*primals), 7 * tangents[0]))

    @jax.jit
    def layer(x):
        return odd(x @ matrix) + constant

    def function(x):
        looped, _ = jax.lax.scan(lambda x, _: (x @ matrix, None), layer(x), None, 3)
        return {"sum": jnp.sum(looped), "same": x, "literal": 2.0}

    rewritten = products.of_matrices(function)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), rewritten(array), function(array)
    )
    slopes = (jax.grad(lambda x, f=f: f(x)["sum"])(array) for f in (rewritten, function))
    np.testing.assert_allclose(*slopes, rtol=1e-12)
