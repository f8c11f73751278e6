"""What every script does around its function."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time

import pytest
from imnn_core.workflow import jobs


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_job_ends_by_the_signal_and_leaves_no_temporary_file(tmp_path, root, number):
    code = f"""
import os, signal, time
from imnn_core.store import files
from imnn_core.workflow import jobs, watch
signal.signal(signal.SIGINT, signal.default_int_handler)  # else ignored where the tests run in the background
with jobs.job({str(tmp_path / "log")!r}), files.replacing({str(tmp_path / "result")!r}):
    os.kill(os.getpid(), {int(number)})
    time.sleep(60)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=root / "scripts", check=False)
    assert done.returncode == -number
    assert (tmp_path / "log").read_text() == f"interrupted by {number.name}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


WAITING = """
import sys, time
sys.path.append({scripts!r})
from imnn_core.store import files
from imnn_core.workflow import jobs, watch
with jobs.job("log"), files.replacing("result"):
    print("begun", flush=True)
    {wait}
"""


def begun(root, folder, wait="time.sleep(60)", through=None):
    """A job on its way: its process, or that of the program that has begun it."""
    command = [sys.executable, "-c", WAITING.format(scripts=str(root / "scripts"), wait=wait)]
    process = subprocess.Popen(
        [*(through or []), *command], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 60
    while "begun" not in ((folder / "log").read_text() if (folder / "log").exists() else ""):
        assert time.monotonic() < end
        time.sleep(0.02)
    return process


SHELL = """
import os, shlex, subprocess, sys
os.environ["IMNN_SNAKEMAKE"] = str(os.getpid())
subprocess.run(["bash", "-c", shlex.join(sys.argv[1:]) + "; exit $?"])
"""


@pytest.mark.parametrize(
    "code",
    ["import subprocess, sys; subprocess.run(sys.argv[1:])", SHELL],
    ids=["directly", "shell"],
)
def test_a_job_ends_where_what_began_it_was_killed(root, tmp_path, code):
    """Also where a shell stands between.

    And leaves nothing half-written: its next one may be on its way already.
    """
    process = begun(root, tmp_path, through=[sys.executable, "-c", code])
    process.kill()
    process.wait()
    process.communicate()  # to the end of all that have its pipe: of the job
    log = (tmp_path / "log").read_text()
    assert (
        "what started this job has ended, so that nobody waits for it\ninterrupted by SIGTERM\n"
        in log
    )
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_a_job_ends_where_another_one_writes_its_log(root, tmp_path):
    """As on a cluster, where a job goes on after its workflow was killed, and the next workflow
    knows nothing of it.
    """
    first, log = begun(root, tmp_path), (tmp_path / "log").open()
    (tmp_path / "log").unlink()  # as Snakemake does
    second = begun(root, tmp_path)
    first.communicate()
    assert first.returncode == -signal.SIGTERM
    assert "another job has begun to write this job's log\ninterrupted by SIGTERM\n" in log.read()
    assert second.poll() is None
    second.terminate()
    second.communicate()
    assert (tmp_path / "log").read_text() == "begun\ninterrupted by SIGTERM\n"
    log.close()


def test_a_job_that_does_not_hear_ends_all_the_same(root, tmp_path):
    """As while XLA compiles, when Python heeds no signal."""
    busy = "watch.GRACE = 1; import hashlib; hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)"
    process = begun(root, tmp_path, busy)
    process.terminate()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def test_what_ended_a_job_reaches_the_terminal_where_its_log_is_full(root, tmp_path):
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (7, 7)); raise jobs.InputError('what and where')"
    process = begun(root, tmp_path, full)
    assert process.communicate()[1] == "error: what and where\n"
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("crash", "words", "number"),
    [
        ("import ctypes; ctypes.string_at(0)", "Segmentation fault", signal.SIGSEGV),
        ("import os; os.abort()", "Aborted", signal.SIGABRT),
    ],
)
def test_a_job_that_crashes_says_where(root, tmp_path, crash, words, number):
    """A library's crash ends the process by its signal, as before, and the log says in what."""
    process = begun(
        root,
        tmp_path,
        f"import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); {crash}",
    )
    process.communicate()
    assert process.returncode == -number
    log = (tmp_path / "log").read_text()
    assert log.startswith(f"begun\nFatal Python error: {words}\n")
    assert 'File "<string>", line 8 in <module>' in log


def test_a_log_that_cannot_be_written_is_named(root, tmp_path):
    code = f"import sys; sys.path.append({str(root / 'scripts')!r}); from imnn_core.workflow import jobs\nwith jobs.job('no/log'): pass"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (
        done.stderr
        == "error: no/log: expected a log that can be written, found: No such file or directory\n"
    )
    assert done.returncode == 1


@pytest.mark.parametrize("chosen", [None, "mine"])
def test_compiled_programs_are_kept_for_later_jobs(tmp_path, root, chosen):
    """A second job finds what the first one compiled; a folder that the user has chosen stays."""
    code = f"""
import sys
sys.path.append({str(root / "scripts")!r})
import jax
from imnn_core.workflow import jobs
with jobs.job("log"):
    step = lambda c, _: (jax.numpy.tanh(c @ c), None)
    jax.jit(lambda x: jax.lax.scan(step, x, None, length=300, unroll=300)[0])(jax.numpy.ones((9, 9)))
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")} | {
        "JAX_PLATFORMS": "cpu"
    }
    environment |= (
        {"JAX_COMPILATION_CACHE_DIR": chosen, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
        if chosen
        else {}
    )
    folder, kept = tmp_path / (chosen or ".snakemake/compilations"), []
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env=environment)
        kept.append(
            [path.name for path in folder.rglob("jit__lambda*-cache")]
        )  # others take as long under load
    assert kept[0] == kept[1] != []


@pytest.fixture
def terminal():
    """A terminal of 40 columns: what one writes to, and a function that says what was written."""
    inside, outside = pty.openpty()
    termios.tcsetwinsize(outside, (24, 40))

    def written():
        text = b""
        while select.select([inside], [], [], 0.5)[0]:  # under load it comes in parts
            text += os.read(inside, 10000)
        return text.decode()

    yield outside, written
    os.close(inside)
    os.close(outside)


def test_one_job_has_the_line_on_the_terminal_and_it_fits(terminal):
    outside, written = terminal
    with jobs.Bar(outside, "mlp/seed-1") as bar:
        with jobs.Bar(outside, "mlp/seed-2") as other:
            other.show(1, 2, "of the other")
            bar.show(1, 2, "|F| training 41.2, validation 39.9; best 40.1 at 300")
    assert (
        written()
        == "\r\033[K" + "mlp/seed-1 [##########----------] 1/2  |F| training"[:39] + "\r\033[K"
    )


def test_without_a_terminal_there_is_no_line(tmp_path):
    with open(tmp_path / "output", "w") as file, jobs.Bar(file.fileno(), "mlp/seed-1") as bar:
        bar.show(1, 2, "|F|")
    assert (tmp_path / "output").read_text() == ""
