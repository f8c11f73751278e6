"""What the benchmarks run: the example's sets and large fields, the default network, an iteration
of a fit.
"""

import contextlib
import dataclasses
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
import optax
from imnn_core.config.run import Config
from imnn_core.data import sets, sources
from imnn_core.gradient import aggregate, fisher
from imnn_core.networks import kinds
from imnn_core.problems import load, simulations
from imnn_core.training.iteration import Settings, first_state
from imnn_core.training.loop import make_block
from small_files import write_set

RECIPE = Config().fits["mlp"]
SETTINGS = Settings(
    RECIPE.strength, fisher.rate(RECIPE.strength, RECIPE.closeness), 10, 10**9, 10**9, 50
)
OPTIMISER = optax.adam(1e-3)
GAUSSIAN = load.build("gaussian", (0.0, 1.0), (10,))
FIELD = dataclasses.replace(GAUSSIAN, name="field", input_shape=(32, 32, 32))  # 131 kB a simulation


def mlp():
    """The default recipe's network."""
    return kinds.mlp(2, RECIPE.network.hidden, RECIPE.network.activation)


def profile_mlp():
    """The default network on a field's mean profile along its last axis: as good as no work per
    byte that is read.
    """
    network = mlp()

    def profile(d):
        return d.mean(axis=(0, 1))

    return network._replace(
        init=lambda key, input_shape: network.init(key, input_shape[-1:]),
        apply=lambda weights, d: network.apply(weights, profile(d)),
    )


def direct_engine(summarise, loss, device):
    """The engine with all simulations in one chunk, in which jax differentiates the whole loss."""

    def moments(weights, data):
        batch = jax.tree.map(lambda leaf: leaf[0], data[0].batch)
        return fisher.moments(*summarise(weights, batch))

    def loss_and_moments(weights, data):
        m = moments(weights, data)
        return loss(fisher.covariance(m), m.mean_derivative), m

    def gradient(weights, data):
        (value, m), slope = jax.value_and_grad(loss_and_moments, has_aux=True)(weights, data)
        return m, value, slope

    load = aggregate.resident(summarise, loss, [device]).load
    return aggregate.Engine(
        load, gradient, moments, jax.sharding.SingleDeviceSharding(device), fused=True
    )


def iterations(engine, network, sources, n_per_device, n):
    """A function that runs n iterations and returns the seconds that one took."""
    training, validation = (engine.load(source, n_per_device) for source in sources)
    state = first_state(network.init(jax.random.key(1), sources[0].fiducial.shape[1:]), OPTIMISER)
    arguments = (
        jax.device_put(jax.tree.map(jnp.asarray, state), engine.home),
        training,
        validation,
        0,
        n,
    )
    block = make_block(engine, OPTIMISER, SETTINGS._replace(report_every=n))
    if engine.fused:
        block = jax.jit(block).lower(*arguments).compile()

    def run():
        began = time.perf_counter()
        jax.block_until_ready(block(*arguments))
        return (time.perf_counter() - began) / n

    run()
    return run


def drawn(n, split):
    """A set of the example's simulations, in memory."""
    pieces = simulations.draw(GAUSSIAN, simulations.seed_key(1, split), n, n)
    return sources.in_memory(*map(np.concatenate, zip(*pieces, strict=True)))


@contextlib.contextmanager
def on_disk(folder, problem, n, pieces=None):
    """Two files of simulations, opened as a fit opens them."""
    with contextlib.ExitStack() as stack:
        sources = []
        for split in ("training", "validation"):
            path, asked = (
                Path(folder) / f"{split}-{n}.h5",
                {"n_s": n, "n_d": n, "seed": 1, "split": split},
            )
            if not path.exists():
                found = pieces or simulations.draw(problem, simulations.seed_key(1, split), n, n)
                write_set(path, found, problem, **asked)
            sources.append(stack.enter_context(sets.open_simulations(path, problem, **asked)))
        yield sources


def fields(n):
    """Fields of noise with derivatives of noise, in pieces; a hundred different ones, over and
    over.
    """
    rng = np.random.default_rng(1)
    shapes = ((100, *FIELD.input_shape), (100, *FIELD.input_shape, 2))
    piece = simulations.Simulations(*(rng.standard_normal(shape, np.float32) for shape in shapes))
    return [piece] * (n // 100)
