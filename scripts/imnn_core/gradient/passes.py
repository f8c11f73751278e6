"""The two passes of the exact gradient over chunks on devices, as functions that jax can compile.

With G_C = dloss/dC and G_D = dloss/d(dmu/dtheta), the cotangent of summary i is (G_C + G_C^T)(x_i -
mu) / (n_s - 1), and that of its derivative G_D / n_d; the second pass pulls them back through the
network.
"""

import math
import operator
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from imnn_core.data.chunks import Batch
from imnn_core.gradient import fisher, products
from imnn_core.gradient.fisher import Moments
from jax.sharding import Mesh, PartitionSpec
from jax.tree_util import Partial

ACTIVATIONS = (
    2**26
)  # bytes of activations that a device may hold beyond those of one chunk: side by side, and kept
ARRAY = 2**11  # bytes of the host that an array takes beyond its numbers, as measured on small ones

Weights = Any  # a tree of arrays
# (weights, batch) -> x (n, n_summaries), dx_dtheta (n_d, n_summaries, n_params)
Summarise = Callable[[Weights, Batch], tuple[jax.Array, jax.Array]]


class Kept(NamedTuple):
    """What the first pass leaves for the second, so that it needs no simulations: lists over parts, but for ``pull``.

    pull: (weights) -> pull-back of all parts' summaries to the weights.
    x: summaries. present_x, present_d: as of the chunks.
    """

    pull: Partial
    x: list[jax.Array]
    present_x: list[jax.Array]
    present_d: list[jax.Array]


class Passes(NamedTuple):
    """Functions of weights and parts, chunks that are dealt to the devices; their results are the same on each device.

    summaries: (weights, parts) -> for each part x (n_chunks, n, n_summaries), dx_dtheta (n_chunks,
        n_d, n_summaries, n_params).
    moments: (weights, parts) -> Moments, the first pass.
    forward: (weights, parts) -> Moments, Kept, the first pass where the second is to start from
        what it leaves.
    backward: (weights, Kept, Moments, G_C, G_D) -> gradient by the weights, the second pass after
        ``forward``.
    pull_back: (weights, parts, Moments, G_C, G_D) -> gradient by the weights, the second pass from
        the simulations.
    kept: (weights, parts) -> bytes of what ``forward`` keeps, of one device, its arrays' own
        included; parts may be shapes.
    """

    summaries: Callable[..., list]
    moments: Callable[..., Moments]
    forward: Callable[..., tuple[Moments, Kept]]
    backward: Callable[..., Weights]
    pull_back: Callable[..., Weights]
    kept: Callable[..., int]


def _cotangents(m: Moments, x, present_x, present_d, G_C, G_D):
    """Gradients of the loss by a chunk's summaries (n, n_summaries) and by their derivatives (n_d, n_summaries, n_params)."""
    x_bar = present_x[:, None] * ((x - m.mean[None]) @ (G_C + G_C.T)) / (m.n_s - 1)
    return x_bar, present_d[:, None, None] * G_D[None] / m.n_d


def _n_bytes(tree) -> int:
    """Of a tree of arrays or shapes."""
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _without(weights: Weights, pull: Callable) -> Partial:
    """A pull-back with its activations alone: the weights that it needs too are put in again when it is called."""
    leaves, structure = jax.tree.flatten(pull)
    of_weight = {id(weight): i for i, weight in enumerate(jax.tree.leaves(weights))}
    places = [of_weight.get(id(leaf)) for leaf in leaves]

    def restored(activations, weights):
        known, others = jax.tree.leaves(weights), iter(activations)
        return jax.tree.unflatten(
            structure, [next(others) if i is None else known[i] for i in places]
        )

    return Partial(restored, [leaf for leaf, i in zip(leaves, places, strict=True) if i is None])


def build(summarise: Summarise, mesh: Mesh, parallel: int) -> Passes:
    """Both passes on the devices of a mesh of one axis, ``devices``.

    Args:
        summarise: of one batch.
        mesh: of the devices among which each part's chunks are shared.
        parallel: chunks that a device may have in work side by side, as far as ACTIVATIONS allow.

    """
    everywhere, shared = PartitionSpec(), PartitionSpec("devices")
    on_devices = partial(jax.shard_map, mesh=mesh, check_vma=False)
    summarise = products.of_matrices(summarise)

    def of_one(weights, part):
        """Bytes that the pull-back of one chunk needs, once its summaries are known."""

        def pull(weights, batch):
            return _without(weights, jax.vjp(lambda w: summarise(w, batch), weights)[1])

        batch = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), part.batch
        )
        return _n_bytes(jax.eval_shape(pull, weights, batch))

    def over_chunks(function, weights, total, part):
        """As `jax.lax.scan` over a part's chunks, several of them side by side; if all are, without the copies of a scan."""
        n = len(part.present_x)
        trips = math.ceil(n / max(1, min(parallel, ACTIVATIONS // max(1, of_one(weights, part)))))
        if trips > 1:
            return jax.lax.scan(function, total, part, unroll=math.ceil(n / trips))
        results = []
        for i in range(n):
            total, result = function(total, jax.tree.map(operator.itemgetter(i), part))
            results.append(result)
        return total, jax.tree.map(lambda *leaves: jnp.stack(leaves), *results)

    @partial(on_devices, in_specs=(everywhere, shared), out_specs=shared)
    def summaries(weights, parts):
        def of_chunk(_, chunk):
            return None, summarise(weights, chunk.batch)

        return [over_chunks(of_chunk, weights, None, part)[1] for part in parts]

    @partial(on_devices, in_specs=shared, out_specs=everywhere)
    def merged(found, present_x, present_d):
        each = [
            jax.vmap(fisher.moments)(*s, *present)
            for s, *present in zip(found, present_x, present_d, strict=True)
        ]
        of_device = fisher.merge_all(jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *each))
        return fisher.merge_all(jax.lax.all_gather(of_device, "devices"))

    def present(parts):
        return [part.present_x for part in parts], [part.present_d for part in parts]

    def moments(weights, parts):
        return merged(summaries(weights, parts), *present(parts))

    def forward(weights, parts):
        found, pull = jax.vjp(lambda w: summaries(w, parts), weights)
        return merged(found, *present(parts)), Kept(
            _without(weights, pull), [x for x, _ in found], *present(parts)
        )

    def backward(weights, kept, m, G_C, G_D):
        of_chunks = jax.vmap(lambda *of_chunk: _cotangents(m, *of_chunk, G_C, G_D))
        return kept.pull(weights)([of_chunks(*part) for part in zip(*kept[1:], strict=True)])[0]

    @partial(on_devices, in_specs=(everywhere, shared) + 3 * (everywhere,), out_specs=everywhere)
    def pull_back(weights, parts, m, G_C, G_D):
        def add(total, chunk):
            (x, _), pull = jax.vjp(lambda w: summarise(w, chunk.batch), weights)
            share = pull(_cotangents(m, x, chunk.present_x, chunk.present_d, G_C, G_D))[0]
            return jax.tree.map(jnp.add, total, share), None

        total = jax.tree.map(jnp.zeros_like, weights)
        for part in parts:
            total, _ = over_chunks(add, weights, total, part)
        return jax.lax.psum(total, "devices")

    shapes = jax.jit(forward).eval_shape  # which remembers those that it has seen

    def kept(weights, parts):
        arrays = shapes(weights, parts)[1]
        return math.ceil(_n_bytes(arrays) / mesh.size) + ARRAY * len(jax.tree.leaves(arrays))

    return Passes(summaries, moments, forward, backward, pull_back, kept)
