"""From a recipe of the configuration to what it stands for: network, optimiser, engine, first state."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import optax
from imnn_core import aggregate, devices, fisher, networks, optimisers
from imnn_core.aggregate import Engine
from imnn_core.config import Recipe
from imnn_core.fit import Settings, State, first_state, loss_of
from imnn_core.networks import Network
from imnn_core.problems import Problem
from imnn_core.simulations import Simulations, stream


class Fitter(NamedTuple):
    """All that fitting and evaluating one recipe takes."""

    recipe: Recipe
    network: Network
    optimiser: optax.GradientTransformation
    settings: Settings
    engine: Engine
    compiled_moments: Callable
    devices: list[jax.Device]

    def data(self, simulations: Simulations) -> aggregate.Data:
        """The simulations in chunks, where the engine wants them."""
        return self.engine.place(
            aggregate.chunks(*simulations, n_per_device=self.recipe.n_per_device, n_devices=len(self.devices))
        )

    def first_state(self, problem: Problem, seed: int) -> State:
        """The state before any update, its weights drawn from the seed's own stream."""

        @jax.jit
        def begin(key):
            return first_state(self.network.init(key, problem.input_shape), self.optimiser)

        return begin(stream(seed, "weights"))

    def moments(self, weights: aggregate.Weights, data: aggregate.Data) -> fisher.Moments:
        """Moments of the summaries of these data."""
        return self.compiled_moments(jax.device_put(weights, self.engine.home), data)


def build(recipe: Recipe) -> Fitter:
    """Build what a recipe stands for.

    Raises:
        InputError: its devices are not there, or its optimiser is none.

    """
    jax.config.update("jax_default_matmul_precision", "highest")  # GPUs would else round float32 products to ten bits
    if recipe.devices == "cpu" and recipe.host == "cpu":
        devices.only_cpu()
    on, host = devices.choose(recipe.devices, recipe.n_devices), devices.choose(recipe.host, key="host")[0]
    network = networks.build(recipe.n_summaries, **recipe.network.model_dump())
    settings = Settings(
        strength=recipe.strength,
        rate=fisher.rate(recipe.strength, recipe.closeness),
        patience=recipe.patience,
        min_iterations=recipe.min_iterations,
        max_iterations=recipe.max_iterations,
        report_every=recipe.report_every,
    )
    engine = aggregate.make_engine(aggregate.exact(network.apply), loss_of(settings), on, host)
    return Fitter(
        recipe=recipe,
        network=network,
        optimiser=optimisers.build(**recipe.optimiser.model_dump()),
        settings=settings,
        engine=engine,
        compiled_moments=jax.jit(engine.moments) if engine.fused else engine.moments,
        devices=on,
    )
