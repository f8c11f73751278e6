"""The `summarise` of each kind of simulations: a batch's summaries and derivatives by theta."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from imnn_core.data.chunks import Batch
from imnn_core.gradient.passes import Summarise, Weights
from imnn_core.problems import Problem, simulator

Apply = Callable[[Weights, jax.Array], jax.Array]  # a network on one simulation, (weights, d) -> x


def exact(apply: Apply) -> Summarise:
    """The `summarise` of simulations with exact derivatives.

    dx/dtheta by the chain rule, the n_params tangents pushed forward through the network, so that
    its Jacobian by the simulation is never built.
    """

    def summarise(weights, batch):
        network = partial(apply, weights)

        def with_derivative(d, dd):  # d: (*input_shape), dd: (*input_shape, n_params)
            def push(tangent):
                return jax.jvp(network, (d,), (tangent,))

            return jax.vmap(push, in_axes=-1, out_axes=(None, -1))(
                dd
            )  # (n_summaries,), (n_summaries, n_params)

        n_d = len(batch.derivative)
        x, dx_dtheta = jax.vmap(with_derivative)(batch.fiducial[:n_d], batch.derivative)
        if n_d < len(batch.fiducial):
            x = jnp.concatenate([x, jax.vmap(network)(batch.fiducial[n_d:])])
        return x, dx_dtheta

    return summarise


def differences(apply: Apply, delta_theta) -> Summarise:
    """The `summarise` of finite differences of summaries: (x(plus) - x(minus)) / delta_theta.

    The derivatives of a batch are simulations with the same seeds at shifted parameters, (n_d, 2,
    n_params, *input_shape).

    Args:
        apply: network on one simulation.
        delta_theta: distances of the shifted parameters, (n_params,).

    """

    def summarise(weights, batch):
        network = partial(apply, weights)
        minus_plus = jax.vmap(jax.vmap(jax.vmap(network)))(
            batch.derivative
        )  # (n_d, 2, n_params, n_summaries)
        step = jnp.asarray(delta_theta, minus_plus.dtype)[None, :, None]
        dx_dtheta = jnp.moveaxis((minus_plus[:, 1] - minus_plus[:, 0]) / step, 1, -1)
        return jax.vmap(network)(batch.fiducial), dx_dtheta

    return summarise


def stored(apply: Apply, problem: Problem) -> Summarise:
    """The `summarise` of stored simulations: with exact derivatives, or with finite differences."""
    return (
        exact(apply)
        if problem.delta_theta is None
        else differences(apply, simulator.steps(problem))
    )


def on_the_fly(summarise: Summarise, problem: Problem) -> Summarise:
    """The `summarise` of batches of random keys; it draws the simulations each time.

    A batch of keys has their data in place of simulations and of derivatives, (n, 2) and (n_d, 2)
    of uint32. Another batch, as of the validation set, is taken as it is.

    Args:
        summarise: of the simulations.
        problem: its simulator draws them.

    """
    fiducial, derivative = (
        jax.vmap(lambda data, of_one=of_one: of_one(jax.random.wrap_key_data(data)))
        for of_one in simulator.of_key(problem)
    )

    def drawn(weights, batch):
        if jnp.issubdtype(batch.fiducial.dtype, jnp.floating):
            return summarise(weights, batch)
        return summarise(weights, Batch(fiducial(batch.fiducial), derivative(batch.derivative)))

    return drawn
