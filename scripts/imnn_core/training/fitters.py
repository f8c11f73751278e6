"""From a recipe of the configuration to what it stands for: network, optimiser, engine, first state."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
import optax
from imnn_core.config.recipe import Recipe
from imnn_core.data.sources import Source
from imnn_core.gradient import aggregate, derivatives, fisher
from imnn_core.gradient.aggregate import Engine
from imnn_core.gradient.augment import AUGMENTATIONS, new_keys
from imnn_core.gradient.devices import choose, memory, only_cpu
from imnn_core.gradient.host import in_float64
from imnn_core.gradient.passes import Summarise
from imnn_core.networks import architecture
from imnn_core.networks.kinds import Network
from imnn_core.networks.scaling import Scaling, scaled
from imnn_core.problems import Problem
from imnn_core.problems.simulations import seed_key
from imnn_core.store.errors import InputError
from imnn_core.training import optimisers
from imnn_core.training.iteration import Settings, State, first_state, loss_of
from imnn_core.training.loop import Augment

PARALLEL = 10  # chunks that may be in work side by side, where there are threads for that, or a GPU


class Fitter(NamedTuple):
    """All that fitting one recipe, and measuring what it gives, takes.

    summarise: of a batch of simulations from a file.
    on_the_fly: whether training simulations are drawn anew in every iteration.
    parallel: chunks that a device may have in work side by side.
    why: how the data flow, and the reason, for the log.
    """

    recipe: Recipe
    problem: Problem
    network: Network
    summarise: Summarise
    on_the_fly: bool
    optimiser: optax.GradientTransformation
    settings: Settings
    engine: Engine
    compiled_moments: Callable
    devices: list[jax.Device]
    parallel: int
    why: str

    @contextlib.contextmanager
    def data(self, **sources: Source) -> Iterator[dict[str, aggregate.Data]]:
        """Sets of simulations as the engine wants them, by name, while the context lasts."""
        with contextlib.ExitStack() as stack:
            data = {
                name: self.engine.load(source, self.recipe.n_per_device)
                for name, source in sources.items()
            }
            for stream in data.values():
                if not self.engine.fused:
                    stack.callback(stream.close)
            yield data

    def first_state(self, seed: int, training: aggregate.Data | None = None) -> State:
        """The state before any update, its weights drawn from the seed's own stream.

        Args:
            seed: of the run.
            training: by which the summaries are whitened where the recipe says so; not whitened, if
                None.

        Raises:
            InputError: the summaries' covariance has no inverse.

        """

        @jax.jit
        def begin(weights):
            return first_state(weights, self.optimiser, self.settings.averaging)

        weights = jax.jit(lambda key: self.network.init(key, self.problem.input_shape))(
            seed_key(seed, "weights")
        )
        if training is not None and self.recipe.whiten:
            A, b = in_float64(fisher.whitening)(self.moments(weights, training))
            if not np.isfinite(A).all():
                raise InputError(
                    "whiten: expected a covariance of the initial summaries that has an inverse, "
                    "found one that has none; try fewer summaries or another network"
                )
            dtype = jax.tree.leaves(weights)[0].dtype
            weights = jax.jit(self.network.map_summaries)(weights, A.astype(dtype), b.astype(dtype))
        return begin(weights)

    def augment(self, seed: int) -> Augment | None:
        """How the training data of an iteration are changed, or None."""
        if self.on_the_fly:
            change, key = partial(new_keys, self.problem), seed_key(seed, "on_the_fly")
        elif self.recipe.augment is None:
            return None
        else:
            change, key = (
                partial(AUGMENTATIONS[self.recipe.augment], self.problem),
                seed_key(seed, "augment"),
            )

        @jax.jit
        def changed(iteration, part):
            return change(jax.random.fold_in(key, iteration), part)

        if self.engine.fused:
            return lambda iteration, data: tuple(changed(iteration, part) for part in data)
        return lambda iteration, data: data.changed(
            partial(changed, np.asarray(iteration))
        )  # not bound to a device

    def measured(self, data: aggregate.Data, seed: int, iteration: int) -> aggregate.Data:
        """Training data by which weights are measured after so many iterations: as they are, or drawn anew on the fly."""
        return self.augment(seed)(iteration, data) if self.on_the_fly else data

    def moments(self, weights: aggregate.Weights, data: aggregate.Data) -> fisher.Moments:
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
    if share <= room:
        return (
            "resident",
            f"resident, since the sets take {_readable(share)} and may take {_readable(room)} of "
            "each device",
        )
    return (
        "streamed",
        f"streamed, since the sets take {_readable(share)} and may take {_readable(room)} of each "
        "device",
    )


def build(
    recipe: Recipe,
    problem: Problem,
    n_bytes: int = 0,
    on_the_fly: bool = False,
    scaling: Scaling | None = None,
) -> Fitter:
    """Build what a recipe stands for.

    Args:
        recipe: how it is fitted.
        problem: to whose simulations.
        n_bytes: of all the sets that will be loaded together, by which `data: auto` decides.
        on_the_fly: whether training simulations are drawn anew in every iteration.
        scaling: of the simulations, before the network sees them.

    Raises:
        InputError: its devices are not there, its optimiser is none, or its network is none for the
            problem.

    """
    jax.config.update(
        "jax_default_matmul_precision", "highest"
    )  # GPUs would else round float32 products to ten bits
    if recipe.devices == "cpu":
        only_cpu()
    on = choose(recipe.devices, recipe.n_devices)
    network = scaled(architecture.build(recipe, problem), scaling)
    settings = Settings(
        strength=recipe.strength,
        rate=fisher.rate(recipe.strength, recipe.closeness),
        patience=recipe.patience,
        min_iterations=recipe.min_iterations,
        max_iterations=recipe.max_iterations,
        report_every=recipe.report_every,
        averaging=recipe.averaging,
    )
    flow, why = how_data_flow(recipe.data, n_bytes, on)
    make = {"resident": aggregate.resident, "streamed": aggregate.streamed}[flow]
    parallel = PARALLEL if recipe.threads > 1 or on[0].platform != "cpu" else 1
    summarise = derivatives.stored(network.apply, problem)
    of_batch = derivatives.on_the_fly(summarise, problem) if on_the_fly else summarise
    engine = make(of_batch, loss_of(settings), on, parallel)
    return Fitter(
        recipe=recipe,
        problem=problem,
        network=network,
        summarise=summarise,
        on_the_fly=on_the_fly,
        optimiser=optimisers.build(**recipe.optimiser.model_dump()),
        settings=settings,
        engine=engine,
        compiled_moments=jax.jit(engine.moments) if engine.fused else engine.moments,
        devices=on,
        parallel=parallel,
        why=why,
    )


@contextlib.contextmanager
def memory_for(n_per_device: int) -> Iterator[None]:
    """A device's want of memory, in a line.

    Raises:
        InputError: the block ran out of it.

    """
    try:
        yield
    except (jax.errors.JaxRuntimeError, MemoryError) as error:
        if isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise InputError(
            "n_per_device: expected so few simulations on a device at a time that its memory is "
            f"enough, found {n_per_device}; try {max(1, n_per_device // 2)}, or `data: streamed` "
            "if the sets themselves are too large "
            f"({str(error).partition(chr(10))[0] or 'MemoryError'})"
        ) from None
