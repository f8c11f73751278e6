"""What jobs ask a cluster for: enough, by what they were measured to take, and more in each
attempt.
"""

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest
from imnn_core.config.read import read_config
from imnn_core.config.recipe import Recipe
from imnn_core.problems import load
from imnn_core.workflow import checks, requests

SNAKEMAKE = 300  # MB: the two processes of Snakemake that a cluster's job has beside the script's
FIELDS = requests.Sizes(
    (32, 32), 2, {"training": 8 * 10**8, "validation": 8 * 10**8, "test": 10**6}
)

FIT = """
import json, sys
from fit import Paths, fit
from simulate import simulate

class NoBar:
    def show(self, *_): pass

problem, recipe = {"kind": "gaussian_field", "input_shape": [32, 32]}, json.loads(sys.argv[1])
simulate("training.h5", problem=problem, seed=1, split="training", n_s=500, n_d=500)
fit(Paths("training.h5", None, None, "fit.h5", "history.csv"), problem=problem, seed=1, n_s=500, n_d=500, recipe=recipe, bar=NoBar())
status = open("/proc/self/status").read()  # not getrusage, which knows of the parent's memory as well
print(int(status.split("VmHWM:")[1].split()[0]) * 1024)
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read where Linux has it")
def test_a_fit_takes_no_more_than_it_asks_for_nor_far_less(root, tmp_path):
    """Oracle: the largest resident set of such a fit, as Linux counts it."""
    network = {"kind": "cnn", "channels": [16], "activation": "square"}
    recipe = Recipe(
        network=network,
        n_per_device=500,
        validation=False,
        min_iterations=0,
        max_iterations=2,
        devices="cpu",
    )
    command = [sys.executable, "-c", FIT, json.dumps(recipe.model_dump())]
    environment = {"PYTHONPATH": str(root / "scripts"), "PJRT_NPROC": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=True
    )
    taken = int(done.stdout) / requests.MB + SNAKEMAKE
    drawn = {"training": requests.bytes_of_set((32, 32), 2, 500, 500)}
    asked = requests.of_fitting(requests.Sizes((32, 32), 2, drawn), recipe, ["training"], 0, 1)
    assert taken < asked < 3 * taken


def test_sets_that_may_be_resident_are_asked_for_and_streamed_ones_are_not():
    def asked(**keys):
        return requests.of_fitting(FIELDS, Recipe(**keys), ["training"], 0, 1)

    streamed = asked(data="streamed")
    assert asked(data="auto") == asked(data="resident")
    assert 700 < asked(data="resident") - streamed < 900
    assert asked(data="resident", augment="permute") - asked(data="resident") == 800


@pytest.mark.parametrize(
    "asked",
    [
        requests.of_small,
        lambda attempt: requests.of_simulating(FIELDS, attempt),
        lambda attempt: requests.of_fitting(FIELDS, Recipe(), ["training"], 1, attempt),
        lambda attempt: requests.of_evaluating(FIELDS, Recipe(), 0, attempt),
        lambda attempt: requests.of_estimating(FIELDS, Recipe(), 10**6, 0, attempt),
    ],
)
def test_each_attempt_asks_for_more(asked):
    assert [asked(attempt) for attempt in (2, 3)] == [2 * asked(1), 3 * asked(1)]


def sizes(problem="gaussian", files=None, **keys):
    settings = read_config({"problem": problem, **keys})
    arguments = {
        "kind": problem,
        "names": settings.names,
        "theta_fid": settings.theta_fid,
        "input_shape": settings.input_shape,
    }
    built = load.build(**arguments, delta_theta=settings.delta_theta)
    return checks.sizes(settings, built, files or {})


def test_sizes_of_what_is_drawn():
    found = sizes(n_s=100, n_d=10, n_test=1000)
    assert found.sets == {
        "training": 4 * 10 * 120,
        "validation": 4 * 10 * 120,
        "test": 4 * 10 * 3000,
    }
    found = sizes(n_s=100, n_d=10, derivative="finite_difference", delta_theta=[0.1, 0.1])
    assert found.sets["training"] == 4 * 10 * (100 + 10 * 4)
    assert sizes(simulations="on_the_fly").sets["training"] == 0


def test_sizes_of_a_problem_of_ones_own_are_known_once_it_was_loaded(root):
    found = sizes(str(root / "config/examples/decay.py"), n_s=100, n_d=100)
    assert (found.shape, found.sets["training"]) == ((30,), 4 * 30 * 300)


@pytest.mark.parametrize("kind", ["h5", "npz"])
def test_sizes_of_files_are_those_of_their_numbers_in_memory(tmp_path, kind):
    """However small compression makes the file."""
    path = tmp_path / f"training.{kind}"
    arrays = {
        "fiducial": np.zeros((1000, 5), np.float32),
        "derivative": np.zeros((1000, 5, 1), np.float32),
    }
    if kind == "npz":
        np.savez_compressed(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file.create_dataset(name, data=array, compression="gzip")
    assert path.stat().st_size < 20000
    files = {"training": str(path), "fractions": {"validation": 0.25, "test": 0.25}}
    keys = {
        "names": ["a"],
        "theta_fid": [0.0],
        "input_shape": [5],
        "fits": {"mlp": {"n_summaries": 1}},
    }
    found = sizes("files", {"training": str(path)}, simulations=files, **keys)
    whole = 4 * 1000 * 5 * 2
    assert found.sets["training"] == pytest.approx(whole / 2, rel=0.02)
    assert found.sets["test"] == pytest.approx(whole / 4, rel=0.02)
    assert found.npz == (0 if kind == "h5" else pytest.approx(whole, rel=0.02))
