"""The exact gradient of the loss, with n_per_device simulations on a device at a time.

The loss is a function of moments over all simulations, so it does not decompose: a mean of chunks'
gradients is wrong by tens of per cent. Two passes are exact. (1) Chunk by chunk accumulate the moments;
take the loss and its gradient by the moments, which are tiny. (2) Chunk by chunk pull that gradient
back through the network, and add. With G_C = dloss/dC and G_D = dloss/d(dmu/dtheta), the cotangent of
summary i is (G_C + G_C^T)(x_i - mu) / (n_s - 1), and that of its derivative G_D / n_d.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core import fisher
from imnn_core.fisher import Moments
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding

Weights = Any  # a tree of arrays


class Batch(NamedTuple):
    """Simulations for one call of `summarise`: fiducial (n, *input_shape), derivative (n_d, *input_shape, n_params).

    The derivatives are those of the first n_d simulations, 1 <= n_d <= n.
    """

    fiducial: jax.Array
    derivative: jax.Array


class Chunks(NamedTuple):
    """Simulations cut into chunks of equal size, filled up where they do not divide.

    batch: with a first axis over chunks.
    present_x, present_d: 1 for what counts, 0 for filling, (n_chunks, n) and (n_chunks, n_d).
    """

    batch: Batch
    present_x: jax.Array
    present_d: jax.Array


# Simulations that have derivatives and the rest of them: two groups of chunks, since a pass over the latter is cheaper.
Data = tuple[Chunks, ...]
# (weights, batch) -> x (n, n_summaries), dx_dtheta (n_d, n_summaries, n_params)
Summarise = Callable[[Weights, Batch], tuple[jax.Array, jax.Array]]
Loss = Callable[[jax.Array, jax.Array], jax.Array]  # (C, dmu_dtheta) -> ()


class Engine(NamedTuple):
    """What a fit needs to know of its data; weights are a tree of arrays.

    gradient: (weights, data) -> Moments, loss, gradient of the loss by the weights.
    moments: (weights, data) -> Moments.
    place: data -> the same, where `gradient` and `moments` want it.
    home: where the weights live.
    fused: whether both may be called inside a jitted function.
    """

    gradient: Callable[[Weights, Data], tuple[Moments, jax.Array, Weights]]
    moments: Callable[[Weights, Data], Moments]
    place: Callable[[Data], Data]
    home: Sharding
    fused: bool


def exact(apply: Callable[[Weights, jax.Array], jax.Array]) -> Summarise:
    """The `summarise` of simulations with exact derivatives.

    dx/dtheta by the chain rule, the n_params tangents pushed forward through the network, so that its
    Jacobian by the simulation is never built.

    Args:
        apply: network on one simulation, (weights, d) -> x.

    """

    def summarise(weights, batch):
        network = partial(apply, weights)

        def with_derivative(d, dd):  # d: (*input_shape), dd: (*input_shape, n_params)
            def push(tangent):
                return jax.jvp(network, (d,), (tangent,))

            return jax.vmap(push, in_axes=-1, out_axes=(None, -1))(dd)  # (n_summaries,), (n_summaries, n_params)

        n_d = len(batch.derivative)
        x, dx_dtheta = jax.vmap(with_derivative)(batch.fiducial[:n_d], batch.derivative)
        if n_d < len(batch.fiducial):
            x = jnp.concatenate([x, jax.vmap(network)(batch.fiducial[n_d:])])
        return x, dx_dtheta

    return summarise


def _cut(fiducial: np.ndarray, derivative: np.ndarray, n_per_device: int, n_devices: int) -> Chunks:
    """Chunks of equal size, at most n_per_device, as many as a multiple of the devices."""
    n_s, n_d = len(fiducial), len(derivative)
    n_chunks = n_devices * math.ceil(n_s / (n_per_device * n_devices))
    size = math.ceil(n_s / n_chunks)

    def fill(array):  # with the first simulation, on which the network is defined
        filling = np.broadcast_to(array[:1], (n_chunks * size - len(array), *array.shape[1:]))
        return np.concatenate([array, filling]).reshape(n_chunks, size, *array.shape[1:])

    def present(n):
        return (np.arange(n_chunks * size) < n).astype(fiducial.dtype).reshape(n_chunks, size)

    if n_d == 0:  # one row a chunk that does not count: jaxlib 0.11 crashes on empty arrays that are shared by CPU devices
        nothing = np.zeros((n_chunks, 1, *derivative.shape[1:]), derivative.dtype)
        return Chunks(Batch(fill(fiducial), nothing), present(n_s), np.zeros((n_chunks, 1), fiducial.dtype))
    return Chunks(Batch(fill(fiducial), fill(derivative)), present(n_s), present(n_d))


def chunks(fiducial: np.ndarray, derivative: np.ndarray, n_per_device: int, n_devices: int = 1) -> Data:
    """Simulations cut for the devices, on the host.

    Args:
        fiducial: (n_s, *input_shape).
        derivative: of the first n_d <= n_s of them, (n_d, *input_shape, n_params).
        n_per_device: simulations on a device at a time, at most; n_s need not be divisible by it.
        n_devices: devices that the chunks are dealt to.

    """
    n_d = len(derivative)
    with_derivative = _cut(fiducial[:n_d], derivative, n_per_device, n_devices)
    if n_d == len(fiducial):
        return (with_derivative,)
    return (with_derivative, _cut(fiducial[n_d:], derivative[:0], n_per_device, n_devices))


def _moments_of_chunk(summarise: Summarise, chunk: Chunks, weights: Weights) -> Moments:
    return fisher.moments(*summarise(weights, chunk.batch), chunk.present_x, chunk.present_d)


def _pull_back(summarise: Summarise, chunk: Chunks, weights: Weights, m: Moments, G_C, G_D) -> Weights:
    """This chunk's share of the gradient of the loss by the weights."""
    (x, _), pull = jax.vjp(lambda w: summarise(w, chunk.batch), weights)
    x_bar = chunk.present_x[:, None] * ((x - m.mean[None]) @ (G_C + G_C.T)) / (m.n_s - 1)  # (n, n_summaries)
    dx_bar = chunk.present_d[:, None, None] * G_D[None] / m.n_d  # (n_d, n_summaries, n_params)
    return pull((x_bar, dx_bar))[0]


def _loss_and_cotangents(loss: Loss, m: Moments):
    """The loss, and its gradients by C and by dmu/dtheta."""
    value, (G_C, G_D) = jax.value_and_grad(loss, argnums=(0, 1))(fisher.covariance(m), m.mean_derivative)
    return value, G_C, G_D


def on_devices(summarise: Summarise, loss: Loss, devices: Sequence[jax.Device]) -> Engine:
    """The engine that aggregates on the devices, which hold the data: one program, without a trip to the host.

    Args:
        summarise: of one batch.
        loss: function of C and dmu/dtheta.
        devices: they share the chunks; the moments and gradients of all are summed on each.

    """
    mesh = Mesh(np.asarray(devices), ("devices",))
    everywhere, shared = PartitionSpec(), PartitionSpec("devices")

    @partial(jax.shard_map, mesh=mesh, in_specs=(everywhere, shared), out_specs=everywhere, check_vma=False)
    def moments(weights, data):
        parts = [jax.lax.map(lambda chunk: _moments_of_chunk(summarise, chunk, weights), part) for part in data]
        stacked = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)
        return fisher.merge_all(jax.lax.all_gather(fisher.merge_all(stacked), "devices"))

    @partial(jax.shard_map, mesh=mesh, in_specs=(everywhere, shared) + 3 * (everywhere,), out_specs=everywhere, check_vma=False)
    def pull_back(weights, data, m, G_C, G_D):
        def add(total, chunk):
            return jax.tree.map(jnp.add, total, _pull_back(summarise, chunk, weights, m, G_C, G_D)), None

        total = jax.tree.map(jnp.zeros_like, weights)
        for part in data:
            total, _ = jax.lax.scan(add, total, part)
        return jax.lax.psum(total, "devices")

    def gradient(weights, data):
        m = moments(weights, data)
        value, G_C, G_D = _loss_and_cotangents(loss, m)
        return m, value, pull_back(weights, data, m, G_C, G_D)

    place = partial(jax.device_put, device=NamedSharding(mesh, shared))
    return Engine(gradient, moments, place, NamedSharding(mesh, everywhere), fused=True)


def on_host(summarise: Summarise, loss: Loss, devices: Sequence[jax.Device], host: jax.Device) -> Engine:
    """The engine that aggregates on the host: data stay there, chunks travel to the devices in turn.

    Args:
        summarise: of one batch.
        loss: function of C and dmu/dtheta.
        devices: chunk k goes to device k modulo their number.
        host: the device, as a rule the CPU, that holds simulations and weights, merges moments and takes the loss.

    """
    moments_of_chunk = jax.jit(partial(_moments_of_chunk, summarise))
    pull_back_chunk = jax.jit(partial(_pull_back, summarise))
    loss_and_cotangents = jax.jit(partial(_loss_and_cotangents, loss))
    merge, add = jax.jit(fisher.merge), jax.jit(partial(jax.tree.map, jnp.add))

    def accumulate(function, combine, data, *replicated):
        """Combine over all chunks of function(chunk, *replicated), each on its device; combined on the host."""
        copies = [jax.device_put(replicated, device) for device in devices]
        total, k = None, 0
        for part in data:
            for i in range(len(part.present_x)):
                device = k % len(devices)
                chunk = jax.device_put(jax.tree.map(lambda leaf, i=i: leaf[i], part), devices[device])
                share = jax.device_put(function(chunk, *copies[device]), host)
                total, k = share if total is None else combine(total, share), k + 1
        return total

    def moments(weights, data):
        return accumulate(moments_of_chunk, merge, data, weights)

    def gradient(weights, data):
        m = moments(weights, data)
        value, G_C, G_D = loss_and_cotangents(m)
        return m, value, accumulate(pull_back_chunk, add, data, weights, m, G_C, G_D)

    return Engine(gradient, moments, lambda data: data, SingleDeviceSharding(host), fused=False)


def make_engine(summarise: Summarise, loss: Loss, devices: Sequence[jax.Device], host: jax.Device) -> Engine:
    """`on_devices` where the host is one of their kind, else `on_host`."""
    if host.platform == devices[0].platform:
        return on_devices(summarise, loss, devices)
    return on_host(summarise, loss, devices, host)
