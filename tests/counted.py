"""A numpy simulator that counts its calls, and sets that are drawn of it in parts."""

import os
import time

import numpy as np
from conftest import everything
from imnn_core.data import parts, sets
from imnn_core.data.parts import Part
from imnn_core.problems import load, simulations
from simulate import simulate

COUNTED = """
import os
import pathlib
import numpy as np
from imnn_core.problems import Problem

def simulate(rng, theta):
    with open({calls!r}, "a") as file:
        file.write(f"{{theta[0]}}\\n")  # a short write at the end of a file is whole
    {more}
    return theta[0] + theta[1] * rng.standard_normal(3)

problem = Problem(simulate, [0.0, 1.0], ["a", "b"], [3], numpy=True)
"""
GAUSSIAN = {"kind": "gaussian", "theta_fid": [0.0, 1.0], "input_shape": [10]}


class Simulator:
    """A numpy simulator in a file that counts its calls."""

    def __init__(self, folder, more=""):
        self.calls, self.path = folder / "calls", folder / "counted.py"
        self.path.write_text(COUNTED.format(calls=str(self.calls), more=more))
        self.problem = {"kind": str(self.path), "delta_theta": [0.1, 0.2]}

    @property
    def n(self):
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0


def draw(folder, problem, n_s, n_d, n_per_part=10**6, split="training", **changes):
    """The parts of a set, drawn as the rule does in a run of its own; their paths."""
    os.environ["IMNN_BEGAN"] = str(time.time())
    paths, n_columns = [], parts.n_columns_of(problem.get("delta_theta"))
    changes = {"n_of_set": parts.n_of_part(Part(0, n_s, n_d), n_columns)} | changes
    for part in parts.cut(n_s, n_d, n_per_part):
        path = folder / split / f"{part.name}.h5"
        if not path.exists():
            asked = {"first": part.first, "n_s": part.stop, "n_d": part.d_stop}
            simulate(path, problem=problem, seed=1, split=split, **asked, **changes)
            changes |= {"checks": False}  # which the first part alone has
        paths.append(path)
    return paths


def read(paths, problem, split="training", **asked):
    built = load.build(**problem)
    with sets.open_simulations(
        paths, built, seed=1, split=split, as_stored=True, **asked
    ) as source:
        return everything(source)


def in_one_go(problem, n_s, n_d, split="training"):
    pieces = simulations.draw(load.build(**problem), simulations.seed_key(1, split), n_s, n_d)
    return [np.concatenate(arrays) for arrays in zip(*pieces, strict=True)]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
