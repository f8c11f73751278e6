"""Snakemake as a user runs it, in copies of the project."""

import functools
import hashlib
import importlib.metadata
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

QUICK = ("--configfile", "config/quick.yaml")
PARTS = ("Snakefile", "workflow", "scripts", "config", "profiles")
SECONDS = 900
# The tests compile many small programs that run for moments.
QUICK_TO_COMPILE = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
if importlib.metadata.version("jaxlib").startswith("0.10."):  # later ones do not know this flag
    QUICK_TO_COMPILE += " --xla_cpu_use_fusion_emitters=false"


def copied(root, folder: Path):
    """A copy of the project, as a user has it; the folder."""
    folder.mkdir(exist_ok=True)
    for part in PARTS:
        copy = shutil.copytree if (root / part).is_dir() else shutil.copy
        copy(root / part, folder / part)
    return folder


def variables():
    """Of a user's environment, but for jobs that compile quickly."""
    left_out = ("XLA_FLAGS", "JAX_PLATFORMS")
    mine = {name: value for name, value in os.environ.items() if name not in left_out}
    return mine | {"XLA_FLAGS": QUICK_TO_COMPILE}


@functools.cache
def server():
    """The process of forking.py for the tests of this process, and the `python` that calls it."""
    folder = tempfile.TemporaryDirectory(prefix="imnn-forking-")
    address, python = Path(folder.name, "socket"), Path(folder.name, "python")
    program, client = (Path(__file__).with_name(f"{name}.py") for name in ("forking", "forked"))
    words = map(shlex.quote, (sys.executable, "-IS", str(client), str(address), sys.executable))
    python.write_text(f'#!/bin/sh\nexec {" ".join(words)} "$@"\n')
    python.chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(address))
        listening.listen()
        process = subprocess.Popen(
            [sys.executable, program, str(listening.fileno()), python],
            cwd="/",
            env=variables(),
            pass_fds=[listening.fileno()],
            stdin=subprocess.PIPE,  # it ends with this process
        )
    process.folder = folder
    return process, str(python)


def snakemake(folder, *arguments, cores=2, ok=True, own_process=False):
    """Run snakemake in a folder, as a user does; its output."""
    python = sys.executable if own_process else server()[1]
    done = subprocess.run(
        [python, "-m", "snakemake", "--cores", str(cores), *arguments],
        cwd=folder,
        env=variables() | {"PWD": str(folder)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode == 0) == ok, done.stdout
    return done.stdout


def planned(folder, *arguments, **how):
    """Numbers of jobs by rule that snakemake would run, `all` left out."""
    output = snakemake(folder, "-n", *arguments, **how)
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
    return (
        re.sub(rb'<section id="times".*?</section>', b"", content, flags=re.S)
        if path.name == "report.html"
        else content
    )


def results_of(folder: Path, run="tiny"):
    """Digests of a run's results by name, but for logs, benchmarks and what has their times in it,
    and checksums.
    """
    results = folder / "results" / run
    return {
        str(path.relative_to(results)): hashlib.sha256(content_of(path)).hexdigest()
        for path in results.rglob("*")
        if path.is_file()
        and path.relative_to(results).parts[0] not in ("logs", "benchmarks")
        and path.suffix not in (".sha256", ".kept")
    }
