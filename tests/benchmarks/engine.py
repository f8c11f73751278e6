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


def seconds_per_iteration(engine, fitter, problem, sets, n_per_device, iterations):
    """A function that runs a block of so many iterations and returns the seconds that one took."""
    import jax
    from imnn_core import aggregate
    from imnn_core.fit import make_block

    training, validation = (engine.place(aggregate.chunks(*part, n_per_device)) for part in sets)
    arguments = (jax.device_put(fitter.first_state(problem, 1), engine.home), training, validation, 0, iterations)
    block = make_block(engine, fitter.optimiser, fitter.settings._replace(report_every=iterations))
    block = jax.jit(block).lower(*arguments).compile()

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
    from imnn_core import aggregate, problems, recipes, simulations
    from imnn_core.config import Config
    from imnn_core.fit import loss_of

    config = Config()
    fitter = recipes.build(config.fits["mlp"])
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
    summarise, loss = aggregate.exact(fitter.network.apply), loss_of(fitter.settings)

    def timer(engine, n_per_device):
        return seconds_per_iteration(engine, fitter, problem, sets, n_per_device, options.iterations)

    direct = timer(direct_engine(summarise, loss, device), config.n_s)
    rows = []
    for n_per_device, target in ((100, 1.25), (500, 1.1)):
        engine = aggregate.on_devices(summarise, loss, [device])
        value, low, high = ratio(timer(engine, n_per_device), direct, options.rounds)
        rows.append((f"aggregated_over_direct_{n_per_device}", value, low, high, target))
    table = pd.DataFrame(rows, columns=["figure", "value", "low", "high", "target"])
    print(f"{device.device_kind}, {options.threads} thread(s), jax {jax.__version__}, {options.rounds} rounds")
    print(table.round(3).to_string(index=False))
    if options.csv:
        table.to_csv(options.csv, index=False)


if __name__ == "__main__":
    main()
