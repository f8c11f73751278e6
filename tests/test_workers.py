"""Processes that draw a numpy simulator's simulations: what they are told, and what ends them.

Oracle: `simulations.draw` in this process for what comes out; by construction for what goes wrong.
"""

import glob
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from imnn_core.problems import load, simulations
from imnn_core.problems.workers import Workers
from imnn_core.store.errors import InputError
from user_run import numpy_problem

PLAIN = """
import os, pathlib, signal, time
HERE = pathlib.Path(__file__).parent
def simulator(rng, theta):
    z = rng.standard_normal(3)
    {more}
    return theta[0] + theta[1] * z
problem = Problem(simulator, [0.0, 1.0], ["a", "b"], [3], numpy=True)
"""


def problem_of(folder, more="pass"):
    path = numpy_problem(folder, PLAIN.format(more=more))
    return str(path), load.build(str(path), delta_theta=[0.1, 0.2])


def drawn(folder, more="pass", n=2, todo=(("fiducial", 0, 40), ("derivative", 8, 60)), **how):
    """Units of both arrays, by number."""
    path, problem = problem_of(folder, more)
    words = simulations.words_of(simulations.seed_key(1, "training"))
    found = {"fiducial": {}, "derivative": {}}
    with Workers(problem, path, words, n) as workers:
        for name, first, rows in workers.drawn(list(todo), **how):
            for i, row in enumerate(rows):
                assert first + i not in found[name]
                found[name][first + i] = row
    return problem, found


def assert_right(problem, found, n=40):
    (piece,) = simulations.draw(problem, simulations.seed_key(1, "training"), n, n)
    expected = {"fiducial": piece.fiducial, "derivative": piece.derivative.reshape(-1, 3)}
    for name, units in found.items():
        for unit, row in units.items():
            np.testing.assert_array_equal(row, expected[name][unit])
    assert sorted(found["fiducial"]) == list(range(n))


@pytest.mark.parametrize("n", [1, 3])
def test_units_are_those_of_one_process(tmp_path, n):
    problem, found = drawn(tmp_path, n=n)
    assert_right(problem, found)
    assert sorted(found["derivative"]) == list(range(8, 60))


def test_a_simulator_may_change_what_it_is_given(tmp_path):
    """Oracle: the same simulator that leaves theta as it is; all columns are drawn many times."""
    _, found = drawn(tmp_path, "theta[0] += 1; theta[0] -= 0.5", n=1)
    _, expected = drawn(tmp_path, "theta = theta + np.array([0.5, 0.0])", n=1)
    for name, units in expected.items():
        for unit, row in units.items():
            np.testing.assert_allclose(found[name][unit], row, rtol=0, atol=1e-12)


def test_a_simulator_that_each_process_has_otherwise_is_told(tmp_path):
    """As by random numbers that are drawn when its file is imported."""
    for n in (1, 2):
        with pytest.raises(InputError, match="expected the same simulation from the same random"):
            drawn(tmp_path, "z = z + os.getpid()", n=n, verify=True)


ERRORS = [
    ("1 / 0", r"could not be drawn: ZeroDivisionError: division by zero \(line 8\)"),
    ("raise SystemExit(3)", r"could not be drawn: SystemExit: 3 \(line 8\)"),
    ("raise ValueError('two\\nlines')", r"could not be drawn: ValueError: two \(line 8\)"),
    ("return z[:2]", r"expected simulations of shape \(3,\), found \(2,\)"),
]


@pytest.mark.parametrize(("more", "fault"), ERRORS)
def test_what_a_simulator_raises_is_told_with_its_number_and_theta(tmp_path, more, fault):
    with pytest.raises(InputError, match=fault) as caught:
        drawn(tmp_path, f"if theta[0] > 0.04 and z[0] > 0: {more}")
    assert len(caught.value.lines) == 1
    if "shape" not in fault:
        assert "simulation " in str(caught.value)
        assert " at theta = [0.05, 1.0]" in str(caught.value)


def test_numbers_that_get_wider_on_the_way_are_told(tmp_path):
    with pytest.raises(InputError, match="expected float32 as before, found float64"):
        drawn(tmp_path, "if theta[0] < 0.04: return (theta[0] + z).astype('f4')")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("raise OSError('no second time')", "could not be imported: OSError: no second time"),
        ("os._exit(9)", "10 in turn did not: the last ended with exit code 9"),
    ],
)
def test_a_worker_that_can_not_begin_is_told(tmp_path, line, fault):
    """The job has loaded the problem before; there it can not."""
    path, problem = problem_of(tmp_path)
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    with Workers(problem, path, [1, 2], 2) as workers, pytest.raises(InputError, match=fault):
        list(workers.drawn([("fiducial", 0, 3)]))


def test_a_process_that_ends_is_told_and_its_piece_drawn_again(tmp_path, caplog):
    """Once each, in the middle of a piece, by a signal and by its own doing."""
    end = (
        "once = HERE / f'once{int(z[0] > 0)}'\n"
        "    if z[1] > 1 and not once.exists():\n"
        "        once.touch(); os.kill(os.getpid(), signal.SIGKILL) if z[0] > 0 else os._exit(7)"
    )
    with caplog.at_level(logging.INFO, "imnn"):
        problem, found = drawn(tmp_path, end)
    assert_right(problem, found)
    warnings = [line for line in caplog.messages if line.startswith("warning: a worker ")]
    assert len(warnings) == 2
    assert any("was ended by SIGKILL in simulation" in line for line in warnings)
    assert any("(as for want of memory)" in line for line in warnings)
    assert any("ended with exit code 7 in simulation" in line for line in warnings)


def test_a_simulation_that_ends_each_process_is_named(tmp_path):
    with pytest.raises(
        InputError,
        match=r"simulation \d+ at theta = \[0.05, 1.0\] could not be drawn: the worker was ended "
        r"by SIGSEGV, 3 times$",
    ):
        drawn(tmp_path, "if theta[0] > 0.04: os.kill(os.getpid(), signal.SIGSEGV)")


def test_with_little_memory_fewer_processes_go_on(tmp_path, caplog):
    """Of three, each is killed once; oracle: by construction."""
    end = (
        "n = len(list(HERE.glob('killed*')))\n"
        "    if n < 3 and z[1] > 0:\n"
        "        (HERE / f'killed{os.getpid()}').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    with caplog.at_level(logging.INFO, "imnn"):
        problem, found = drawn(tmp_path, end, n=3)
    assert_right(problem, found)
    assert "from here on with 2 workers, which need less memory" in caplog.text


def test_libraries_have_one_thread_in_each_process(tmp_path, monkeypatch):
    """Snakemake tells a job of all its cores."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    more = "z[:2] = int(os.environ['OMP_NUM_THREADS']), int(os.environ['MKL_NUM_THREADS'])"
    _, found = drawn(tmp_path, more)
    assert all((row[:2] == 1).all() for row in found["fiducial"].values())


def children_of(pid):
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(word) for word in found.stdout.split()]


DRIVER = """
import sys
sys.path[:0] = {path!r}
from imnn_core.problems import load, simulations
from imnn_core.problems.workers import Workers
problem = load.build({file!r}, delta_theta=[0.1, 0.2])
with Workers(problem, {file!r}, [1, 2], 2) as workers:
    for _ in workers.drawn([("fiducial", 0, 10**6)]):
        pass
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_processes_and_what_they_begun_end_with_the_job(tmp_path, number, monkeypatch):
    """The programs of a simulator, too, and what they left in the temporary folder."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    more = (
        "import subprocess, tempfile\n"
        "    tempfile.mkstemp()\n"
        "    child = subprocess.Popen(['sleep', '600'])\n"
        "    with open(HERE / 'pids', 'a') as file: print(child.pid, file=file)\n"
        "    child.wait()"
    )
    path, _ = problem_of(tmp_path, more)
    driver = DRIVER.format(path=sys.path, file=path)
    process = subprocess.Popen([sys.executable, "-c", driver])
    pids, end = tmp_path / "pids", time.monotonic() + 60
    while not (pids.exists() and len(pids.read_text().split()) == 2):
        assert time.monotonic() < end
        time.sleep(0.05)
    mine = [*children_of(process.pid), *map(int, pids.read_text().split())]
    assert len(mine) == 4
    process.send_signal(number)
    process.wait(30)
    while any(is_alive(pid) for pid in mine) or glob.glob(str(tmp_path / "imnn-*")):
        assert time.monotonic() < end
        time.sleep(0.05)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_workers_killed_from_outside_at_random_moments_change_nothing(tmp_path):
    """Oracle: the simulations of one process."""
    path, problem = problem_of(tmp_path, "time.sleep(0.004)")
    words, rng = simulations.words_of(simulations.seed_key(1, "training")), np.random.default_rng()
    found, over = {}, threading.Event()
    with Workers(problem, path, words, 2) as workers:

        def kill():
            while not over.wait(rng.uniform(0.3, 0.8)):
                pids = children_of(os.getpid())
                mine = [pid for pid in pids if b"imnn_core.problems.worker" in command_of(pid)]
                if mine:
                    os.kill(int(rng.choice(mine)), signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            for _, first, rows in workers.drawn([("fiducial", 0, 800)]):
                found |= {first + i: row for i, row in enumerate(rows)}
        finally:
            over.set()
            killer.join()
    (piece,) = simulations.draw(problem, simulations.seed_key(1, "training"), 800, 0)
    np.testing.assert_array_equal(np.stack([found[i] for i in range(800)]), piece.fiducial)


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
