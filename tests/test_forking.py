"""The quick way in which the tests call Snakemake and its jobs is as good as the slow one."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from running import server, snakemake, variables
from tiny_project import TINY_RUN, copied

ASK = """
import gc, json, os, resource, signal, subprocess, sys, threading
import jax, matplotlib.style
ask = "import json, os, signal, sys; print(json.dumps([sorted(os.environ), signal.getsignal(2) == signal.default_int_handler]))"
found = {
    "path": sys.path, "arguments": sys.argv, "folder": os.getcwd(), "of the workflow": workflow.rundir,
    "environment": dict(os.environ), "threads": threading.active_count(), "files": len(os.listdir("/proc/self/fd")),
    "signals": [str(signal.getsignal(n)) for n in signal.valid_signals()], "blocked": list(signal.pthread_sigmask(0, [])),
    "umask": os.umask(0o22), "limits": [resource.getrlimit(n) for n in range(10)],
    "group": os.getpgrp(), "session": os.getsid(0), "input": os.fstat(0).st_mode,
    "output": [sys.stdout.encoding, sys.stdout.line_buffering, os.path.samestat(os.fstat(1), os.fstat(2))],
    "options": str(sys.flags), "main": sys.modules["__main__"].__name__, "gc": gc.get_threshold(),
    "x64": jax.config.jax_enable_x64, "size": matplotlib.rcParams["font.size"],
    "job": json.loads(subprocess.run([sys.executable, "-c", ask], capture_output=True, check=True).stdout),
}
print("found", json.dumps(found))
rule all:
    shell: "true"
"""


def found(folder, **how):
    (line,) = [
        line for line in snakemake(folder, "-n", **how).splitlines() if line.startswith("found ")
    ]
    return json.loads(line.removeprefix("found "))


def test_a_forked_snakemake_finds_what_one_that_was_started_finds(tmp_path):
    """Oracle: `python -m snakemake`: folder, environment, sys.path, files, signals, limits."""
    (tmp_path / "Snakefile").write_text(ASK)
    expected = found(tmp_path, own_process=True)
    assert expected["folder"] == expected["of the workflow"] == str(tmp_path)
    assert found(tmp_path) == expected
    assert server()[0].poll() is None


SCRIPT = """
import json, os, sys, tempfile
print(json.dumps([sys.argv, sys.path[0], os.getcwd(), __name__, __file__, os.umask(0o22), sys.stdin.read(),
                  len(os.listdir("/proc/self/fd")), tempfile.gettempdir(), os.environ["OMP_NUM_THREADS"]]))
sys.stderr.write("an error")
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize("status", [0, 3])
def test_a_forked_script_finds_what_one_that_was_started_finds(tmp_path, status):
    """Oracle: `python script.py`: arguments, files, folders, return value."""
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = variables() | {"TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "7"}
    done = [
        subprocess.run(
            [python, tmp_path / "script.py", str(status)],
            cwd=tmp_path,
            env=environment,
            input="words",
            capture_output=True,
            text=True,
            check=False,
        )
        for python in (sys.executable, server()[1])
    ]
    assert done[0].stdout == done[1].stdout != ""
    assert done[0].stderr == done[1].stderr == "an error"
    assert done[0].returncode == done[1].returncode == status


def test_jobs_are_forked(tmp_path):
    """Oracle: the number of the process that forks; a job's parent is that, not its shell."""
    (tmp_path / "Snakefile").write_text("rule all:\n    script: 'job.py'\n")
    (tmp_path / "job.py").write_text(
        "import os, sys\nprint('parent', os.getppid(), 'jax' in sys.modules)"
    )
    assert f"parent {server()[0].pid} True" in snakemake(tmp_path)
    assert "True" not in snakemake(tmp_path, "--force", own_process=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_script_that_a_signal_ends(tmp_path, number):
    (tmp_path / "script.py").write_text(
        f"import os, signal\nsignal.signal(2, signal.SIG_DFL)\nos.kill(os.getpid(), {int(number)})\n"
    )
    command = [server()[1], "script.py"]
    done = subprocess.run(command, cwd=tmp_path, env=variables(), check=False)
    assert done.returncode == -number


def words(output):
    """Words of a plan, sorted, since Snakemake's sets have no order; without times and the like."""
    return sorted(
        re.findall(
            r"[^\s,;]*[^\s,;\d:][^\s,;]*",
            re.sub(r"\b[\da-f-]{36}\b|\b\w{3} \w{3} +\d+", "", output),
        )
    )


def test_a_forked_plan_is_that_of_a_process_of_its_own(root, tmp_path):
    """Oracle: `python -m snakemake -n`.

    The code is that of the folder, not of the one that was planned before.
    """
    first, second = (copied(root, tmp_path / name) for name in ("first", "second"))
    expected = words(snakemake(second, "-n", *TINY_RUN, own_process=True))
    (first / "scripts/imnn_core/__init__.py").write_text("1 / 0")
    assert "ZeroDivisionError" in snakemake(first, "-n", *TINY_RUN, ok=False)
    assert words(snakemake(second, "-n", *TINY_RUN)) == expected


def test_another_environment_has_a_process_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "Snakefile").write_text(
        "import jax\nprint('found', jax.config.jax_enable_x64)\nrule all:\n    shell: 'true'\n"
    )
    assert "found False" in snakemake(tmp_path, "-n")
    monkeypatch.setenv("JAX_ENABLE_X64", "1")
    assert "found True" in snakemake(tmp_path, "-n")


def test_a_failure_is_one(tmp_path):
    (tmp_path / "Snakefile").write_text("import sys\nsys.exit('at its end')\n")
    assert "at its end" in snakemake(tmp_path, "-n", ok=False)
    with pytest.raises(AssertionError, match="at its end"):
        snakemake(tmp_path, "-n")


def test_one_that_takes_too_long_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("running.SECONDS", 0.5)
    (tmp_path / "Snakefile").write_text(
        "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    )
    with pytest.raises(subprocess.TimeoutExpired):
        snakemake(tmp_path, "-n")
    pid, end = int((tmp_path / "pid").read_text()), time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}"):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert os.listdir(f"/proc/{server()[0].pid}/task") == [str(server()[0].pid)]
