"""What a check tells of simulators and files whose faults are known."""

import re

import numpy as np
import pytest
from check import check
from imnn_core.config import read
from imnn_core.config.run import Config
from imnn_core.data import sample_of_files
from imnn_core.problems import load, sample, simulations
from imnn_core.store.errors import InputError
from imnn_core.workflow import checks, inventory
from running import planned, results_of, snakemake
from tiny_project import TINY_RUN, write_config

IN_NUMPY = """
import time
import numpy as np
from imnn_core.problems import Problem
count = 0
T = np.linspace(0, 3, 20)
def mean(theta):
    return theta[0] * np.exp(-theta[1] * T)
def simulator(rng, theta):
    BODY
problem = Problem(simulator, [5.0, 0.5], ["height", "rate"], [20], numpy=True)
"""
IN_JAX = """
import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.problems import Problem
T = np.linspace(0, 3, 20, dtype=np.float32)
def mean(theta):
    return theta[0] * jnp.exp(-theta[1] * T)
def simulator(key, theta):
    BODY
problem = Problem(simulator, [5.0, 0.5], ["height", "rate"], [20])
"""
DIFFERENCES = {"derivative": "finite_difference", "delta_theta": [0.05, 0.05]}
SMALL = {
    "network": {"hidden": [4]},
    "standardise": "each",
    "linear": True,
    "whiten": True,
    "min_iterations": 0,
    "max_iterations": 3,
    "devices": "cpu",
}
GOOD = "return mean(theta) + 0.2 * rng.standard_normal(20)"


def told(files=None, fits=None, **given):
    """Lines that a check says, and its faults."""
    fits = {"small": SMALL} if fits is None else fits
    config = Config(run="mine", seeds=[1, 2], fits=fits, **given)
    problem = read.problem_of(config, lambda path: None, lambda path: "")
    files = files or {}
    sizes = checks.sizes(config, load.build(**problem), files)
    needed = None if files else (inventory.of_run(config, {"mine": ""}, 30), 30)
    without = {"n_s", "n_d", "n_test"} if files else set()
    lines, faults = [], []
    try:
        check(
            lines.append,
            settings=config.model_dump(exclude=without),
            problem=problem,
            files=files,
            sizes=sizes,
            needed=needed,
            n_workers=2,
            cores=2,
        )
    except InputError as error:
        faults = error.lines
    return dict(line.split(maxsplit=1) for line in lines), lines, faults


def of_body(folder, text, body, **given):
    (folder / "mine.py").write_text(text.replace("BODY", body))
    return told(problem=str(folder / "mine.py"), n_s=60, n_d=50, n_test=100, **given)


def matches(lines, expected):
    """Whether there is one line for each pattern, and no other."""
    return len(lines) == len(expected) and all(map(re.search, expected, lines))


def test_a_right_simulator_has_nothing_against_it(tmp_path, monkeypatch):
    """Oracle: by hand: 2 seeds with sets of 60, 60 and 100, of 50, 50 and 100 derivatives with four
    simulations each, and 30 with half the steps.
    """
    monkeypatch.chdir(tmp_path)
    by_name, lines, faults = of_body(tmp_path, IN_NUMPY, GOOD, **DIFFERENCES)
    assert not faults
    assert by_name["verdict"] == "nothing against a full run"
    names = (
        "problem parameters simulation speed seeds derivatives fit memory sizes time disk verdict"
    )
    assert [line.split()[0] for line in lines] == names.split()
    n = 2 * (2 * (60 + 50 * 4) + 100 * 5 + 30 * 4)
    assert by_name["sizes"].startswith(f"{n} simulations")
    assert by_name["sizes"].endswith(f": 0 are there, {n} to draw")
    assert "the same when drawn again" in by_name["simulation"]
    assert "loss and gradient are finite" in by_name["fit"]
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".py"] in (
        [],
        ["__pycache__"],
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return mean(theta) + np.random.default_rng(3).standard_normal(20)", ["another random g"]),
        ("return mean(theta) + 0.2 * np.random.standard_normal(20)", ["the same simulation from"]),
        (f"global count; count += 1; theta[0] += count; {GOOD}", ["the same simulation from the"]),
        (
            f"theta[1] = np.nan if rng.random() < 0.3 else 0; {GOOD}",
            [r"finite numbers at theta_fid", r"finite numbers at theta = \[4.975, 0.5\]"],
        ),
        (
            "return rng.poisson(20 * mean(theta)).astype(float)",
            ["shifted height and those at theta_fid ma", "shifted rate and those at theta_fid ma"],
        ),
        (f"theta[5] = 0; {GOOD}", [r"IndexError: index 5 .* \(line 10\)"]),
        ("return mean(theta)[:19]", [r"of shape \(20,\), found \(19,\)"]),
        ("return mean(theta).astype(complex)", ["real numbers .* found complex128"]),
        (
            f"assert abs(theta[0] - 4.9875) > 1e-9; {GOOD}",
            [r"= \[4.9875, 0.5\] could not be drawn"],
        ),
        (f"theta[1] = 0.5; {GOOD}", ["depend on each parameter, .* by rate"]),
    ],
)
def test_each_fault_of_a_numpy_simulator_is_told(tmp_path, monkeypatch, body, expected):
    """Oracle: what was made wrong."""
    monkeypatch.chdir(tmp_path)
    by_name, lines, faults = of_body(tmp_path, IN_NUMPY, body, **DIFFERENCES)
    assert matches(faults, expected), faults
    assert [line for line in lines if line.startswith("fault ")] == [
        f"{'fault':<14}{line}" for line in faults
    ]
    assert "a full run would meet" in by_name["verdict"]
    assert {"fit", "memory", "sizes", "time"} <= by_name.keys()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return mean(theta) + jax.random.normal(key, (20,))", []),
        (
            "return jax.random.poisson(key, mean(theta)) + theta[0] / 4 + theta[1] * T",
            ["derivative by height has 0.3", "derivative by rate has"],
        ),
        ("return mean(theta) + jax.random.normal(jax.random.key(1), (20,))", ["other random key"]),
        (
            "return mean(theta) + np.random.standard_normal(20).astype(np.float32)",
            ["the same simulation from the same", "another random key"],
        ),
        ("return jnp.log(mean(theta) - 3) + jax.random.normal(key, (20,))", ["finite numbers"]),
        ("return theta[0] + jax.random.normal(key, (20,))", ["of 0 everywhere by rate"]),
    ],
)
def test_each_fault_of_a_simulator_in_jax_is_told(tmp_path, monkeypatch, body, expected):
    """Oracle: what was made wrong, or nothing. The share is a third by hand: 1 / 4 of 1 / 4 + the
    mean of exp(-t / 2), which is about 1 / 2.
    """
    monkeypatch.chdir(tmp_path)
    by_name, _, faults = of_body(tmp_path, IN_JAX, body)
    assert matches(faults, expected), faults
    assert (by_name["verdict"] == "nothing against a full run") == (not expected)


def test_time_and_budget_are_those_of_the_simulator(tmp_path):
    """Oracle: a simulator that sleeps for 20 ms: it takes that, and in a second of two workers at
    most a hundred and some are drawn.
    """
    path = tmp_path / "mine.py"
    path.write_text(IN_NUMPY.replace("BODY", f"time.sleep(0.02); {GOOD}"))
    problem = load.build(str(path), delta_theta=[0.05, 0.05])
    key = simulations.seed_key(1, "training")
    found = sample.draw(problem, key, str(path), 2, seconds=1.0)
    assert 0.02 <= found.seconds < 0.1
    assert found.of_derivative == pytest.approx(4 * found.seconds)
    assert 1 < len(found.derivative) <= len(found.fiducial) < 100
    assert len(found.again) == 2
    assert found.memory > 10**7


def test_of_a_dear_simulator_one_is_drawn(tmp_path, monkeypatch):
    """Oracle: by hand: it takes longer than all that may be spent."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sample, "MINUTE", 0.2)
    by_name, _, faults = of_body(tmp_path, IN_NUMPY, f"time.sleep(0.3); {GOOD}", **DIFFERENCES)
    assert not faults
    assert "1 drawn, 0 of them also shifted" in by_name["simulation"]
    assert "too few were drawn to tell" in by_name["seeds"]
    assert "timed on random numbers" in by_name["fit"]


def test_files_are_looked_through_or_their_first_rows(tmp_path, monkeypatch, rng):
    """Oracle: what was written: of 3000, the seventh holds NaN; 30 % are for training."""
    monkeypatch.chdir(tmp_path)
    z = rng.standard_normal((3000, 4)).astype(np.float32)
    slopes = np.stack([np.ones_like(z), z], axis=-1)
    given = {
        "problem": "files",
        "names": ["mu", "s"],
        "theta_fid": [0.0, 1.0],
        "input_shape": [4],
        "simulations": {"training": "a.npz", "fractions": {"validation": 0.3, "test": 0.4}},
    }
    np.savez("a.npz", fiducial=z, derivative=slopes)
    by_name, _, faults = told({"training": "a.npz"}, **given)
    assert not faults
    assert "all of it was looked through" in by_name["files"]
    assert "n_s = 900, n_d = 900" in by_name["fit"]
    assert "sizes" not in by_name
    z[6, 2] = np.nan
    np.savez("a.npz", fiducial=z, derivative=slopes)
    for whole, where in ((10**9, "of 3000"), (0, "of 1000")):
        monkeypatch.setattr(sample_of_files, "WHOLE", whole)
        by_name, _, faults = told({"training": "a.npz"}, **given)
        assert matches(faults, [f"hold in 1 {where} simulations, the first at index 6"]), faults
    assert "the first 1000 of each were looked at" in by_name["files"]


def test_after_a_check_nothing_is_made_again(tiny_copy):
    """Oracle: the results before it, and Snakemake's own plan; a fault ends it with one line."""
    before = results_of(tiny_copy)
    output = snakemake(tiny_copy, *TINY_RUN, "--", "check")
    assert re.search(r"^verdict +nothing against a full run$", output, flags=re.M)
    assert re.search(r"^sizes .*: 140 are there, 0 to draw$", output, flags=re.M)
    log = (tiny_copy / "results/tiny/logs/check.log").read_text()
    assert "verdict       nothing against a full run" in log
    assert results_of(tiny_copy) == before
    assert planned(tiny_copy, *TINY_RUN) == {}
    (tiny_copy / "mine.py").write_text(IN_NUMPY.replace("BODY", "return mean(theta)"))
    write_config(tiny_copy, problem="mine.py", **DIFFERENCES)
    output = snakemake(tiny_copy, *TINY_RUN, "--", "check", ok=False)
    assert re.search(r"^fault +problem 'mine': expected another simulation", output, flags=re.M)
    assert "Traceback" not in output
