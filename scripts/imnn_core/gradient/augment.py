"""Training simulations changed in every iteration, so that a fit can't learn them by heart."""

import jax
import jax.numpy as jnp
from imnn_core.data.chunks import Batch, Chunks
from imnn_core.problems import Problem


def _key_of(key, part):
    """A key for each simulation, (n_chunks, n), by its number in the set: fold_in(key, number)."""
    return jax.vmap(jax.vmap(lambda index: jax.random.fold_in(key, index)))(part.index)


def permute(problem: Problem, key: jax.Array, part: Chunks) -> Chunks:
    """Reorder each simulation's elements, along its first axis, at random; and its derivatives."""
    n_elements = problem.input_shape[0]

    def order(key):
        return jnp.argsort(jax.random.uniform(key, (n_elements,)))

    def along(axis):
        return jax.vmap(jax.vmap(lambda array, order: jnp.take(array, order, axis=axis)))

    orders = jax.vmap(jax.vmap(order))(_key_of(key, part))  # (n_chunks, n, n_elements)
    n_d = part.batch.derivative.shape[1]
    # Of tangents the elements come first, of simulations at shifted parameters after those.
    n_axes = len(problem.derivative_shape) - len(problem.input_shape)
    of_derivative = along(0 if problem.has_tangents else n_axes)
    batch = Batch(
        along(0)(part.batch.fiducial, orders), of_derivative(part.batch.derivative, orders[:, :n_d])
    )
    return part._replace(batch=batch)


def new_keys(problem: Problem, key: jax.Array, part: Chunks) -> Chunks:
    """Put new random keys into a part; `derivatives.on_the_fly` draws simulations from them."""
    data = jax.random.key_data(_key_of(key, part))
    return part._replace(batch=Batch(data, data[:, : part.batch.derivative.shape[1]]))


AUGMENTATIONS = {"permute": permute}
