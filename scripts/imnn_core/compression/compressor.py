"""Compressing simulations: a network with the devices that it runs on, and whole sets of them."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.config.recipe import Recipe
from imnn_core.data import chunks, sources
from imnn_core.data.sources import Source
from imnn_core.data.stream import Stream
from imnn_core.gradient import derivatives, devices, passes
from imnn_core.gradient.passes import Passes, Summarise, Weights
from imnn_core.networks import architecture
from imnn_core.networks.inputs import AS_THEY_ARE, Inputs, before
from imnn_core.networks.kinds import Network
from imnn_core.problems.problem import Problem
from imnn_core.problems.simulations import seed_key
from imnn_core.store.errors import InputError
from imnn_core.store.sizes import BLOCK
from jax.sharding import Mesh, NamedSharding

PARALLEL = 10  # chunks that may be in work side by side, where there are threads, or a GPU, for it


class Summaries(NamedTuple):
    """Summaries of a set of simulations, in float64.

    x: at theta_fid, (n_s, n_summaries).
    dx_dtheta: derivatives of the first n_d of them, (n_d, n_summaries, n_params).
    """

    x: np.ndarray
    dx_dtheta: np.ndarray

    def part(self, block: slice) -> "Summaries":
        """Some of the summaries of each simulation."""
        return Summaries(self.x[:, block], self.dx_dtheta[:, block])


@dataclass(frozen=True, eq=False)
class Compressor:
    """A network for a problem's simulations, and the devices that it runs on.

    network: on simulations as it sees them, with what stands before it.
    inputs: what stands before it.
    n_per_device: simulations on a device at a time, at most.
    parallel: chunks that a device may have in work side by side.
    """

    problem: Problem
    network: Network
    inputs: Inputs
    devices: Sequence[jax.Device]
    n_per_device: int
    parallel: int

    def first_weights(self, seed: int) -> Weights:
        """Weights drawn from the seed's own stream."""
        init = jax.jit(lambda key: self.network.init(key, self.problem.input_shape))
        return init(seed_key(seed, "weights"))

    def like(self) -> Weights:
        """Shapes and dtypes of the weights, by which they are read from a file."""
        return jax.eval_shape(self.first_weights, 0)

    def seen(self, source: Source) -> Source:
        """A set as the network sees it: less the centre, and in jax's precision."""
        return sources.narrowed(source, self.inputs.centre)

    def seen_of(self, d: np.ndarray, where: object) -> np.ndarray:
        """Data as the network sees them, (n, *input_shape).

        Raises:
            InputError: they are rounded to numbers too coarse for the network's centre.

        """
        centre, dtype = self.inputs.centre, np.dtype(jnp.result_type(float))
        if centre is not None and d.dtype.itemsize <= dtype.itemsize:
            raise InputError(
                f"{where}: expected numbers of float64 as in the simulations, which are far from "
                f"0 beside their deviation, found {d.dtype}"
            )
        return (d if centre is None else d - centre).astype(dtype)

    def summaries(self, weights: Weights, source: Source) -> Summaries:
        """Summaries of a whole set, which is read once, block by block."""
        return self._compress(weights, self.seen(source))

    @cached_property
    def summarise(self) -> Summarise:
        """Summaries and derivatives of one batch of simulations from a file."""
        return derivatives.stored(self.network.apply, self.problem)

    @cached_property
    def _compress(self):
        return compress(self.summarise, self.devices, self.n_per_device, self.parallel)


def build(recipe: Recipe, problem: Problem, inputs: Inputs = AS_THEY_ARE) -> Compressor:
    """The compressor of a recipe.

    Raises:
        InputError: its devices are not there, or its network does not fit the problem.

    """
    # GPUs would otherwise round float32 products to ten bits.
    jax.config.update("jax_default_matmul_precision", "highest")
    on = devices.use(recipe.devices, recipe.n_devices)
    network = before(architecture.build(recipe, problem), inputs)
    parallel = PARALLEL if recipe.threads > 1 or on[0].platform != "cpu" else 1
    return Compressor(problem, network, inputs, on, recipe.n_per_device, parallel)


def compress(
    summarise: Summarise, on: Sequence[jax.Device], n_per_device: int, parallel: int = 1
) -> Callable[[Weights, Source], Summaries]:
    """A function of weights and a source that compresses the source.

    Args:
        summarise: of one batch, see `derivatives`.
        on: devices that share the chunks.
        n_per_device: simulations of a chunk, at most.
        parallel: chunks that a device may have in work side by side.

    """
    mesh = Mesh(np.asarray(on), ("devices",))
    everywhere, shared = (NamedSharding(mesh, s) for s in (passes.EVERYWHERE, passes.SHARED))
    program = jax.jit(Passes(summarise, mesh, parallel).summaries)

    def of_group(group, results):
        """Summaries (n, n_summaries), and derivatives where the group has them, without filling."""
        blocks = [jax.tree.map(np.asarray, next(results)) for _ in range(group.n_blocks)]
        x, dx_dtheta = (
            np.concatenate([array.reshape(-1, *array.shape[2:]) for array in arrays])
            for arrays in zip(*blocks, strict=True)
        )
        return x[: group.n], dx_dtheta[: group.n if group.derivatives else 0]

    def of_source(weights, source):
        weights = jax.device_put(weights, everywhere)
        groups = chunks.cut(source, n_per_device, mesh.size, BLOCK)
        with contextlib.closing(Stream(source, groups, shared, once=True)) as stream:
            results = stream.map(lambda block: program(weights, (block,))[0])
            both = zip(*[of_group(group, results) for group in groups], strict=True)
            return Summaries(*(np.concatenate(arrays).astype(np.float64) for arrays in both))

    return of_source
