"""Jobs and workflows that are killed or interrupted at any moment, and what the next run makes of
it.
"""

import contextlib
import datetime
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running import copied, results_of, snakemake, variables

CONFIG = """
run: tiny
seeds: [1]
n_s: 100
n_d: 80
n_test: 300
n_monte_carlo: 500
checkpoint_minutes: 0.001
fits:
  small:
    network: {hidden: [16]}
    n_per_device: 50
    min_iterations: 3000
    max_iterations: 3000
    report_every: 100
"""


FIT = "results/tiny/fits/small/seed-1/fit.h5"
# All but the figures of the recipe and the report: they take long, and are written in no other way.
WANTED = ("results/tiny/summary.csv", "results/tiny/figures/information.svg")


@pytest.fixture(scope="module")
def project(root, tmp_path_factory):
    """A copy of the project with a small config."""
    folder = copied(root, tmp_path_factory.mktemp("project"))
    (folder / "config/tiny.yaml").write_text(CONFIG)
    return folder


def where(project, folder):
    """What Snakemake is told of the project, of its config and of the results' folder."""
    given = {
        "--snakefile": "Snakefile",
        "--workflow-profile": "profiles/default",
        "--configfile": "config/tiny.yaml",
    }
    options = (option for key, name in given.items() for option in (key, str(project / name)))
    return ("--directory", str(folder), *options)


def started(project, folder, *arguments):
    """Snakemake, on its way in a folder, in a process group of its own."""
    # which is ignored in the background of a shell
    heed = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    become = (
        f"import os, signal, sys; {heed}; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    command = [sys.executable, "-c", become, "-m", "snakemake", "--cores", "2"]
    command += [*where(project, folder), *arguments]
    with open(folder / "output", "w") as output:
        return subprocess.Popen(
            command,
            env=variables(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def run(project, folder, *wanted):
    """Snakemake, to its end; with --unlock where it asks for it."""
    process = started(project, folder, "--", *wanted)
    process.wait(600)
    output = (folder / "output").read_text()
    if process.returncode and "--unlock" in output:
        started(project, folder, "--unlock").wait(60)
        return run(project, folder, *wanted)
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def untouched(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("untouched")
    snakemake(folder, *where(project, folder), "--", *WANTED)
    return results_of(folder)


def jobs_of(pid):
    """Processes that a process has begun, in whichever of its threads, and that are still there."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in children.read_text().split()]
    return found


def wait_for(condition, seconds=180):
    """The value of a condition once it is true."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return value


@pytest.mark.parametrize("n_moments", [3, pytest.param(20, marks=pytest.mark.long)])
def test_killed_at_random_moments_the_results_are_those_of_an_untouched_run(
    project, untouched, tmp_path, n_moments
):
    """A job, the workflow, or both by SIGKILL; each run begins at once after the one before.

    At other moments each day, or at those of the seed in IMNN_KILLS_SEED.
    """
    seed = int(os.environ.get("IMNN_KILLS_SEED") or datetime.date.today().toordinal())
    print(f"IMNN_KILLS_SEED={seed}")  # pytest shows it if the test fails
    choose, kinds = random.Random(seed), itertools.cycle(["job", "workflow", "both"])
    n_killed, n_finished = 0, 0
    while n_killed < n_moments:
        assert n_finished < 20, "the moments are too late for this machine"
        process, kind = started(project, tmp_path, "--", *WANTED), next(kinds)
        wait_for(lambda: jobs_of(process.pid) or process.poll() is not None)  # noqa: B023
        time.sleep(choose.uniform(0, 4))
        jobs = jobs_of(process.pid)
        if process.poll() is None and (jobs or kind == "workflow"):
            n_killed += 1
            with contextlib.suppress(ProcessLookupError):  # the job has just ended by itself
                if kind == "job":
                    os.kill(choose.choice(jobs), signal.SIGKILL)
                else:
                    os.killpg(process.pid, signal.SIGKILL) if kind == "both" else process.kill()
        process.wait(600)
        if "--unlock" in (tmp_path / "output").read_text():
            started(project, tmp_path, "--unlock").wait(60)
        if process.returncode == 0:  # it came to its end: from the beginning
            assert results_of(tmp_path) == untouched
            shutil.rmtree(tmp_path / "results")
            n_finished += 1
    run(project, tmp_path, *WANTED)
    assert results_of(tmp_path) == untouched


def test_interrupted_in_a_fit_it_goes_on_from_there(project, untouched, tmp_path):
    """Ctrl-C reaches Snakemake and its jobs; the next run just goes on. A cluster's SIGTERM reaches
    the job alone: test_slurm.py.
    """
    log = tmp_path / "results/tiny/logs/fit/small/seed-1.log"
    process = started(project, tmp_path, "--", FIT)
    wait_for(
        lambda: (log.exists() and "iteration 3" in log.read_text()) or process.poll() is not None
    )
    assert process.poll() is None, (tmp_path / "output").read_text()
    os.killpg(process.pid, signal.SIGINT)
    process.wait(180)
    assert (tmp_path / FIT).with_name("fit.checkpoint.h5").exists()
    assert run(project, tmp_path, FIT)
    assert "goes on from" in log.read_text()
    found = results_of(tmp_path)
    assert found.items() <= untouched.items()
    assert FIT.removeprefix("results/tiny/") in found
