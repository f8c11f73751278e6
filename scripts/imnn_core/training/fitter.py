"""What fitting a recipe takes beside its compressor: optimiser, engine, first state."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np
import optax
from imnn_core.compression import compressor
from imnn_core.compression.compressor import Compressor
from imnn_core.config.recipe import Recipe
from imnn_core.data.sources import Source
from imnn_core.gradient import aggregate, derivatives, fisher
from imnn_core.gradient.aggregate import Data, Engine
from imnn_core.gradient.augment import AUGMENTATIONS, new_keys
from imnn_core.gradient.devices import memory
from imnn_core.gradient.fisher import Moments
from imnn_core.gradient.host import in_float64
from imnn_core.gradient.passes import Weights
from imnn_core.networks.inputs import AS_THEY_ARE, Inputs
from imnn_core.problems.problem import Problem
from imnn_core.problems.simulations import seed_key
from imnn_core.store.errors import InputError
from imnn_core.training import optimisers
from imnn_core.training.iteration import Settings, State, first_state, loss_of
from imnn_core.training.loop import Augment


@dataclass(frozen=True, eq=False)
class Fitter:
    """All that fitting one recipe takes.

    on_the_fly: whether training simulations are drawn anew in every iteration.
    why: how the data flow, and the reason, for the log.
    """

    recipe: Recipe
    compressor: Compressor
    on_the_fly: bool
    optimiser: optax.GradientTransformation
    settings: Settings
    engine: Engine
    compiled_moments: Callable
    why: str

    @contextlib.contextmanager
    def data(self, **sources: Source) -> Iterator[dict[str, Data]]:
        """Sets of simulations as the engine wants them, by name, while the context lasts."""
        with contextlib.ExitStack() as stack:
            data = {
                name: self.engine.load(self.compressor.seen(source), self.recipe.n_per_device)
                for name, source in sources.items()
            }
            for stream in data.values():
                if not self.engine.fused:
                    stack.callback(stream.close)
            yield data

    def first_state(self, seed: int, training: Data | None = None) -> State:
        """The state before any update, its weights drawn from the seed's own stream.

        Args:
            seed: of the run.
            training: by which the summaries are whitened where the recipe says so; not whitened,
                if None.

        Raises:
            InputError: the summaries' covariance has no inverse.

        """

        @jax.jit
        def begin(weights):
            return first_state(weights, self.optimiser, self.settings.averaging)

        weights = self.compressor.first_weights(seed)
        if training is not None and self.recipe.whiten:
            weights = self._whitened(weights, training)
        return begin(weights)

    def _whitened(self, weights: Weights, training: Data) -> Weights:
        """Weights whose summaries of these data have mean 0 and covariance 1."""
        A, b = in_float64(fisher.whitening)(self.moments(weights, training))
        if not np.isfinite(A).all():
            raise InputError(
                "whiten: expected a covariance of the initial summaries that has an inverse, found "
                "one that has none; try fewer summaries or another network"
            )
        dtype = jax.tree.leaves(weights)[0].dtype
        return jax.jit(self.compressor.network.map_summaries)(
            weights, A.astype(dtype), b.astype(dtype)
        )

    def augment(self, seed: int) -> Augment | None:
        """How the training data of an iteration are changed, or None."""
        problem = self.compressor.problem
        if self.on_the_fly:
            change, key = partial(new_keys, problem), seed_key(seed, "on_the_fly")
        elif self.recipe.augment is None:
            return None
        else:
            change = partial(AUGMENTATIONS[self.recipe.augment], problem)
            key = seed_key(seed, "augment")

        @jax.jit
        def changed(iteration, part):
            return change(jax.random.fold_in(key, iteration), part)

        if self.engine.fused:
            return lambda iteration, data: tuple(changed(iteration, part) for part in data)
        # The iteration as an array of numpy, which is not bound to a device.
        return lambda iteration, data: data.changed(partial(changed, np.asarray(iteration)))

    def measured(self, data: Data, seed: int, iteration: int) -> Data:
        """Training data by which weights are measured: as they are, or drawn anew on the fly."""
        return self.augment(seed)(iteration, data) if self.on_the_fly else data

    def moments(self, weights: Weights, data: Data) -> Moments:
        """Moments of the summaries of these data."""
        return self.compiled_moments(jax.device_put(weights, self.engine.home), data)


def _readable(n_bytes):
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.2g} MB"


def how_data_flow(data: str, n_bytes: int, on: list[jax.Device]) -> tuple[str, str]:
    """Resident or streamed, and why.

    Args:
        data: as in the recipe; "auto" decides by size.
        n_bytes: of all sets.
        on: the devices that would share them.

    """
    if data != "auto":
        return data, f"{data}, as the recipe says"
    room, share = min(map(memory, on)), n_bytes / len(on)
    flow = "resident" if share <= room else "streamed"
    sizes = f"{_readable(share)} and may take {_readable(room)} of each device"
    return flow, f"{flow}, since the sets take {sizes}"


def settings_of(recipe: Recipe) -> Settings:
    """The numbers of a recipe that the loop needs."""
    given = {key: getattr(recipe, key) for key in Settings._fields if key != "rate"}
    return Settings(rate=fisher.rate(recipe.strength, recipe.closeness), **given)


def build(
    recipe: Recipe,
    problem: Problem,
    n_bytes: int = 0,
    on_the_fly: bool = False,
    inputs: Inputs = AS_THEY_ARE,
) -> Fitter:
    """The fitter of a recipe.

    Args:
        recipe: how it is fitted.
        problem: to whose simulations.
        n_bytes: of all the sets that will be loaded together, by which `data: auto` decides.
        on_the_fly: whether training simulations are drawn anew in every iteration.
        inputs: what stands between the simulations and the network.

    Raises:
        InputError: its devices are not there, its optimiser is unknown, or its network does not
            fit the problem.

    """
    built = compressor.build(recipe, problem, inputs)
    settings = settings_of(recipe)
    flow, why = how_data_flow(recipe.data, n_bytes, built.devices)
    make = {"resident": aggregate.resident, "streamed": aggregate.streamed}[flow]
    of_batch = built.summarise
    if on_the_fly:
        of_batch = derivatives.on_the_fly(of_batch, problem)
    engine = make(of_batch, loss_of(settings), built.devices, built.parallel)
    return Fitter(
        recipe=recipe,
        compressor=built,
        on_the_fly=on_the_fly,
        optimiser=optimisers.build(**recipe.optimiser.model_dump()),
        settings=settings,
        engine=engine,
        compiled_moments=jax.jit(engine.moments) if engine.fused else engine.moments,
        why=why,
    )
