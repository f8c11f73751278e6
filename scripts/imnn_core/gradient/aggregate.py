"""The exact gradient of the loss, with n_per_device simulations on a device at a time.

The loss is a function of moments over all simulations, so it does not decompose: a mean of chunks'
gradients is wrong by tens of per cent. Two passes are exact. (1) Chunk by chunk accumulate the
moments; take the loss and its gradient by the moments, which are tiny. (2) Chunk by chunk pull that
gradient back through the network, and add. Where what the first pass leaves is small, the second
starts from it.

Two ways for data to flow, one result: `resident`, where the set lies on the devices and one program
does all, and `streamed`, where blocks of it come to the devices in turn and their shares are added
on the host, in float64.
"""

import functools
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from imnn_core.data import chunks
from imnn_core.data.chunks import Chunks
from imnn_core.data.stream import Stream, computed
from imnn_core.gradient import fisher, passes
from imnn_core.gradient.fisher import Moments
from imnn_core.gradient.host import device, in_float64
from imnn_core.gradient.passes import Summarise, Weights
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding

BLOCK = 2**21  # bytes of a streamed block, as a rule: enough to hide what a call costs

Data = tuple[Chunks, ...] | Stream  # as an engine's `load` gives it
Loss = Callable[[jax.Array, jax.Array], jax.Array]  # (C, dmu_dtheta) -> ()


class Engine(NamedTuple):
    """What a fit needs to know of its data; weights are a tree of arrays.

    load: (source, n_per_device) -> data for `gradient` and `moments`, with at most n_per_device
        simulations in a chunk.
    gradient: (weights, data) -> Moments, loss, gradient of the loss by the weights.
    moments: (weights, data) -> Moments.
    home: where the weights live.
    fused: whether both may be called inside a jitted function; if not, Moments and loss are float64
        arrays of numpy.
    """

    load: Callable[..., Data]
    gradient: Callable[[Weights, Data], tuple[Moments, jax.Array, Weights]]
    moments: Callable[[Weights, Data], Moments]
    home: Sharding
    fused: bool


def _loss_and_cotangents(loss: Loss, m: Moments):
    """The loss, and its gradients by C and by dmu/dtheta."""
    value, (G_C, G_D) = jax.value_and_grad(loss, argnums=(0, 1))(
        fisher.covariance(m), m.mean_derivative
    )
    return value, G_C, G_D


def resident(
    summarise: Summarise, loss: Loss, devices: Sequence[jax.Device], parallel: int = 1
) -> Engine:
    """The engine of sets that lie on the devices: one program, without a trip to the host.

    Args:
        summarise: of one batch.
        loss: function of C and dmu/dtheta.
        devices: they share the chunks; the moments and gradients of all are summed on each.
        parallel: chunks that a device may have in work side by side.

    """
    mesh = Mesh(np.asarray(devices), ("devices",))
    both = passes.build(summarise, mesh, parallel)

    def load(source, n_per_device):
        groups = chunks.cut(source, n_per_device, mesh.size)
        data = tuple(chunks.fill(source, group, 0, chunks.empty(source, group)) for group in groups)
        return jax.device_put(data, NamedSharding(mesh, PartitionSpec("devices")))

    def gradient(weights, data):
        keep = both.kept(weights, data) <= passes.ACTIVATIONS
        m, kept = both.forward(weights, data) if keep else (both.moments(weights, data), None)
        value, G_C, G_D = _loss_and_cotangents(loss, m)
        slope = (
            both.backward(weights, kept, m, G_C, G_D)
            if keep
            else both.pull_back(weights, data, m, G_C, G_D)
        )
        return m, value, slope

    return Engine(load, gradient, both.moments, NamedSharding(mesh, PartitionSpec()), fused=True)


def streamed(
    summarise: Summarise,
    loss: Loss,
    devices: Sequence[jax.Device],
    parallel: int = 1,
    block_bytes: int = BLOCK,
) -> Engine:
    """The engine of sets that stay where they are: a few blocks are in memory at a time, whatever n_s is.

    Args:
        summarise: of one batch.
        loss: function of C and dmu/dtheta.
        devices: they share the chunks of each block; weights live on the host, which aggregates
            moments, loss and gradient.
        parallel: chunks that a device may have in work side by side.
        block_bytes: of a block, if that is more than one chunk for each device.

    """
    mesh = Mesh(np.asarray(devices), ("devices",))
    everywhere, shared = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), ("devices",)))
    both = passes.build(summarise, mesh, parallel)
    moments_of, forward, backward, pull_back = map(
        jax.jit, (both.moments, both.forward, both.backward, both.pull_back)
    )
    on_host = partial(jax.tree.map, partial(np.asarray, dtype=np.float64))
    merge_all, loss_and_cotangents = (
        in_float64(fisher.merge_all),
        in_float64(partial(_loss_and_cotangents, loss)),
    )

    def load(source, n_per_device):
        return Stream(source, chunks.cut(source, n_per_device, mesh.size, block_bytes), shared)

    def worth_keeping(weights, stream):
        """Whether what the first pass leaves of all blocks fits, and is far less than what the second would read."""
        kept = sum(n_blocks * both.kept(weights, (block,)) for n_blocks, block in stream.blocks)
        return kept <= min(passes.ACTIVATIONS, stream.n_bytes // (4 * mesh.size))

    def merged(shares):
        return merge_all(jax.tree.map(lambda *leaves: np.stack(leaves), *map(on_host, shares)))

    def moments(weights, stream):
        weights = jax.device_put(weights, everywhere)
        return merged(stream.map(lambda block: moments_of(weights, (block,))))

    def gradient(home, stream):
        weights, keep, kept = jax.device_put(home, everywhere), worth_keeping(home, stream), []

        def keeping(block):
            m, of_block = forward(weights, (block,))
            kept.append(of_block)
            return m

        m = merged(stream.map(keeping)) if keep else moments(weights, stream)
        value, G_C, G_D = loss_and_cotangents(m)
        dtype = jax.tree.leaves(home)[0].dtype
        narrow = jax.device_put(
            jax.tree.map(lambda leaf: leaf.astype(dtype), (m, G_C, G_D)), everywhere
        )
        if keep:
            shares = computed(backward(weights, of_block, *narrow) for of_block in kept)
        else:
            shares = stream.map(lambda block: pull_back(weights, (block,), *narrow))
        total = functools.reduce(partial(jax.tree.map, np.add), map(on_host, shares))
        return (
            m,
            value,
            jax.device_put(jax.tree.map(lambda g, w: g.astype(w.dtype), total, home), device()),
        )

    return Engine(load, gradient, moments, SingleDeviceSharding(device()), fused=False)
