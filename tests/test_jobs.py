"""What every script does around its function."""

import signal
import subprocess
import sys

import pytest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_job_ends_by_the_signal_and_leaves_no_temporary_file(tmp_path, root, number):
    code = f"""
import os, time
from imnn_core import files, jobs
with jobs.job({str(tmp_path / "log")!r}), files.replacing({str(tmp_path / "result")!r}):
    os.kill(os.getpid(), {int(number)})
    time.sleep(60)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=root / "scripts", check=False)
    assert done.returncode == -number
    assert (tmp_path / "log").read_text() == f"interrupted by {number.name}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
