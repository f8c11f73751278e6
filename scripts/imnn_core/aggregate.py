"""The exact gradient of the loss, with n_per_device simulations on a device at a time.

The loss is a function of moments over all simulations, so it does not decompose: a mean of chunks'
gradients is wrong by tens of per cent. Two passes are exact. (1) Chunk by chunk accumulate the moments;
take the loss and its gradient by the moments, which are tiny. (2) Chunk by chunk pull that gradient
back through the network, and add. With G_C = dloss/dC and G_D = dloss/d(dmu/dtheta), the cotangent of
summary i is (G_C + G_C^T)(x_i - mu) / (n_s - 1), and that of its derivative G_D / n_d.

Two ways for data to flow, one result: `resident`, where the set lies on the devices and one program does all, and
`streamed`, where blocks of it come to the devices in turn and their shares are added on the host, in float64.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core import chunks, fisher
from imnn_core.chunks import Batch, Chunks
from imnn_core.fisher import Moments
from imnn_core.host import device, in_float64
from imnn_core.stream import Stream
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding

ACTIVATIONS = 2**26  # bytes of activations that a device may hold beyond those of one chunk
BLOCK = 2**21  # bytes of a streamed block, as a rule: enough to hide what a call costs

Weights = Any  # a tree of arrays
Data = tuple[Chunks, ...] | Stream  # as an engine's `load` gives it
# (weights, batch) -> x (n, n_summaries), dx_dtheta (n_d, n_summaries, n_params)
Summarise = Callable[[Weights, Batch], tuple[jax.Array, jax.Array]]
Loss = Callable[[jax.Array, jax.Array], jax.Array]  # (C, dmu_dtheta) -> ()


class Engine(NamedTuple):
    """What a fit needs to know of its data; weights are a tree of arrays.

    load: (source, n_per_device, once) -> data for `gradient` and `moments`, with at most n_per_device simulations in a
        chunk; ``once`` says that one pass is all that they will be used for.
    gradient: (weights, data) -> Moments, loss, gradient of the loss by the weights.
    moments: (weights, data) -> Moments.
    home: where the weights live.
    fused: whether both may be called inside a jitted function; if not, Moments and loss are float64 arrays of numpy.
    """

    load: Callable[..., Data]
    gradient: Callable[[Weights, Data], tuple[Moments, jax.Array, Weights]]
    moments: Callable[[Weights, Data], Moments]
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


class _Programs(NamedTuple):
    """Both passes over chunks on devices, and both in one where the activations of the first can be kept."""

    moments: Callable
    pull_back: Callable
    gradient: Callable


def _cotangents(m: Moments, x, present_x, present_d, G_C, G_D):
    """Gradients of the loss by a chunk's summaries (n, n_summaries) and by their derivatives (n_d, n_summaries, n_params)."""
    x_bar = present_x[:, None] * ((x - m.mean[None]) @ (G_C + G_C.T)) / (m.n_s - 1)
    return x_bar, present_d[:, None, None] * G_D[None] / m.n_d


def _loss_and_cotangents(loss: Loss, m: Moments):
    """The loss, and its gradients by C and by dmu/dtheta."""
    value, (G_C, G_D) = jax.value_and_grad(loss, argnums=(0, 1))(fisher.covariance(m), m.mean_derivative)
    return value, G_C, G_D


def _activations(summarise: Summarise, weights: Weights, part: Chunks) -> int:
    """Bytes that the pull-back of one chunk needs, once its summaries are known."""

    def pull(weights, batch):
        return jax.vjp(lambda w: summarise(w, batch), weights)[1]

    batch = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), part.batch)
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(jax.eval_shape(pull, weights, batch)))


def _programs(summarise: Summarise, loss: Loss, mesh: Mesh, parallel: int) -> _Programs:
    """Functions of weights and chunks that are dealt to the devices; their results are the same on each device."""
    everywhere, shared = PartitionSpec(), PartitionSpec("devices")
    on_devices = partial(jax.shard_map, mesh=mesh, out_specs=everywhere, check_vma=False)

    def scan(function, weights, total, part):
        """Scan over chunks, several of them side by side as far as ACTIVATIONS allow."""
        n = len(part.present_x)
        most = max(1, min(parallel, ACTIVATIONS // max(1, _activations(summarise, weights, part))))
        return jax.lax.scan(function, total, part, unroll=math.ceil(n / math.ceil(n / most)))

    def merged(parts):
        """Moments of all devices' chunks, from those of this device's, stacked."""
        stacked = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)
        return fisher.merge_all(jax.lax.all_gather(fisher.merge_all(stacked), "devices"))

    @partial(on_devices, in_specs=(everywhere, shared))
    def moments(weights, data):
        def of_chunk(_, chunk):
            return None, fisher.moments(*summarise(weights, chunk.batch), chunk.present_x, chunk.present_d)

        return merged([scan(of_chunk, weights, None, part)[1] for part in data])

    @partial(on_devices, in_specs=(everywhere, shared) + 3 * (everywhere,))
    def pull_back(weights, data, m, G_C, G_D):
        def add(total, chunk):
            (x, _), pull = jax.vjp(lambda w: summarise(w, chunk.batch), weights)
            share = pull(_cotangents(m, x, chunk.present_x, chunk.present_d, G_C, G_D))[0]
            return jax.tree.map(jnp.add, total, share), None

        total = jax.tree.map(jnp.zeros_like, weights)
        for part in data:
            total, _ = scan(add, weights, total, part)
        return jax.lax.psum(total, "devices")

    @partial(on_devices, in_specs=(everywhere, shared))
    def in_one(weights, data):
        def summaries(weights):
            return [scan(lambda _, c: (None, summarise(weights, c.batch)), weights, None, part)[1] for part in data]

        found, pull = jax.vjp(summaries, weights)
        m = merged([jax.vmap(fisher.moments)(*s, p.present_x, p.present_d) for s, p in zip(found, data, strict=True)])
        value, G_C, G_D = _loss_and_cotangents(loss, m)
        of_chunks = jax.vmap(lambda x, p: _cotangents(m, x, p.present_x, p.present_d, G_C, G_D))
        bars = [of_chunks(x, part) for (x, _), part in zip(found, data, strict=True)]
        return m, value, jax.lax.psum(pull(bars)[0], "devices")

    def gradient(weights, data):
        of_device = sum(_activations(summarise, weights, part) * len(part.present_x) for part in data) / mesh.size
        if of_device <= ACTIVATIONS:
            return in_one(weights, data)
        m = moments(weights, data)
        value, G_C, G_D = _loss_and_cotangents(loss, m)
        return m, value, pull_back(weights, data, m, G_C, G_D)

    return _Programs(moments, pull_back, gradient)


def resident(summarise: Summarise, loss: Loss, devices: Sequence[jax.Device], parallel: int = 1) -> Engine:
    """The engine of sets that lie on the devices: one program, without a trip to the host.

    Args:
        summarise: of one batch.
        loss: function of C and dmu/dtheta.
        devices: they share the chunks; the moments and gradients of all are summed on each.
        parallel: chunks that a device may have in work side by side.

    """
    mesh = Mesh(np.asarray(devices), ("devices",))
    programs = _programs(summarise, loss, mesh, parallel)

    def load(source, n_per_device, once=False):
        groups = chunks.cut(source, n_per_device, mesh.size)
        data = tuple(chunks.fill(source, group, 0, chunks.empty(source, group)) for group in groups)
        return jax.device_put(data, NamedSharding(mesh, PartitionSpec("devices")))

    return Engine(load, programs.gradient, programs.moments, NamedSharding(mesh, PartitionSpec()), fused=True)


def streamed(
    summarise: Summarise, loss: Loss, devices: Sequence[jax.Device], parallel: int = 1, block_bytes: int = BLOCK
) -> Engine:
    """The engine of sets that stay where they are: a few blocks are in memory at a time, whatever n_s is.

    Args:
        summarise: of one batch.
        loss: function of C and dmu/dtheta.
        devices: they share the chunks of each block; weights live on the host, which aggregates moments, loss and gradient.
        parallel: chunks that a device may have in work side by side.
        block_bytes: of a block, if that is more than one chunk for each device.

    """
    mesh = Mesh(np.asarray(devices), ("devices",))
    everywhere, shared = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), ("devices",)))
    programs = _programs(summarise, loss, mesh, parallel)
    moments_of_block, pull_back_block = jax.jit(programs.moments), jax.jit(programs.pull_back)
    merge, loss_and_cotangents = in_float64(fisher.merge), in_float64(partial(_loss_and_cotangents, loss))

    def load(source, n_per_device, once=False):
        return Stream(source, chunks.cut(source, n_per_device, mesh.size, block_bytes), shared, once)

    def aggregate(combine, function, stream, *arguments):
        """Combine function(weights, (block,), …) of all blocks."""
        weights, *others = jax.device_put(arguments, everywhere)
        total = None
        for share in stream.map(lambda block: function(weights, (block,), *others)):
            share = jax.tree.map(partial(np.asarray, dtype=np.float64), share)
            total = share if total is None else combine(total, share)
        return total

    def add(total, share):
        return jax.tree.map(np.add, total, share)

    def moments(weights, stream):
        return aggregate(merge, moments_of_block, stream, weights)

    def gradient(weights, stream):
        m = moments(weights, stream)
        value, G_C, G_D = loss_and_cotangents(m)
        dtype = jax.tree.leaves(weights)[0].dtype
        narrow = jax.tree.map(lambda leaf: leaf.astype(dtype), (m, G_C, G_D))
        total = aggregate(add, pull_back_block, stream, weights, *narrow)
        return m, value, jax.device_put(jax.tree.map(lambda g, w: g.astype(w.dtype), total, weights), device())

    return Engine(load, gradient, moments, SingleDeviceSharding(device()), fused=False)
