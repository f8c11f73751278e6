"""A fit's program over the loaded fit: python tests/benchmarks/compressor.py FIT.h5 --csv FILE.

Each ratio is of processes in turn: what opening and the first call take together, compilation
included, and what later calls take. docs/compressing.md explains the figures.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
CALLS = 15  # later calls of a process, of which the median counts


def opened(how, path):
    """A function of simulations, and what they are: the loaded fit, or its program."""
    if how == "load":
        import imnn_core

        return imnn_core.load(path)
    import jax.export

    content = path.with_name("compressor.stablehlo").read_bytes()
    return jax.export.deserialize(bytearray(content)).call


def child(options):
    """Print the seconds of opening with a first call, and of a later one."""
    import jax
    import numpy as np

    jax.devices()
    d = np.random.default_rng(0).standard_normal((options.n, *options.shape)).astype("f4")
    times = [time.perf_counter()]
    call = opened(options.child, options.fits[0])
    for _ in range(1 + CALLS):
        np.asarray(call(d))
        times.append(time.perf_counter())
    each = np.diff(times)
    print(each[0], np.median(each[1:]))


def timed(how, path, shape, n):
    command = [sys.executable, __file__, path, "--child", how, "--n", str(n), "--shape"]
    done = subprocess.run(
        [*command, *map(str, shape)], text=True, capture_output=True, check=True, cwd=ROOT
    )
    return [float(word) for word in done.stdout.split()]


def rows_of(path, options):
    """Rows of the table for one fit."""
    import imnn_core
    import numpy as np

    shape = imnn_core.load(path).input_shape
    name, ratios = f"{path.parent.parent.name}", []
    for _ in range(options.rounds):
        loaded, program = (timed(how, path, shape, options.n) for how in ("load", "program"))
        ratios.append([b / a for a, b in zip(loaded, program, strict=True)])
    yield f"{name}_kilobytes", path.with_name("compressor.stablehlo").stat().st_size / 1e3, "", ""
    for what, values in zip(("first_call", "later_call"), np.transpose(ratios), strict=True):
        yield f"{name}_{what}", np.median(values), values.min(), values.max()


def main():
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fits", type=Path, nargs="+", help="fit.h5, with its program beside it")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--n", type=int, default=10_000, help="simulations of a call")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--shape", type=int, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options)
        return
    import pandas as pd

    rows = [row for path in options.fits for row in rows_of(path.resolve(), options)]
    table = pd.DataFrame(rows, columns=["figure", "value", "low", "high"])
    print(table.to_string(index=False))
    if options.csv:
        table.to_csv(options.csv, index=False)


if __name__ == "__main__":
    main()
