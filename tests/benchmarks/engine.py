"""The engine's speed and memory, as ratios: python tests/benchmarks/engine.py --csv FILE.

An iteration is what a fit does: the gradient on the training set, the moments of the validation
set, the update, the row of the history. Each ratio is taken in one process, of times measured in
turn; memory and the time at n_s = 10^6 take processes of their own, run in turn. README.md explains
the figures.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import workloads
from imnn_core.compression.compressor import PARALLEL
from imnn_core.config.run import Config
from imnn_core.data import chunks
from imnn_core.gradient import aggregate, derivatives
from imnn_core.training.iteration import first_state, loss_of
from imnn_core.training.loop import fit
from workloads import OPTIMISER, SETTINGS, iterations


def multiplications(jaxpr):
    """Floating-point operations of the matrix products of a program, loops and calls included."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            total += (
                2
                * math.prod(equation.outvars[0].aval.shape)
                * math.prod(shape[i] for i in contracted)
            )
        inner = [
            p
            for p in jax.tree.leaves(list(equation.params.values()))
            if hasattr(p, "eqns") or hasattr(p, "jaxpr")
        ]
        times = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
        total += times * sum(multiplications(getattr(p, "jaxpr", p)) for p in inner)
    return total


def best_matrix_rate():
    """A function that gives the best rate of chains of (m, 128) @ (128, 128) products, in
    operations per second.
    """
    W = jnp.asarray(np.random.default_rng(0).standard_normal((128, 128)), jnp.float32) / 16
    length = 200

    @jax.jit
    def chain(x):
        return jax.lax.fori_loop(0, length, lambda _, x: x @ W, x)

    def rate(x):
        began = time.perf_counter()
        chain(x).block_until_ready()
        return 2 * x.size * 128 * length / (time.perf_counter() - began)

    starts = [jnp.ones((m, 128), jnp.float32) for m in (100, 200, 300, 500, 1000, 1500, 3000)]
    for x in starts:
        rate(x)
    return lambda: max(
        np.median([rate(x) for _ in range(3)]) for x in starts
    )  # not the luckiest moment of any m


def spread(values):
    """Median, lowest, highest."""
    return float(np.median(values)), float(np.min(values)), float(np.max(values))


def in_turn(functions, rounds):
    """What each of the functions gives in each of the rounds, (rounds, n_functions)."""
    return np.array([[function() for function in functions] for _ in range(rounds)])


def rows_of_the_default_run(options, device):
    """Aggregated over direct, and over this engine with one chunk; and the share of the machine's
    rate of matrix products.
    """
    config = Config()
    network = workloads.mlp()
    summarise, loss = derivatives.exact(network.apply), loss_of(SETTINGS)
    sources = [workloads.drawn(config.n_s, split) for split in ("training", "validation")]
    sizes = (100, 500)
    engine = aggregate.resident(summarise, loss, [device], options.parallel)
    timed = [(workloads.direct_engine(summarise, loss, device), config.n_s)]
    timed += [(engine, size) for size in (*sizes, config.n_s)]
    functions = [
        iterations(engine, network, sources, size, options.iterations) for engine, size in timed
    ]
    times = in_turn([*functions, best_matrix_rate()], options.rounds)
    for i, (size, target) in enumerate(zip(sizes, (1.25, 1.1), strict=True), start=1):
        yield f"aggregated_over_direct_{size}", *spread(times[:, i] / times[:, 0]), target
        yield f"aggregated_over_one_chunk_{size}", *spread(times[:, i] / times[:, 3]), None
    weights = network.init(jax.random.key(1), (10,))
    for i, (size, target) in enumerate(zip(sizes, (0.5, 0.65), strict=True), start=1):
        training, validation = (engine.load(source, size) for source in sources)
        work = multiplications(jax.make_jaxpr(engine.gradient)(weights, training).jaxpr)
        work += multiplications(jax.make_jaxpr(engine.moments)(weights, validation).jaxpr)
        yield f"matrix_rate_share_{size}", *spread(work / times[:, i] / times[:, -1]), target


def row_of_streaming(options, device, folder):
    """Streamed over resident."""
    network = workloads.mlp()
    summarise, loss = derivatives.exact(network.apply), loss_of(SETTINGS)
    make = (aggregate.streamed, aggregate.resident)
    with workloads.on_disk(folder, workloads.GAUSSIAN, options.n_streamed) as sources:
        functions = [
            iterations(e(summarise, loss, [device], options.parallel), network, sources, 100, 1)
            for e in make
        ]
        times = in_turn(functions, max(1, options.rounds // 2))
    yield "streamed_over_resident", *spread(times[:, 0] / times[:, 1]), 1.3


def row_of_large_inputs(options, device, folder):
    """Streamed fields over reading the files once per pass: two passes over one, one over the
    other.
    """
    n = options.n_fields
    network = workloads.profile_mlp()
    with workloads.on_disk(folder, workloads.FIELD, n, workloads.fields(n)) as sources:
        paths = [Path(folder) / f"{split}-{n}.h5" for split in ("training", "validation")]
        # As quick as it can be: larger memory leaves the cache, and memory that begins elsewhere
        # takes twice as long.
        memory = chunks.aligned((2**20,), np.uint8)

        def floor():
            began = time.perf_counter()
            for path in (paths[0], paths[0], paths[1]):
                with open(path, "rb", buffering=0) as file:
                    while file.readinto(memory):
                        pass
            return time.perf_counter() - began

        engine = aggregate.streamed(
            derivatives.exact(network.apply), loss_of(SETTINGS), [device], options.parallel
        )
        times = in_turn([iterations(engine, network, sources, 100, 1), floor], options.rounds)
    yield "large_inputs_over_read_floor", *spread(times[:, 0] / times[:, 1]), 1.5


def row_of_reporting(options, device):
    """A whole fit with lines of progress and the history, over its bare block."""
    n, network = 5 * SETTINGS.report_every if options.iterations > 1 else 2, workloads.mlp()
    engine = aggregate.resident(
        derivatives.exact(network.apply), loss_of(SETTINGS), [device], options.parallel
    )
    sources = [workloads.drawn(1000, split) for split in ("training", "validation")]
    bare = iterations(engine, network, sources, 100, n)
    data = [engine.load(source, 100) for source in sources]
    weights = network.init(jax.random.key(1), (10,))
    with open(os.devnull, "w") as log:

        def reported():
            seconds = []

            def report(progress):
                print(np.exp(progress.history[-1]), progress.best_log_det_F, file=log, flush=True)
                seconds.append(time.perf_counter())

            settings = SETTINGS._replace(max_iterations=n + SETTINGS.report_every)
            fit(engine, OPTIMISER, first_state(weights, OPTIMISER), *data, settings, report)
            return (seconds[-1] - seconds[0]) / (n if len(seconds) > 2 else SETTINGS.report_every)

        times = in_turn([reported, bare], options.rounds)
    yield "reporting_over_bare", *spread(times[:, 0] / times[:, 1]), 1.02


def alone(n, folder, options):
    """A streamed fit of n simulations, in a process of its own: its peak of memory and its time per
    simulation.
    """
    network, device = workloads.mlp(), jax.devices()[0]
    with workloads.on_disk(folder, workloads.GAUSSIAN, n) as sources:
        engine = aggregate.streamed(
            derivatives.exact(network.apply), loss_of(SETTINGS), [device], options.parallel
        )
        repeats = max(1, options.n_large // n // 20)
        seconds = iterations(engine, network, sources, 100, repeats)()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(
        json.dumps({"memory": int(status["VmHWM"].split()[0]), "time": seconds / n})
    )  # getrusage counts the parent's, too


def rows_of_a_million(options, folder):
    """Peak memory and time per simulation, at a million simulations over ten thousand."""
    ratios = []
    for _ in range(options.processes):
        found = []
        for n in (options.n_large, options.n_large // 100):
            command = [
                sys.executable,
                __file__,
                "--alone",
                str(n),
                "--folder",
                folder,
                "--threads",
                str(options.threads),
            ]
            command += ["--n-large", str(options.n_large)]
            found.append(
                json.loads(
                    subprocess.run(
                        command, check=True, capture_output=True, text=True
                    ).stdout.splitlines()[-1]
                )
            )
        ratios.append([found[0][key] / found[1][key] for key in ("memory", "time")])
    ratios = np.array(ratios)
    yield "peak_memory_1e6_over_1e4", *spread(ratios[:, 0]), 1.2
    yield "time_per_simulation_1e6_over_1e4", *spread(ratios[:, 1]), 1.1


def main():
    """Measure, print the table, write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=Path, help="also write the table there")
    parser.add_argument(
        "--threads",
        type=int,
        default=os.cpu_count(),
        help="CPU threads of jax (default: all cores)",
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--iterations", type=int, default=20, help="in a round of the default run")
    parser.add_argument(
        "--n-streamed",
        type=int,
        default=100_000,
        help="simulations where streamed and resident are compared",
    )
    parser.add_argument("--n-fields", type=int, default=2000, help="fields of 32 x 32 x 32")
    parser.add_argument(
        "--n-large", type=int, default=1_000_000, help="simulations whose memory is looked at"
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=2,
        help="pairs of processes at n_large and a hundredth of it",
    )
    parser.add_argument(
        "--folder", help="for the files of simulations; a temporary one, if not given"
    )
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.parallel = PARALLEL if options.threads > 1 else 1
    os.environ["PJRT_NPROC"] = str(
        options.threads
    )  # jax reads it when its backend starts, not when it is imported
    if options.alone:
        alone(options.alone, options.folder, options)
        return
    device, rows = jax.devices()[0], []
    print(
        f"{device.device_kind}, {options.threads} thread(s), jax {jax.__version__}, "
        f"{options.rounds} rounds",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or temporary
        for measure in (
            partial(rows_of_the_default_run, options, device),
            partial(row_of_reporting, options, device),
            partial(row_of_streaming, options, device, folder),
            partial(row_of_large_inputs, options, device, folder),
            partial(rows_of_a_million, options, folder),
        ):
            for row in measure():
                rows.append(row)
                print(
                    "{:36s} {:8.3f}  [{:.3f}, {:.3f}]  to reach {}".format(*row[:4], row[4] or "-"),
                    flush=True,
                )
    if options.csv:
        table = pd.DataFrame(rows, columns=["figure", "value", "low", "high", "target"])
        table.to_csv(options.csv, index=False)


if __name__ == "__main__":
    main()
