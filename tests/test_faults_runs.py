"""More than one workflow in a folder at a time."""

import os
import signal
import subprocess
import sys
import time

from running import results_of, snakemake
from tiny_project import TEST_SET, TINY_RUN, copied

REFUSED = "run 'tiny': expected no other snakemake at work on it in this folder, found one"


def started(folder, *arguments):
    """A workflow that has begun."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    return subprocess.Popen(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)


def test_of_two_workflows_of_a_run_one_is_refused(root, tmp_path, tiny):
    """Also where Snakemake's own locks are gone, as after the end of a workflow with another run in
    the same folder.
    """
    folder = copied(root, tmp_path / "one")
    with started(folder, *TINY_RUN, "--", TEST_SET) as first:
        wait_for(folder / "results/tiny/logs/simulate/seed-1/test/0-60.log", first)
        os.kill(first.pid, signal.SIGSTOP)  # it is at work until the test lets it go on
        try:
            snakemake(
                folder, *TINY_RUN, "--config", "run=other", "--", TEST_SET.replace("tiny", "other")
            )
            output = snakemake(folder, *TINY_RUN, "--forceall", "--", TEST_SET, ok=False)
            assert REFUSED in output
            assert "Traceback" not in output
            assert "total" in snakemake(
                folder, *TINY_RUN, "-n", "--forceall", "--", TEST_SET
            )  # one may still look
        finally:
            os.kill(first.pid, signal.SIGCONT)
        output, _ = first.communicate(timeout=300)
    assert first.returncode == 0, output
    assert (folder / TEST_SET).exists()
    assert results_of(folder).items() <= results_of(tiny).items()


def test_two_workflows_that_begin_in_the_same_moment(root, tmp_path):
    folder = copied(root, tmp_path / "two")
    both = [started(folder, *TINY_RUN, "--", TEST_SET) for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    codes = [process.returncode for process in both]
    assert 0 in codes
    for code, output in zip(
        codes, outputs, strict=True
    ):  # both end well where one was so late that all was done
        assert code == 0 or REFUSED in output or "Directory cannot be locked" in output, output
    assert "Nothing to be done" in snakemake(folder, *TINY_RUN, "--", TEST_SET)
