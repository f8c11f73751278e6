"""Snakemake as a user runs it, in copies of the project."""

import array
import functools
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

QUICK = ("--configfile", "config/quick.yaml")
PARTS = ("Snakefile", "workflow", "scripts", "config", "profiles")
SECONDS = 900
# Variables that nothing looks at before the workflow begins: calls that differ in others have a
# process of their own.
READ_LATE = ("PYTEST_CURRENT_TEST", "SNAKEMAKE_OUTPUT_CACHE")


def copied(root, folder: Path):
    """A copy of the project, as a user has it; the folder."""
    folder.mkdir(exist_ok=True)
    for part in PARTS:
        copy = shutil.copytree if (root / part).is_dir() else shutil.copy
        copy(root / part, folder / part)
    return folder


def variables():
    """Of a user's environment: those of the tests' own jax are left out."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in ("XLA_FLAGS", "JAX_PLATFORMS")
    }


class Server:
    """Snakemake, imported once for many calls; see forking.py.

    It ends with the process of the tests.
    """

    def __init__(self):
        self.socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.environment = variables()
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("forking.py"), str(other.fileno())],
            cwd="/",
            env=self.environment,
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        other.close()

    def suits(self, environment):
        """Whether what was imported in the server's environment is as it would be in this one."""
        return not {
            name
            for name in environment.keys() | self.environment
            if environment.get(name) != self.environment.get(name) and name not in READ_LATE
        }

    def receive(self):
        """A number; an error where the server has ended."""
        (number,) = array.array("q", self.socket.recv(8))
        return number

    def run(self, folder, arguments, environment):
        """Return value and output of Snakemake, which is killed if it takes too long."""
        call = {
            "folder": str(folder),
            "arguments": list(map(str, arguments)),
            "environment": environment,
        }
        reading, writing = os.pipe()
        socket.send_fds(self.socket, [json.dumps(call).encode()], [writing])
        os.close(writing)
        killer = threading.Timer(SECONDS, os.kill, (self.receive(), signal.SIGKILL))
        killer.start()
        with open(reading, encoding="utf-8") as file:
            output = file.read()
        killer.cancel()
        return self.receive(), output


@functools.cache
def server():
    return Server()


def snakemake(folder, *arguments, cores=2, ok=True, own_process=False):
    """Run snakemake in a folder, as a user does; its output."""
    arguments, environment = ["--cores", str(cores), *arguments], variables()
    if own_process or not server().suits(environment):
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
        status, output = done.returncode, done.stdout
    else:
        status, output = server().run(folder, arguments, environment)
    assert (status == 0) == ok, output
    return output


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
        and path.suffix != ".sha256"
    }
