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
from imnn_core.gradient.passes import Passes, Summarise, Weights
from imnn_core.store.sizes import BLOCK
from jax.sharding import Mesh, NamedSharding, Sharding, SingleDeviceSharding

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
    both = Passes(summarise, mesh, parallel)

    def load(source, n_per_device):
        groups = chunks.cut(source, n_per_device, mesh.size)
        data = tuple(chunks.fill(source, group, 0, chunks.empty(source, group)) for group in groups)
        return jax.device_put(data, NamedSharding(mesh, passes.SHARED))

    def gradient(weights, data):
        keep = both.kept(weights, data) <= passes.ACTIVATIONS
        m, kept = both.forward(weights, data) if keep else (both.moments(weights, data), None)
        value, *cotangents = _loss_and_cotangents(loss, m)
        if keep:
            return m, value, both.backward(weights, kept, m, *cotangents)
        return m, value, both.pull_back(weights, data, m, *cotangents)

    return Engine(load, gradient, both.moments, NamedSharding(mesh, passes.EVERYWHERE), fused=True)


class _OnHost:
    """Both passes over the blocks of a stream; the host adds the blocks' shares in float64."""

    def __init__(self, both: Passes):
        self._both, self._everywhere = both, NamedSharding(both.mesh, passes.EVERYWHERE)
        self._moments, self._forward = jax.jit(both.moments), jax.jit(both.forward)
        self._backward, self._pull_back = jax.jit(both.backward), jax.jit(both.pull_back)
        self._merge_all = in_float64(fisher.merge_all)

    def moments(self, weights, stream) -> Moments:
        """The first pass alone."""
        weights = jax.device_put(weights, self._everywhere)
        return self._merged(stream.map(lambda block: self._moments(weights, (block,))))

    def first(self, weights, stream) -> tuple[Moments, list | None]:
        """The first pass, and what it keeps for the second; None where that is too much."""
        if not self._is_worth_keeping(weights, stream):
            return self.moments(weights, stream), None
        weights, kept = jax.device_put(weights, self._everywhere), []

        def keeping(block):
            m, of_block = self._forward(weights, (block,))
            kept.append(of_block)
            return m

        return self._merged(stream.map(keeping)), kept

    def second(self, weights, stream, kept, *cotangents) -> Weights:
        """The gradient by the weights, from ``kept`` or from the simulations."""
        dtype = jax.tree.leaves(weights)[0].dtype
        narrow = jax.tree.map(lambda leaf: leaf.astype(dtype), cotangents)
        weights, narrow = jax.device_put((weights, narrow), self._everywhere)
        if kept is None:
            shares = stream.map(lambda block: self._pull_back(weights, (block,), *narrow))
        else:
            shares = computed(self._backward(weights, of_block, *narrow) for of_block in kept)
        return functools.reduce(partial(jax.tree.map, np.add), map(_wide, shares))

    def _is_worth_keeping(self, weights, stream) -> bool:
        """Whether all that the first pass leaves fits, and is far less than what is read."""
        kept = sum(n * self._both.kept(weights, (block,)) for n, block in stream.blocks)
        return kept <= min(passes.ACTIVATIONS, stream.n_bytes // (4 * self._both.mesh.size))

    def _merged(self, shares) -> Moments:
        return self._merge_all(jax.tree.map(lambda *leaves: np.stack(leaves), *map(_wide, shares)))


def _wide(tree):
    """A tree of arrays in float64, on the host."""
    return jax.tree.map(partial(np.asarray, dtype=np.float64), tree)


def streamed(
    summarise: Summarise,
    loss: Loss,
    devices: Sequence[jax.Device],
    parallel: int = 1,
    block_bytes: int = BLOCK,
) -> Engine:
    """The engine of sets that stay in their files: a few blocks are in memory, whatever n_s is.

    Args:
        summarise: of one batch.
        loss: function of C and dmu/dtheta.
        devices: they share the chunks of each block; weights live on the host, which aggregates
            moments, loss and gradient.
        parallel: chunks that a device may have in work side by side.
        block_bytes: of a block, if that is more than one chunk for each device.

    """
    mesh = Mesh(np.asarray(devices), ("devices",))
    on_host = _OnHost(Passes(summarise, mesh, parallel))
    loss_and_cotangents = in_float64(partial(_loss_and_cotangents, loss))

    def load(source, n_per_device):
        groups = chunks.cut(source, n_per_device, mesh.size, block_bytes)
        return Stream(source, groups, NamedSharding(mesh, passes.SHARED))

    def gradient(weights, stream):
        m, kept = on_host.first(weights, stream)
        value, *cotangents = loss_and_cotangents(m)
        slope = on_host.second(weights, stream, kept, m, *cotangents)
        narrow = jax.tree.map(lambda g, w: g.astype(w.dtype), slope, weights)
        return m, value, jax.device_put(narrow, device())

    return Engine(load, gradient, on_host.moments, SingleDeviceSharding(device()), fused=False)
