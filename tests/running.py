"""Snakemake as a user runs it, in copies of the project."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

QUICK = ("--configfile", "config/quick.yaml")
PARTS = ("Snakefile", "workflow", "scripts", "config", "profiles")


def copied(root, folder: Path):
    """A copy of the project, as a user has it; the folder."""
    folder.mkdir(exist_ok=True)
    for part in PARTS:
        copy = shutil.copytree if (root / part).is_dir() else shutil.copy
        copy(root / part, folder / part)
    return folder


def variables():
    """Of a user's environment: those of the tests' own jax are left out."""
    return {name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "JAX_PLATFORMS")}


def snakemake(folder, *arguments, cores=2, ok=True):
    """Run snakemake in a folder, as a user does; its output."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", str(cores), *arguments],
        cwd=folder, env=variables(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900, check=False,
    )  # fmt: skip
    assert (done.returncode == 0) == ok, done.stdout
    return done.stdout


def planned(folder, *arguments):
    """Numbers of jobs by rule that snakemake would run, `all` left out."""
    output = snakemake(folder, "-n", *arguments)
    if "Nothing to be done" in output:
        return {}
    table = output.split("Job stats:\n")[1].split("\ntotal")[0]
    jobs = dict(line.split() for line in table.splitlines()[2:])
    return {rule: int(n) for rule, n in jobs.items() if rule != "all"}


def edit(path: Path, old: str, new: str):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def content_of(path: Path) -> bytes:
    """A result's bytes, a report's without its section of times."""
    content = path.read_bytes()
    return re.sub(rb'<section id="times".*?</section>', b"", content, flags=re.S) if path.name == "report.html" else content


def results_of(folder: Path, run="tiny"):
    """Digests of a run's results by name, but for logs, benchmarks and what has their times in it, and checksums."""
    results = folder / "results" / run
    return {
        str(path.relative_to(results)): hashlib.sha256(content_of(path)).hexdigest()
        for path in results.rglob("*")
        if path.is_file() and path.relative_to(results).parts[0] not in ("logs", "benchmarks") and path.suffix != ".sha256"
    }
