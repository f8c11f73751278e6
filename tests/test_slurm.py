"""The workflow through profiles/ on a real SLURM of one node: what it runs there, and what a job
that is ended early loses.

Oracle: the bytes of the same run on this machine, without a scheduler and without interruptions.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import yaml
from conftest import everything
from imnn_core.data import sets
from imnn_core.problems import load, simulations
from running import copied, edit, snakemake, variables

COMMANDS = ("slurmctld", "slurmd", "sbatch", "munged")
RECIPE = {
    "network": {"hidden": [8]},
    "min_iterations": 0,
    "max_iterations": 200,
    "patience": 100000,
    "report_every": 100,
    "devices": "cpu",
}
CONFIG = {
    "run": "tiny",
    "seeds": [1],
    "n_s": 300,
    "n_d": 200,
    "n_test": 300,
    "n_monte_carlo": 100,
    "fits": {
        "plain": RECIPE,
        "hungry": RECIPE,  # gets too little memory at first
        "late": RECIPE | {"max_iterations": 8000},  # is stopped until its time is over
        "cancelled": RECIPE | {"max_iterations": 8000},
        "on_gpu": RECIPE | {"devices": "gpu"},
    },
}
FITS = "results/tiny/fits"
TARGETS = [
    f"{FITS}/plain/seed-1/information.json",
    *(f"{FITS}/{fit}/seed-1/fit.h5" for fit in ("hungry", "late", "cancelled")),
]
ON_GPU, ANALYTIC = f"{FITS}/on_gpu/seed-1/fit.h5", "results/tiny/analytic_fisher.json"
MADE = [
    *(
        f"results/tiny/simulations/seed-1/{part}.h5"
        for part in ("training/0-300-200", "validation/0-300-200", "test/0-300")
    ),
    *(
        f"{FITS}/plain/seed-1/{name}"
        for name in ("fit.h5", "history.csv", "information.json", "estimates.csv")
    ),
]
SLOW = """
import time
import numpy as np
from imnn_core.problems import Problem

def simulator(rng, theta):
    time.sleep(0.02)
    return theta[0] + theta[1] * rng.standard_normal(6)

problem = Problem(simulator, [0.0, 1.0], ["a", "b"], [6], numpy=True)
"""
IN_PARTS = CONFIG | {
    "run": "parts",
    "problem": "slow.py",
    "derivative": "finite_difference",
    "delta_theta": [0.1, 0.1],
    "n_s": 160,
    "n_d": 160,
    "simulate": {"n_per_part": 20, "seconds_per_simulation": 0.02},
    "fits": {"plain": RECIPE},
}
PARTS = [f"{a}-{a + 20}" for a in range(0, 160, 20)]
LATE_PART = PARTS[2]  # is stopped until its time is over
# There is no accounting here, jobs are short, and one of them fails each time.
SLURM = [
    "--workflow-profile",
    "profiles/slurm",
    "--slurm-status-command",
    "squeue",
    "--latency-wait",
    "20",
    "--retries",
    "1",
]
SLURM += ["--slurm-init-seconds-before-status-checks", "3"]


class Job(NamedTuple):
    """A job as SLURM has it."""

    id: int
    name: str
    comment: str
    state: str
    memory: str
    minutes: str


@pytest.fixture(scope="module")
def slurm():
    """A SLURM of one node: the environment in which its commands are found."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    missing = [command for command in COMMANDS if shutil.which(command, path=path) is None]
    if missing:
        reason = f"SLURM is not installed: there is no {', '.join(missing)} (Debian's slurm-wlm and munge)"
        if os.environ.get("IMNN_REQUIRE_SLURM") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    environment = variables()
    with tempfile.TemporaryDirectory(
        prefix="slurm-"
    ) as folder:  # not pytest's: a socket's name must be short
        command = [Path(__file__).parent / "slurm" / "start-slurm.sh", folder]
        try:
            subprocess.run(command, env=environment | {"PATH": path}, check=True, timeout=120)
            yield environment | {"PATH": f"{folder}/bin{os.pathsep}{path}"}
        finally:
            subprocess.run(
                [*command, "stop"], env=environment | {"PATH": path}, check=True, timeout=120
            )


def jobs_of(slurm, about=""):
    """All jobs whose comment, or else name, has this text in it, as they were submitted."""
    command = ["squeue", "--noheader", "--states=all", "--sort=i", "--format=%i|%j|%k|%T|%m|%l"]
    output = subprocess.run(command, env=slurm, text=True, capture_output=True, check=True).stdout
    jobs = [Job(int(id), *rest) for id, *rest in (line.split("|") for line in output.splitlines())]
    return sorted(job for job in jobs if about in job.comment + job.name)


def start(folder, environment, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--configfile", "tiny.yaml", *arguments],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def finished(process, ok=True):
    """What a workflow printed."""
    output, _ = process.communicate(timeout=1800)
    assert (process.returncode == 0) == ok, output
    return output


def writer_of(log):
    """The process whose output this log is, or None."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "fd/1") == str(log):
                return process
        except OSError:  # it has ended, or is another user's
            continue
    return None


def variables_of(process):
    return dict(
        line.split("=", 1) for line in (process / "environ").read_text().split("\0") if "=" in line
    )


def stop_in_the_middle(log, over, words=": |F|"):
    """Stop a job once its log has these words, as a fit's has that can be saved; its process."""
    while not over.is_set():
        if log.exists() and words in log.read_text() and (process := writer_of(log)):
            os.kill(int(process.name), signal.SIGSTOP)
            return process
        time.sleep(0.02)
    raise RuntimeError(f"{log}: the workflow ended before this job was in the middle")


def with_config(root, folder, config):
    copied(root, folder)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="module")
def project(root, slurm, tmp_path_factory):
    """Copies of the project in which the run is done, `here` and on the `cluster`, and a part of it
    in `generic`.

    And the variables of the jobs that were `stopped`, and what Snakemake `printed` of the cluster.
    """
    folders, stopped, over = {}, {}, threading.Event()
    for name in ("here", "cluster", "generic", "parts"):
        config = IN_PARTS if name == "parts" else CONFIG
        folders[name] = with_config(root, tmp_path_factory.mktemp(name), config)
    (folders["parts"] / "slow.py").write_text(SLOW)

    def stop(fit):
        process = stop_in_the_middle(
            folders["cluster"] / f"results/tiny/logs/fit/{fit}/seed-1.log", over
        )
        stopped[fit] = variables_of(process)
        if fit == "cancelled":
            subprocess.run(["scancel", stopped[fit]["SLURM_JOB_ID"]], env=slurm, check=True)

    def stop_a_part():
        log = folders["parts"] / f"results/parts/logs/simulate/seed-1/training/{LATE_PART}.log"
        stop_in_the_middle(log, over, "/100 simulations, ")

    time_of_part = f"simulate:runtime=1 if wildcards.part == '{LATE_PART}' and attempt == 1 else 20"
    in_parts = start(
        folders["parts"],
        slurm,
        *SLURM,
        "--set-resources",
        time_of_part,
        "--",
        *(f"results/parts/simulations/seed-1/training/{part}.h5" for part in PARTS),
    )
    resources = [
        "fit:mem_mb=250 if wildcards.fit == 'hungry' and attempt == 1 else 1500",
        "fit:runtime=1 if wildcards.fit == 'late' and attempt == 1 else 20",
        "fit:slurm_partition='gpu' if wildcards.fit == 'on_gpu' else 'cpu'",
    ]
    cluster = start(
        folders["cluster"], slurm, *SLURM, "--set-resources", *resources, "--", *TARGETS, ON_GPU
    )
    threads = [threading.Thread(target=stop, args=(fit,)) for fit in ("late", "cancelled")]
    threads.append(threading.Thread(target=stop_a_part))
    try:
        for thread in threads:
            thread.start()
        snakemake(folders["here"], "--configfile", "tiny.yaml", "--", *TARGETS, cores=1)
        finished(
            start(
                folders["generic"],
                slurm,
                "--workflow-profile",
                "profiles/cluster-generic",
                "--",
                ANALYTIC,
            )
        )
        printed = finished(cluster, ok=False)  # for want of a GPU
        finished(in_parts)
    finally:
        over.set()
        cluster.kill()
        in_parts.kill()
        for thread in threads:
            thread.join()
    return folders | {"stopped": stopped, "printed": printed}


def same_bytes(project, path):
    return (project["here"] / path).read_bytes() == (project["cluster"] / path).read_bytes()


def done_by(printed, slurm):
    """Comments of the jobs that a workflow completed, in order.

    Their name is the run's ID, which Snakemake prints: `scancel --name` finds them by it.
    """
    run_id = re.search(r"SLURM run ID: (\S+)", printed)[1]
    jobs = [job for job in jobs_of(slurm, "rule_") if job.name == run_id]
    return sorted(job.comment for job in jobs if job.state == "COMPLETED")


def test_every_job_runs_under_the_scheduler(project, slurm):
    done = done_by(project["printed"], slurm)
    fits = [f"rule_fit_wildcards_tiny_{fit}_1" for fit in ("plain", "hungry", "late", "cancelled")]
    draws = [
        f"rule_simulate_wildcards_tiny_1_{part}"
        for part in ("training_0-300-200", "validation_0-300-200", "test_0-300")
    ]
    others = ["rule_analytic_fisher_wildcards_tiny", "rule_evaluate_wildcards_tiny_plain_1"]
    assert done == sorted([*fits, *draws, *others])


@pytest.mark.long
def test_small_jobs_share_one_or_run_here(root, slurm, tmp_path):
    """A run on the cluster to its report, with parts of sets in groups, as the document has it."""
    with_config(root, tmp_path, CONFIG | {"run": "whole", "fits": {"plain": RECIPE}})
    profile = tmp_path / "profiles/slurm/config.yaml"
    edit(profile, "groups: {use_files: files,", "groups: {simulate: simulations, use_files: files,")
    edit(profile, "group-components: {files", "group-components: {simulations: 20, files")
    done = done_by(finished(start(tmp_path, slurm, *SLURM)), slurm)
    assert len([comment for comment in done if "simulat" in comment]) == 1  # of three sets
    assert [comment for comment in done if "simulat" not in comment] == [
        "rule_analytic_fisher_wildcards_whole",
        "rule_evaluate_wildcards_whole_plain_1",
        "rule_exports_export",
        "rule_fit_wildcards_whole_plain_1",
        "rule_plot_fit_wildcards_whole_plain",
        "rule_report_plot_comparison_report",
    ]
    assert (tmp_path / "results/whole/report.html").exists()
    assert (tmp_path / "results/whole/summary.csv").exists()


@pytest.mark.parametrize("name", ["slurm", "cluster-generic"])
def test_the_groups_of_a_profile_are_of_rules(root, name):
    profile = yaml.safe_load((root / f"profiles/{name}/config.yaml").read_text())
    rules = "".join(path.read_text() for path in (root / "workflow/rules").glob("*.smk"))
    assert profile["groups"].keys() <= set(re.findall(r"^ *rule (\w+):", rules, flags=re.M))


@pytest.mark.parametrize("path", MADE)
def test_the_bytes_are_those_of_a_run_without_a_scheduler(project, path):
    assert same_bytes(project, path)


def test_a_fit_that_exceeds_its_memory_gets_more(project, slurm):
    jobs = jobs_of(slurm, "rule_fit_wildcards_tiny_hungry")
    assert [(job.state, job.memory) for job in jobs] == [("FAILED", "250M"), ("COMPLETED", "1500M")]
    assert same_bytes(project, f"{FITS}/hungry/seed-1/fit.h5")


@pytest.mark.parametrize(
    ("fit", "state", "minutes"), [("late", "TIMEOUT", "1:00"), ("cancelled", "CANCELLED", "20:00")]
)
def test_a_fit_that_is_ended_early_goes_on_from_its_checkpoint(project, slurm, fit, state, minutes):
    jobs = jobs_of(slurm, f"rule_fit_wildcards_tiny_{fit}")
    assert [(job.state, job.minutes) for job in jobs] == [(state, minutes), ("COMPLETED", "20:00")]
    log = (project["cluster"] / f"results/tiny/logs/fit/{fit}/seed-1.log").read_text()
    assert re.search(r"goes on from .* after [1-9]\d* iterations", log), log
    assert same_bytes(project, f"{FITS}/{fit}/seed-1/fit.h5")
    assert same_bytes(project, f"{FITS}/{fit}/seed-1/history.csv")
    assert [
        path.name for path in (project["cluster"] / f"{FITS}/{fit}/seed-1").glob("*checkpoint*")
    ] == []


def test_a_part_whose_time_is_over_goes_on_in_its_next_try(project, slurm):
    """Of eight, each a job. Oracle: the simulations of one process, in one go."""
    jobs = jobs_of(slurm, "rule_simulate_wildcards_parts")
    late = [job for job in jobs if LATE_PART in job.comment]
    assert [(job.state, job.minutes) for job in late] == [
        ("TIMEOUT", "1:00"),
        ("COMPLETED", "20:00"),
    ]
    assert len(jobs) == len(PARTS) + 1
    folder = project["parts"] / "results/parts"
    log = (folder / f"logs/simulate/seed-1/training/{LATE_PART}.log").read_text()
    assert re.search(r"[1-9]\d* of 100 simulations are there already", log), log
    problem = load.build(str(project["parts"] / "slow.py"), delta_theta=[0.1, 0.1])
    paths = [folder / f"simulations/seed-1/training/{part}.h5" for part in PARTS]
    with sets.open_simulations(paths, problem, seed=1, split="training", as_stored=True) as source:
        found = everything(source)
    pieces = simulations.draw(problem, simulations.seed_key(1, "training"), 160, 160)
    for one, other in zip(found, map(np.concatenate, zip(*pieces, strict=True)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_part_on_a_cluster_has_one_process(project):
    """And not one for each core of the node. Oracle: what the logs say."""
    logs = project["parts"] / "results/parts/logs/simulate/seed-1/training"
    for part in PARTS:
        if part != LATE_PART:
            text = (logs / f"{part}.log").read_text()
            assert "the whole set of 800 simulations takes about " in text
            assert " by 1 at a time" in text


def test_a_part_asks_for_the_time_that_it_takes(project, slurm):
    """Oracle: by hand: 100 simulations of 20 ms, ten minutes to begin, and a margin."""
    plan = snakemake(project["parts"], "-n", "--configfile", "tiny.yaml", "--forceall")
    assert "runtime=11," in plan


def test_libraries_are_told_of_the_threads_that_a_job_has(project):
    for fit in ("late", "cancelled"):
        variables = project["stopped"][fit]
        assert {variables[f"{name}_NUM_THREADS"] for name in ("OMP", "OPENBLAS", "MKL")} == {"1"}
        assert variables["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"


def test_a_gpu_is_asked_for_and_its_want_is_told_in_a_line(project, slurm):
    jobs = jobs_of(slurm, "rule_fit_wildcards_tiny_on_gpu")
    assert [job.state for job in jobs] == ["FAILED", "FAILED"]
    for job in jobs:
        shown = subprocess.run(
            ["scontrol", "show", "job", str(job.id)],
            env=slurm,
            text=True,
            capture_output=True,
            check=True,
        )
        assert "Partition=gpu" in shown.stdout
        assert "TresPerJob=gres:gpu:1" in shown.stdout
    assert "error: devices: expected a GPU, found none that jax can use" in project["printed"]
    assert "Traceback" not in project["printed"]


def test_the_profile_for_any_scheduler(project, slurm):
    jobs = jobs_of(slurm, "imnn_analytic_fisher")
    assert [(job.state, job.comment) for job in jobs] == [("COMPLETED", "analytic_fisher run=tiny")]
    assert (project["generic"] / ANALYTIC).read_bytes() == (project["here"] / ANALYTIC).read_bytes()


@pytest.mark.parametrize(
    ("words", "more", "said"),
    [
        pytest.param("seq -s, 100", " -n", r"^fit +200$", marks=pytest.mark.long),
        ("%.10l %k", "", r"TIME_LIMIT COMMENT$"),
        ("xargs -r scancel", "", r"^Unlocked"),
    ],
)
def test_the_commands_of_the_document_on_clusters(project, root, slurm, words, more, said):
    """As they stand there; of a hundred seeds the plan alone."""
    (line,) = [
        line for line in (root / "profiles/README.md").read_text().splitlines() if words in line
    ]
    command = re.sub(r"\s+#\s.*", "", line) + more
    environment = slurm | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{slurm['PATH']}"}
    done = subprocess.run(
        command,
        shell=True,
        cwd=project["generic"],
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(said, done.stdout + done.stderr, flags=re.M), done.stdout + done.stderr
