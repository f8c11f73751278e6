"""Drawing simulations, as ratios: python tests/benchmarks/simulate.py --csv FILE.

Each ratio is of times taken in turn, in processes of their own where memory or cores matter. The
times of processes have their start in them. docs/simulating.md explains the figures.
"""

import argparse
import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import numpy as np
import pandas as pd
from imnn_core.data import drawing, parts, sets
from imnn_core.data.parts import Part
from imnn_core.gradient import devices
from imnn_core.problems import load, simulations
from imnn_core.problems.workers import SECONDS

ROOT = Path(__file__).parents[2]
# A simulator that computes for a while, of numpy's vector functions, and counts its calls if asked.
COMPUTES = """
import os
import numpy as np
from imnn_core.problems import Problem

N = {n_repeats}
CALLS = os.environ.get("BENCHMARK_CALLS")

def simulator(rng, theta):
    d = rng.standard_normal(10)
    for _ in range(N):
        d = np.sin(d) + d
    if CALLS:
        with open(CALLS, "a") as file:
            file.write("x")
    return theta[0] + theta[1] * d

problem = Problem(simulator, [0.0, 1.0], ["a", "b"], [10], numpy=True)
"""
GAUSSIAN = {"kind": "gaussian", "theta_fid": [0.0, 1.0], "input_shape": [10]}


def bare(path, n):
    """Seconds of a plain loop over n simulations, with their generators."""
    problem = load.build(str(path), delta_theta=[0.1, 0.1])
    words = simulations.words_of(simulations.seed_key(1, "training"))
    began = time.perf_counter()
    for i in range(n):
        problem.simulator(np.random.default_rng([*words, i]), problem.theta_fid.copy())
    return time.perf_counter() - began


def drawn(path, n, threads, folder=None, **asked):
    """Seconds of drawing a part of n simulations without derivatives."""
    with contextlib.ExitStack() as stack:
        folder = folder or stack.enter_context(tempfile.TemporaryDirectory())
        kind = {"kind": str(path)} | ({} if path == "gaussian" else {"delta_theta": [0.1, 0.1]})
        problem, part = load.build(**kind | asked), Part(0, n, 0)
        began = time.perf_counter()
        to = Path(folder, f"{part.name}.h5")
        with sets.writing(to, part, problem, seed=1, split="training") as writer:
            drawing.draw(
                writer,
                simulations.seed_key(1, "training"),
                path=str(path),
                threads=threads,
                n_per_call=simulations.PER_CALL,
                is_whole=True,
                show=lambda *_: None,
            )
        return time.perf_counter() - began


def simulator_of(folder, seconds):
    """A file with a simulator that takes so long."""
    path, n = Path(folder) / f"computes_{seconds}.py", 0 if seconds < 1e-4 else 100
    while True:
        path.write_text(COMPUTES.format(n_repeats=n))
        found = min(bare(path, 20) for _ in range(3)) / 20
        if n == 0 or 0.9 < found / seconds < 1.1:
            return path
        n = max(1, round(n * seconds / found))


def spread(values):
    """Median, lowest and highest."""
    return float(np.median(values)), float(np.min(values)), float(np.max(values))


def of_computing(options, folder):
    """Two cores over one, and one over a bare loop."""
    path, n = simulator_of(folder, 0.02), options.n
    efficiency, overhead = [], []
    for _ in range(options.rounds):
        alone, one, two = bare(path, n), drawn(path, n, 1), drawn(path, n, 2)
        overhead.append(one / alone)
        efficiency.append(one / (2 * two))
    yield "parallel_efficiency_2", *spread(efficiency), 0.9
    yield "overhead_per_simulation", *spread(overhead), 1.05


def of_cheap(options, folder):
    """A simulator of microseconds over a bare loop."""
    path, n = simulator_of(folder, 20e-6), 1000 * options.n
    ratios = [drawn(path, n, 1) / bare(path, n) for _ in range(options.rounds)]
    yield "cheap_numpy_over_bare", *spread(ratios), 2


def of_resuming(options, folder):
    """Simulations drawn again after a kill half-way, over those of a piece per worker."""
    path, ratios = simulator_of(folder, 0.02), []
    piece = math.ceil(SECONDS / 0.02)
    for i in range(options.rounds):
        calls, target, n = Path(folder) / f"calls{i}", Path(folder) / f"part{i}", options.n
        environment = os.environ | {"BENCHMARK_CALLS": str(calls)}
        command = [sys.executable, __file__, "--draw", str(path), "--folder", str(target)]
        command += ["--n", str(n), "--threads", "2"]
        process = subprocess.Popen(command, env=environment)
        while not calls.exists() or calls.stat().st_size < n / 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(2)  # its workers end by themselves
        subprocess.run(command, env=environment, check=True)
        # Beside one that another process draws again, and one that is compared.
        again = calls.stat().st_size - n - 2
        ratios.append(again / (2 * piece))
    yield "resumed_share", *spread(ratios), 1


def of_the_default_run(options, folder):
    """Wall time of the default run's simulating, over that of another commit."""
    if not options.against:
        return
    other = Path(folder) / "other"
    subprocess.run(["git", "worktree", "add", "-f", other, options.against], cwd=ROOT, check=True)
    try:
        ratios = []
        for i in range(options.rounds + 1):  # the first compiles
            seconds = []
            for root in (ROOT, other) if i % 2 else (other, ROOT):
                where = Path(folder) / f"{root.name}-{i}"
                command = [sys.executable, "-m", "snakemake", "--cores", "2", "--until", "simulate"]
                command += ["--snakefile", root / "Snakefile", "--directory", where]
                command += ["--workflow-profile", root / "profiles/default"]
                command += ["--configfile", root / "config/config.yaml"]
                where.mkdir()
                began = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                seconds.append(time.perf_counter() - began)
            ratios.append(seconds[0] / seconds[1] if i % 2 else seconds[1] / seconds[0])
        yield "default_run_simulate", *spread(ratios[1:]), 1.05
    finally:
        subprocess.run(["git", "worktree", "remove", "-f", other], cwd=ROOT, check=True)


def of_opening(options, folder):
    """Opening a set of a thousand parts over opening a set of one."""
    problem, n = load.build(**GAUSSIAN), options.n_large
    rng = np.random.default_rng(0)
    d, dd = rng.standard_normal((n, 10), "f4"), rng.standard_normal((n, 10, 2), "f4")
    paths = {}
    for n_parts in (1, 1000):
        paths[n_parts] = []
        for part in parts.cut(n, n, n // n_parts):
            path = Path(folder) / f"in-{n_parts}" / f"{part.name}.h5"
            with sets.writing(path, part, problem, seed=1, split="test") as writer:
                writer.add("fiducial", part.first, d[part.first : part.stop])
                writer.add("derivative", part.first, dd[part.first : part.stop])
            paths[n_parts].append(path)

    def opened(n_parts):
        began = time.perf_counter()
        with sets.open_simulations(paths[n_parts], problem, seed=1, split="test"):
            return time.perf_counter() - began

    opened(1), opened(1000)
    ratios = [opened(1000) / opened(1) for _ in range(options.rounds)]
    yield "start_of_1e6", *spread(ratios), 1.5


def of_memory(options, folder):
    """Peak memory of a process that draws a part, of 10^6 simulations over 10^4."""
    ratios = []
    for _ in range(min(3, options.rounds)):
        found = []
        for n in (options.n_large, options.n_large // 100):
            command = [sys.executable, __file__, "--draw", "gaussian", "--n", str(n)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append(json.loads(done.stdout.splitlines()[-1])["memory"])
        ratios.append(found[0] / found[1])
    yield "memory_1e6_over_1e4", *spread(ratios), 1.1


def main():
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=Path, help="also write the table there")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--n", type=int, default=1000, help="simulations of 20 ms in a round")
    parser.add_argument("--n-large", type=int, default=10**6)
    parser.add_argument("--against", help="a commit, to which the default run is compared")
    parser.add_argument("--only", help="part of a function's name")
    for name in ("--draw", "--folder"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    devices.only_cpu()
    if options.draw:
        drawn(options.draw, options.n, options.threads, options.folder)
        status = Path("/proc/self/status").read_text().splitlines()
        words = dict(line.split(":", 1) for line in status)
        print(json.dumps({"memory": int(words["VmHWM"].split()[0])}))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for measure in (
            of_computing,
            of_cheap,
            of_resuming,
            of_the_default_run,
            of_opening,
            of_memory,
        ):
            if options.only and options.only not in measure.__name__:
                continue
            for row in partial(measure, options, folder)():
                rows.append(row)
                print("{:26s} {:8.3f}  [{:.3f}, {:.3f}]  to reach {}".format(*row), flush=True)
    if options.csv:
        columns = ["figure", "value", "low", "high", "target"]
        pd.DataFrame(rows, columns=columns).to_csv(options.csv, index=False)


if __name__ == "__main__":
    main()
