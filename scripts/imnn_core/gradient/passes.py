"""The two passes of the exact gradient over chunks on devices, as functions that jax can compile.

With G_C = dloss/dC and G_D = dloss/d(dmu/dtheta), the cotangent of summary i is
(G_C + G_C^T)(x_i - mu) / (n_s - 1), and that of its derivative is G_D / n_d. The second pass pulls
them back through the network.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from imnn_core.data.chunks import Batch
from imnn_core.gradient import fisher, products
from imnn_core.gradient.fisher import Moments
from imnn_core.networks.kinds import Weights
from imnn_core.store.sizes import ACTIVATIONS
from jax.sharding import Mesh, PartitionSpec
from jax.tree_util import Partial

ARRAY = 2**11  # bytes of the host that an array takes beyond its numbers, measured on small ones

# (weights, batch) -> x (n, n_summaries), dx_dtheta (n_d, n_summaries, n_params)
Summarise = Callable[[Weights, Batch], tuple[jax.Array, jax.Array]]
EVERYWHERE, SHARED = PartitionSpec(), PartitionSpec("devices")


class Kept(NamedTuple):
    """What the first pass leaves for the second: lists over parts, but for ``pull``.

    pull: (weights) -> pull-back of all parts' summaries to the weights.
    x: summaries. present_x, present_d: as of the chunks.
    """

    pull: Partial
    x: list[jax.Array]
    present_x: list[jax.Array]
    present_d: list[jax.Array]


def _cotangents(m: Moments, x, present_x, present_d, G_C, G_D):
    """Gradients of the loss by a chunk's summaries and by their derivatives.

    x: (n, n_summaries). The results are (n, n_summaries) and (n_d, n_summaries, n_params).
    """
    x_bar = present_x[:, None] * ((x - m.mean[None]) @ (G_C + G_C.T)) / (m.n_s - 1)
    return x_bar, present_d[:, None, None] * G_D[None] / m.n_d


def _n_bytes(tree) -> int:
    """Size of a tree of arrays or shapes."""
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _without(weights, pull) -> Partial:
    """A pull-back that holds its activations alone; a call puts the weights in again."""
    leaves, structure = jax.tree.flatten(pull)
    of_weight = {id(weight): i for i, weight in enumerate(jax.tree.leaves(weights))}
    places = [of_weight.get(id(leaf)) for leaf in leaves]

    def restored(activations, weights):
        known, others = jax.tree.leaves(weights), iter(activations)
        return jax.tree.unflatten(
            structure, [next(others) if i is None else known[i] for i in places]
        )

    return Partial(restored, [leaf for leaf, i in zip(leaves, places, strict=True) if i is None])


@dataclass(frozen=True, eq=False)
class Passes:
    """Both passes over parts, chunks that are dealt to devices; each device has the same results.

    summarise: of one batch.
    mesh: of one axis, ``devices``; they share each part's chunks.
    parallel: chunks that a device may have in work side by side, as far as ACTIVATIONS allow.
    """

    summarise: Summarise
    mesh: Mesh
    parallel: int

    def summaries(self, weights: Weights, parts) -> list:
        """Summaries of each part, and their derivatives.

        x is (n_chunks, n, n_summaries), dx_dtheta (n_chunks, n_d, n_summaries, n_params).
        """

        def of_chunk(weights, _, chunk):
            return None, self._summarise(weights, chunk.batch)

        def of_parts(weights, parts):
            return [self._over_chunks(of_chunk, weights, None, part)[1] for part in parts]

        return self._on_devices(of_parts, (EVERYWHERE, SHARED), SHARED)(weights, parts)

    def moments(self, weights: Weights, parts) -> Moments:
        """The first pass."""
        return self._merged(self.summaries(weights, parts), parts)

    def forward(self, weights: Weights, parts) -> tuple[Moments, Kept]:
        """The first pass where the second starts from what it leaves."""
        found, pull = jax.vjp(lambda w: self.summaries(w, parts), weights)
        x = [x for x, _ in found]
        return self._merged(found, parts), Kept(_without(weights, pull), x, *_present(parts))

    def backward(self, weights: Weights, kept: Kept, m: Moments, G_C, G_D) -> Weights:
        """The second pass after `forward`: the gradient by the weights."""
        of_chunks = jax.vmap(lambda *of_chunk: _cotangents(m, *of_chunk, G_C, G_D))
        return kept.pull(weights)([of_chunks(*part) for part in zip(*kept[1:], strict=True)])[0]

    def pull_back(self, weights: Weights, parts, m: Moments, G_C, G_D) -> Weights:
        """The second pass from the simulations: the gradient by the weights."""

        def of_parts(weights, parts, m, G_C, G_D):
            def add(weights, total, chunk):
                (x, _), pull = jax.vjp(lambda w: self._summarise(w, chunk.batch), weights)
                share = pull(_cotangents(m, x, chunk.present_x, chunk.present_d, G_C, G_D))[0]
                return jax.tree.map(jnp.add, total, share), None

            total = jax.tree.map(jnp.zeros_like, weights)
            for part in parts:
                total, _ = self._over_chunks(add, weights, total, part)
            return jax.lax.psum(total, "devices")

        in_specs = (EVERYWHERE, SHARED) + 3 * (EVERYWHERE,)
        return self._on_devices(of_parts, in_specs, EVERYWHERE)(weights, parts, m, G_C, G_D)

    def kept(self, weights: Weights, parts) -> int:
        """Bytes that `forward` keeps on one device, with the arrays' own; parts may be shapes."""
        arrays = self._shapes_of_forward(weights, parts)[1]
        return math.ceil(_n_bytes(arrays) / self.mesh.size) + ARRAY * len(jax.tree.leaves(arrays))

    @cached_property
    def _summarise(self):
        return products.of_matrices(self.summarise)

    @cached_property
    def _shapes_of_forward(self):
        return jax.jit(self.forward).eval_shape  # it remembers the shapes that it has seen

    def _on_devices(self, function, in_specs, out_specs):
        return jax.shard_map(
            function, mesh=self.mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False
        )

    def _merged(self, found, parts) -> Moments:
        """Moments of all summaries on all devices."""

        def merged(found, present_x, present_d):
            each = [
                jax.vmap(fisher.moments)(*summaries, *present)
                for summaries, *present in zip(found, present_x, present_d, strict=True)
            ]
            stacked = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *each)
            return fisher.merge_all(jax.lax.all_gather(fisher.merge_all(stacked), "devices"))

        return self._on_devices(merged, SHARED, EVERYWHERE)(found, *_present(parts))

    def _over_chunks(self, function, weights, total, part):
        """As `jax.lax.scan` of (weights, total, chunk) over a part's chunks, some side by side.

        If all go side by side, the copies of a scan are spared.
        """
        n = len(part.present_x)
        fitting = ACTIVATIONS // max(1, self._activations(weights, part))
        trips = math.ceil(n / max(1, min(self.parallel, fitting)))
        if trips > 1:
            step = partial(function, weights)
            return jax.lax.scan(step, total, part, unroll=math.ceil(n / trips))
        results = []
        for i in range(n):
            chunk = jax.tree.map(operator.itemgetter(i), part)
            total, result = function(weights, total, chunk)
            results.append(result)
        return total, jax.tree.map(lambda *leaves: jnp.stack(leaves), *results)

    def _activations(self, weights, part) -> int:
        """Bytes that the pull-back of one chunk needs, once its summaries are known."""

        def pull(weights, batch):
            return _without(weights, jax.vjp(lambda w: self._summarise(w, batch), weights)[1])

        def of_one(leaf):
            return jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype)

        return _n_bytes(jax.eval_shape(pull, weights, jax.tree.map(of_one, part.batch)))


def _present(parts):
    return [part.present_x for part in parts], [part.present_d for part in parts]
