"""A simulator that costs something, through Snakemake: nothing is drawn twice, whatever happens.

Oracle: the number of its calls, which it counts, and the results of a run without interruptions.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import everything
from imnn_core.data import drawn_files, ranges, sets
from imnn_core.data.parts import Part
from imnn_core.problems import load, simulations
from running import edit, planned, snakemake
from test_kills import jobs_of, run, started, wait_for
from test_workers import is_alive
from tiny_project import copied

SIMULATOR = """
import pathlib
import time
from pathlib import Path
import jax.numpy as jnp
import numpy as np
from imnn_core.problems import Problem

CALLS = pathlib.Path(__file__).with_name("calls")

def simulator(rng, theta):
    time.sleep(0.004)
    with CALLS.open("a") as file:
        file.write("x")
    return theta[0] + theta[1] * rng.standard_normal(6)

def mean(n_summaries, scale=1.0):
    def init(key, input_shape):
        return {"w": jnp.eye(n_summaries)}
    def apply(weights, d):
        return weights["w"] @ jnp.stack([jnp.mean(d), scale * jnp.mean(d**2)])
    return init, apply

problem = Problem(simulator, [0.0, 1.0], ["a", "b"], [6], numpy=True,
                  networks={"mean": mean}, symbols=["a", "b"])
"""
CONFIG = {
    "run": "tiny",
    "problem": "counted.py",
    "derivative": "finite_difference",
    "delta_theta": [0.1, 0.1],
    "seeds": [1],
    "n_s": 60,
    "n_d": 40,
    "n_test": 60,
    "simulate": {"n_per_part": 30},
    "figures": {"formats": ["svg"]},
    "fits": {
        "small": {
            "network": {"kind": "mean"},
            "min_iterations": 0,
            "max_iterations": 3,
            "validation": False,
            "devices": "cpu",
        }
    },
}
CALLED = 60 + 40 * 4 + 60 * 5 + 60 * 4  # training, test, and the half step's
TWICE = 2  # number 0 of training and of test, by two processes
SUMMARY = "results/tiny/summary.csv"
SETS = [
    f"results/tiny/simulations/seed-1/{part}.h5"
    for part in (
        "training/0-30",
        "training/30-60-40",
        "test/0-30",
        "test/30-60",
        "half_step/few",
    )
]
WITH = ("--configfile", "config/tiny.yaml")


def write_config(folder, **changes):
    (folder / "config/tiny.yaml").write_text(yaml.safe_dump(CONFIG | changes))


def n_calls(folder):
    path = folder / "calls"
    return path.stat().st_size if path.exists() else 0


def made(root, folder):
    copied(root, folder)
    (folder / "counted.py").write_text(SIMULATOR)
    write_config(folder)
    return folder


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    """A run to its summary."""
    folder = made(root, tmp_path_factory.mktemp("finished"))
    output = snakemake(folder, *WITH, "--", SUMMARY)
    return folder, output


def read(folder, split, names):
    problem = load.build(str(folder / "counted.py"), delta_theta=[0.1, 0.1])
    paths = [folder / f"results/tiny/simulations/seed-1/{split}/{name}.h5" for name in names]
    with sets.open_simulations(paths, problem, seed=1, split=split, as_stored=True) as source:
        return everything(source)


def in_one_go(folder, split, n_s, n_d):
    problem = load.build(str(folder / "counted.py"), delta_theta=[0.1, 0.1])
    pieces = simulations.draw(problem, simulations.seed_key(1, split), n_s, n_d)
    return [np.concatenate(arrays) for arrays in zip(*pieces, strict=True)]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_each_simulation_is_drawn_once(finished):
    folder, output = finished
    assert n_calls(folder) == CALLED + TWICE
    assert "Simulations: 760 needed, 0 there already" in output
    assert (
        "simulate: 760 needed, 0 there (training 0 of 220, test 0 of 300, half_step 0 of 240)"
        in (output)
    )
    again = snakemake(folder, *WITH, "-n", "--", SUMMARY)
    assert "Simulations: 760 needed, 760 there already" in again
    assert_same(
        read(folder, "training", ["0-30", "30-60-40"]), in_one_go(folder, "training", 60, 40)
    )
    assert not list(folder.glob("results/tiny/simulations/*/*/.*"))
    checked = json.loads((folder / "results/tiny/simulations/checked.json").read_text())
    assert checked == {"training": {"seed": 1, "n_s": 60, "n_d": 40}}


def test_the_same_simulations_serve_for_differences_of_summaries(finished, tmp_path):
    folder = tmp_path / "other"
    shutil.copytree(finished[0], folder)
    write_config(folder, derivative="finite_difference_of_summaries")
    jobs = planned(folder, *WITH, "--", SUMMARY)
    assert "simulate" not in jobs
    assert jobs["fit"] == 1


def test_more_simulations_are_drawn_beside_those_that_there_are(finished, root, tmp_path):
    folder = tmp_path / "more"
    shutil.copytree(finished[0], folder)
    write_config(folder, n_s=90, n_d=60)
    # Both parts of training change in name or are new, of the second the derivatives.
    assert planned(folder, *WITH, "--", SUMMARY)["simulate"] == 2
    n = n_calls(folder)
    snakemake(folder, *WITH, "--", SUMMARY)
    new = 30 + 20 * 4
    assert new <= n_calls(folder) - n <= new + 2
    names = ["0-30", "30-60", "60-90-60"]
    assert_same(read(folder, "training", names), in_one_go(folder, "training", 90, 60))
    write_config(folder, n_s=30, n_d=30)
    n = n_calls(folder)
    assert "simulate" not in planned(folder, *WITH, "--", SUMMARY)
    write_config(folder, n_s=90, n_d=60, simulate={"n_per_part": 45})
    snakemake(folder, *WITH, "--", SUMMARY)
    n_parts = 2 + 2 + 1
    assert n_calls(folder) - n <= n_parts


EDITS = [
    ("scale=1.0", "scale=2.0", False),
    ('symbols=["a", "b"]', 'symbols=["A", "B"]', False),
    ("    networks", "    # Of a network.\n                  networks", False),
    ("rng.standard_normal(6)", "2 * rng.standard_normal(6)", True),
]


@pytest.mark.parametrize(("old", "new", "is_drawn"), EDITS)
def test_an_edit_of_what_makes_no_simulation_draws_none(finished, tmp_path, old, new, is_drawn):
    folder = tmp_path / "edited"
    shutil.copytree(finished[0], folder)
    edit(folder / "counted.py", old, new)
    jobs = planned(folder, *WITH, "--", SUMMARY)
    assert ("simulate" in jobs) == is_drawn
    assert ("fit" in jobs) == ("#" not in new)


def test_simulations_that_are_not_kept(root, tmp_path):
    """They go when all is measured; figures are drawn, and the run packed, without them."""
    folder = made(root, tmp_path / "project")
    write_config(folder, simulate={"n_per_part": 30, "keep": False})
    snakemake(folder, *WITH)
    assert not list(folder.rglob("results/tiny/simulations/**/*.h5"))
    assert planned(folder, *WITH) == {}
    figure = "results/tiny/figures/information.svg"
    before = (folder / figure).read_bytes()
    snakemake(folder, *WITH, "--force", figure)
    assert (folder / figure).read_bytes() == before
    snakemake(folder, *WITH, "--", "results/tiny/tiny.zip")
    assert n_calls(folder) == CALLED + TWICE
    shutil.unpack_archive(folder / "results/tiny/tiny.zip", tmp_path / "there")
    assert planned(tmp_path / "there/tiny") == {}


def assert_same_sets(folder, other):
    for path in SETS:
        assert (folder / path).read_bytes() == (other / path).read_bytes(), path


def n_on_disk(folder):
    """Simulations that are done, in whichever files; oracle: the files' own notes."""
    found = 0
    for path in SETS:
        first, *ends = Part.of_name(Path(path).stem) if "few" not in path else Part(0, 0, 60)
        there = list(drawn_files.there((folder / path).parent, Part(first, *ends)))
        for name, stop, n in zip(("fiducial", "derivative"), ends, (1, 4), strict=True):
            left = [(first * n, stop * n)]
            for piece, _ in (piece for each in there for piece in each.pieces[name]):
                left = ranges.without(left, piece)
            found += (stop - first) * n - ranges.total(left)
    return found


def test_two_interrupts_in_a_row_lose_nothing(finished, root, tmp_path):
    """SIGINT to Snakemake alone, which then lets its jobs end and notes nothing of them."""
    folder = made(root, tmp_path / "project")
    where, n_interrupts = folder / "results/tiny/simulations", 0
    for wanted in (1, 2):
        process = started(folder, folder, "--", *SETS)
        wait_for(lambda: len(list(where.rglob("*.h5"))) >= wanted or process.poll() is not None)  # noqa: B023
        if process.poll() is None:
            n_interrupts += 1
            process.send_signal(signal.SIGINT)
        process.wait(120)
    assert n_interrupts == 2
    run(folder, folder, *SETS)
    # And one of each part that a job had to go on with, to compare it with what was there.
    assert n_calls(folder) <= CALLED + TWICE + len(SETS)
    assert_same_sets(folder, finished[0])


@pytest.mark.parametrize("n_moments", [3, pytest.param(15, marks=pytest.mark.long)])
def test_killed_at_random_moments_while_simulating(finished, root, tmp_path, n_moments):
    """A worker, a job, Snakemake or all of them by SIGKILL; few simulations are drawn again."""
    folder, rng = made(root, tmp_path / "project"), np.random.default_rng()
    n_killed = 0
    while n_killed < n_moments:
        process = started(folder, folder, "--", *SETS)
        wait_for(lambda: jobs_of(process.pid) or process.poll() is not None)  # noqa: B023
        time.sleep(rng.uniform(0.5, 4))
        if process.poll() is not None:
            break
        jobs = jobs_of(process.pid)
        workers = [worker for job in jobs for worker in jobs_of(job)]
        kind = rng.choice(["worker", "job", "workflow", "all"])
        chosen = {"worker": workers[:1], "job": jobs[:1], "workflow": [process.pid]}.get(
            kind, [process.pid, *jobs, *workers]
        )
        for pid in chosen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                n_killed += pid == chosen[0]
        if kind == "worker":
            process.send_signal(signal.SIGINT)
        process.wait(300)
        wait_for(lambda: not [pid for pid in (*jobs, *workers) if is_alive(pid)])  # noqa: B023
    n, left = n_calls(folder), CALLED - n_on_disk(folder)
    run(folder, folder, *SETS)
    assert_same_sets(folder, finished[0])
    # Besides, one of each part that is gone on with, or number 0 twice.
    assert left <= n_calls(folder) - n <= left + len(SETS)


def test_the_log_says_how_far_a_part_is(finished):
    folder, _ = finished
    text = (folder / "results/tiny/logs/simulate/seed-1/test/0-30.log").read_text()
    assert re.search(r"counted, seed 1, test: simulations 0 to 29, derivatives 0 to 29\n", text)
    assert re.search(r"\d+/150 simulations, \S+/s, \d+ s left\n", text)


def test_the_monte_carlo_estimate_needs_no_simulations_of_its_own(finished):
    found = json.loads((finished[0] / "results/tiny/analytic_fisher.json").read_text())
    assert found["monte_carlo"] is None  # its likelihood is not known
