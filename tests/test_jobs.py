"""What every script does around its function."""

import os
import signal
import subprocess
import sys

import pytest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_job_ends_by_the_signal_and_leaves_no_temporary_file(tmp_path, root, number):
    code = f"""
import os, signal, time
from imnn_core import files, jobs
signal.signal(signal.SIGINT, signal.default_int_handler)  # else ignored where the tests run in the background
with jobs.job({str(tmp_path / "log")!r}), files.replacing({str(tmp_path / "result")!r}):
    os.kill(os.getpid(), {int(number)})
    time.sleep(60)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=root / "scripts", check=False)
    assert done.returncode == -number
    assert (tmp_path / "log").read_text() == f"interrupted by {number.name}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


@pytest.mark.parametrize("chosen", [None, "mine"])
def test_compiled_programs_are_kept_for_later_jobs(tmp_path, root, chosen):
    """A second job finds what the first one compiled; a folder that the user has chosen stays."""
    code = f"""
import sys
sys.path.append({str(root / "scripts")!r})
import jax
from imnn_core import jobs
with jobs.job("log"):
    step = lambda c, _: (jax.numpy.tanh(c @ c), None)
    jax.jit(lambda x: jax.lax.scan(step, x, None, length=300, unroll=300)[0])(jax.numpy.ones((9, 9)))
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")} | {"JAX_PLATFORMS": "cpu"}
    environment |= {"JAX_COMPILATION_CACHE_DIR": chosen, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"} if chosen else {}
    folder, kept = tmp_path / (chosen or ".snakemake/compilations"), []
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env=environment)
        kept.append(sorted(path.name for path in folder.rglob("*-cache")))
    assert kept[0] == kept[1] != []
