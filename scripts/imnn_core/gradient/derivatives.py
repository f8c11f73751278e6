"""The `summarise` of each kind of simulations: a batch's summaries and derivatives by theta."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
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


def differences(apply: Apply, weights_of_points: np.ndarray) -> Summarise:
    """The `summarise` of finite differences of summaries, taken after the network.

    The derivatives of a batch are simulations with the same seeds at shifted parameters, (n_d, …,
    *input_shape), with as many of them as the weights say.

    Args:
        apply: network on one simulation.
        weights_of_points: of a fiducial simulation and of those at shifted parameters, (n_params,
            1 + n_columns).

    """

    def summarise(weights, batch):
        network = jax.vmap(partial(apply, weights))
        x = network(batch.fiducial)
        columns = _columns(batch)
        of_columns = jax.vmap(network)(columns)  # (n_d, n_columns, n_summaries)
        return x, _derivative(weights_of_points, x[: len(columns), None], of_columns)

    return summarise


def both(apply: Apply, weights_of_points: np.ndarray) -> Summarise:
    """The `summarise` of finite differences in the data and of summaries, side by side.

    Of each derivative the tangent that is pushed through the network comes first, (n_d,
    n_summaries, 2 n_derivatives).

    Args:
        apply: network on one simulation.
        weights_of_points: as of `differences`, (n_derivatives, 1 + n_columns).

    """
    of_summaries = differences(apply, weights_of_points)

    def summarise(weights, batch):
        columns = _columns(batch)
        tangents = _derivative(weights_of_points, batch.fiducial[: len(columns), None], columns)
        x, through = exact(apply)(weights, Batch(batch.fiducial, tangents))
        return x, jnp.concatenate([through, of_summaries(weights, batch)[1]], axis=-1)

    return summarise


def _columns(batch):
    """Simulations at shifted parameters, (n_d, n_columns, *input_shape)."""
    shape = batch.fiducial.shape[1:]
    return batch.derivative.reshape(len(batch.derivative), -1, *shape)


def _derivative(weights_of_points, fiducial, columns):
    """Derivatives from values at theta_fid (n, 1, …) and at shifted parameters (n, n_columns, …).

    (n, …, n_derivatives). The weights add up to 0, so that the fiducial value may be taken off
    first, which spares digits.
    """
    weights = jnp.asarray(weights_of_points[:, 1:], columns.dtype)
    return jnp.moveaxis(jnp.tensordot(weights, columns - fiducial, axes=(1, 1)), 0, -1)


def stored(apply: Apply, problem: Problem) -> Summarise:
    """The `summarise` of stored simulations: with tangents, or with differences of summaries."""
    return (
        exact(apply)
        if problem.has_tangents
        else differences(apply, simulator.weights_of_points(problem))
    )


def on_the_fly(summarise: Summarise, problem: Problem) -> Summarise:
    """The `summarise` of batches of random keys; it draws the simulations each time.

    A batch of keys has their data in place of simulations and of derivatives, (n, 2) and (n_d, 2)
    of uint32. Another batch, as of the validation set, is taken as it is.

    Args:
        summarise: of the simulations.
        problem: its simulator draws them.

    """
    of_one, derivative_of_one = simulator.of_key(problem)

    def tangents_of_one(key):
        columns = derivative_of_one(key).reshape(-1, *problem.input_shape)
        return _derivative(
            simulator.weights_of_points(problem), of_one(key)[None, None], columns[None]
        )[0]

    is_differenced = problem.delta_theta is not None and problem.has_tangents
    fiducial, derivative = (
        jax.vmap(lambda data, function=function: function(jax.random.wrap_key_data(data)))
        for function in (of_one, tangents_of_one if is_differenced else derivative_of_one)
    )

    def drawn(weights, batch):
        if jnp.issubdtype(batch.fiducial.dtype, jnp.floating):
            return summarise(weights, batch)
        return summarise(weights, Batch(fiducial(batch.fiducial), derivative(batch.derivative)))

    return drawn
