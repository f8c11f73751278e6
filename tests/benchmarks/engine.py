"""Time per iteration of the engine, as ratios measured in one process: python tests/benchmarks/engine.py --csv FILE.

An iteration is what a fit does: the gradient on the training set, the moments of the validation set, the update,
the row of the history. The direct one takes `jax.value_and_grad` of the loss of all simulations at once, and is else the same.
"""

import argparse
import os
import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))


def direct_engine(summarise, loss, device):
    """The engine that holds all simulations in one chunk and lets jax differentiate the whole loss."""
    import jax
    from imnn_core import aggregate, fisher

    def moments(weights, data):
        batch = jax.tree.map(lambda leaf: leaf[0], data[0].batch)
        return fisher.moments(*summarise(weights, batch))

    def loss_and_moments(weights, data):
        m = moments(weights, data)
        return loss(fisher.covariance(m), m.mean_derivative), m

    def gradient(weights, data):
        (value, m), slope = jax.value_and_grad(loss_and_moments, has_aux=True)(weights, data)
        return m, value, slope

    home = jax.sharding.SingleDeviceSharding(device)
    return aggregate.Engine(gradient, moments, partial(jax.device_put, device=home), home, fused=True)


def seconds_per_iteration(engine, recipe, sets, n_per_device, iterations):
    """A function that runs a block of so many iterations and returns the seconds that one took."""
    import jax
    from imnn_core import aggregate, networks, optimisers, recipes
    from imnn_core.fit import first_state, make_block
    from imnn_core.simulations import stream

    settings = recipes.settings_of(recipe)._replace(report_every=iterations)
    optimiser = optimisers.build(**recipe.optimiser.model_dump())
    training, validation = (engine.place(aggregate.chunks(*part, n_per_device)) for part in sets)
    network = networks.build(recipe.n_summaries, **recipe.network.model_dump())
    weights = jax.jit(lambda key: network.init(key, sets[0].fiducial.shape[1:]))(stream(1, "weights"))
    state = jax.device_put(first_state(weights, optimiser), engine.home)
    arguments = (state, training, validation, 0, iterations)
    block = jax.jit(make_block(engine, optimiser, settings)).lower(*arguments).compile()

    def run():
        began = time.perf_counter()
        jax.block_until_ready(block(*arguments))
        return (time.perf_counter() - began) / iterations

    return run


def ratio(one, other, rounds):
    """Median, lowest and highest of one() / other(), timed in turn."""
    import numpy as np

    one(), other()
    ratios = np.sort([one() / other() for _ in range(rounds)])
    return float(np.median(ratios)), float(ratios[0]), float(ratios[-1])


def main():
    """Measure, print the table, write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=Path, help="also write the table there")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of jax, as in a recipe (default 1)")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--iterations", type=int, default=20, help="in a round")
    options = parser.parse_args()
    os.environ["PJRT_NPROC"] = str(options.threads)

    import jax
    import numpy as np
    import pandas as pd
    from imnn_core import aggregate, networks, problems, recipes, simulations
    from imnn_core.config import Config
    from imnn_core.fit import loss_of

    config = Config()
    recipe = config.fits["mlp"]
    problem = problems.build(config.problem, config.theta_fid, config.input_shape)
    sets = [
        simulations.Simulations(
            *map(
                np.concatenate,
                zip(*simulations.draw(problem, simulations.stream(1, split), config.n_s, config.n_d), strict=True),
            )
        )
        for split in ("training", "validation")
    ]
    device = jax.devices()[0]
    summarise = aggregate.exact(networks.build(recipe.n_summaries, **recipe.network.model_dump()).apply)
    loss = loss_of(recipes.settings_of(recipe))
    direct = seconds_per_iteration(direct_engine(summarise, loss, device), recipe, sets, config.n_s, options.iterations)
    rows = []
    for n_per_device, target in ((100, 1.25), (500, 1.1)):
        engine = aggregate.on_devices(summarise, loss, [device])
        aggregated = seconds_per_iteration(engine, recipe, sets, n_per_device, options.iterations)
        value, low, high = ratio(aggregated, direct, options.rounds)
        rows.append((f"aggregated_over_direct_{n_per_device}", value, low, high, target))
    table = pd.DataFrame(rows, columns=["figure", "value", "low", "high", "target"])
    print(f"{device.device_kind}, {options.threads} thread(s), jax {jax.__version__}, {options.rounds} rounds")
    print(table.round(3).to_string(index=False))
    if options.csv:
        table.to_csv(options.csv, index=False)


if __name__ == "__main__":
    main()
