"""Training simulations changed in every iteration by a symmetry of the problem, so that a fit can't learn them by heart."""

import jax
import jax.numpy as jnp
from imnn_core.chunks import Batch, Chunks


def permute(key: jax.Array, part: Chunks) -> Chunks:
    """The elements of each simulation, along the first axis of its shape, in a random order of its own; so its derivatives.

    The order is that of fold_in(key, number of the simulation), whatever chunk the simulation is in.
    """
    n_elements = part.batch.fiducial.shape[2]

    def order(index):
        return jnp.argsort(jax.random.uniform(jax.random.fold_in(key, index), (n_elements,)))

    orders = jax.vmap(jax.vmap(order))(part.index)  # (n_chunks, n, n_elements)
    permuted = jax.vmap(jax.vmap(lambda array, order: array[order]))
    n_d = part.batch.derivative.shape[1]
    batch = Batch(permuted(part.batch.fiducial, orders), permuted(part.batch.derivative, orders[:, :n_d]))
    return part._replace(batch=batch)


AUGMENTATIONS = {"permute": permute}
