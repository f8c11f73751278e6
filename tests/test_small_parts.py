"""Few simulations in a part say little: right ones are accepted, wrong ones refused by their set.

Oracle: by construction, which simulators are right.
"""

import json
import logging

import pytest
from check_simulations import check_simulations
from counted import GAUSSIAN, draw
from imnn_core.data import parts
from imnn_core.store.errors import InputError
from simulate import simulate
from user_run import numpy_problem

RIGHT = {
    "normal": "theta[0] + theta[1] * rng.standard_normal(4)",
    "far from 0": "1e6 + theta[0] + theta[1] * rng.standard_normal(4)",
    "seldom a count": "(np.cumsum(rng.exponential(size=(6, 9)), 1) < 0.1 * theta.sum()).sum(1)",
    "with a constant": "np.append(theta[0] + theta[1] * rng.standard_normal(3), 5.0)",
    "often 0": "np.maximum(0, theta[0] + theta[1] * rng.standard_normal(4))",
    "in float32": "(theta[0] + theta[1] * rng.standard_normal(4)).astype('f4')",
}


def problem_of(folder, body, n=4):
    text = f"def f(rng, theta):\n    return {body}\n"
    text += f"problem = Problem(f, [1.0, 1.0], ['a', 'b'], [{n}], numpy=True)\n"
    return {"kind": str(numpy_problem(folder, text)), "delta_theta": [0.1, 0.1]}


def drawn(folder, problem, n, n_per_part):
    """The parts of a first set."""
    return draw(folder, problem, n, n, n_per_part, checks=True)


def looked_at(folder, problem, paths):
    asked = {"problem": problem, "seed": 1, "split": "training"}
    check_simulations(paths, folder / "checked.json", **asked)
    return json.loads((folder / "checked.json").read_text())["training"]


@pytest.mark.parametrize("name", RIGHT)
def test_right_simulations_in_small_parts_are_accepted(tmp_path, name):
    n_inputs = 6 if "count" in name else 4
    problem = problem_of(tmp_path, RIGHT[name], n_inputs)
    for n_per_part in (1, 3):
        folder = tmp_path / str(n_per_part)
        for first in parts.cut(60, 60, n_per_part)[:2]:
            simulate(
                folder / f"{first.name}.h5",
                problem=problem,
                seed=1,
                split="training",
                first=first.first,
                n_s=first.stop,
                n_d=first.d_stop,
                n_of_set=300,
                checks=first.first == 0,
            )
    paths = drawn(tmp_path, problem, 300, 100)
    assert looked_at(tmp_path, problem, paths) == {"seed": 1, "n_s": 300, "n_d": 300}


@pytest.mark.parametrize("n_per_part", [1, 3, 20])
def test_simulations_in_jax_in_small_parts_are_accepted(tmp_path, n_per_part):
    paths = drawn(tmp_path, GAUSSIAN, 40, n_per_part)[:: 40 // n_per_part]
    assert paths
    assert looked_at(tmp_path, GAUSSIAN, drawn(tmp_path, GAUSSIAN, 40, 20))["n_s"] == 40


WRONG = [
    (
        "theta[0] + rng.standard_normal(4)",
        "depend on each parameter, found .* of 0 everywhere by b",
    ),
    ("np.where(rng.random(4) < 0.1, -999.0, theta[0] + theta[1] * rng.standard_normal(4))", "mask"),
    ("theta.sum() * np.ones(4)", "expected simulations that vary, found the same in all rows"),
]


@pytest.mark.parametrize(("body", "fault"), WRONG)
def test_wrong_simulations_in_small_parts_are_refused_before_a_fit(tmp_path, caplog, body, fault):
    """By their set, not by a part of it."""
    problem = problem_of(tmp_path, body)
    with caplog.at_level(logging.INFO, "imnn"):
        paths = drawn(tmp_path, problem, 60, 20)
    with pytest.raises(InputError, match=fault):
        looked_at(tmp_path, problem, paths)
    if "by b" in fault:
        assert "warning: of the first 10 simulations: problem 'mine': expected" in caplog.text


@pytest.mark.parametrize(("body", "fault"), WRONG)
def test_a_set_of_one_part_looks_at_itself(tmp_path, body, fault):
    with pytest.raises(InputError, match=fault):
        drawn(tmp_path, problem_of(tmp_path, body), 60, None)


def test_a_simulator_in_jax_may_run_where_it_is_told(tmp_path):
    path, asked = tmp_path / "test.h5", {"problem": GAUSSIAN, "seed": 1, "split": "test"}
    simulate(path, **asked, n_s=20, n_d=20)
    content = path.read_bytes()
    simulate(path, **asked, n_s=20, n_d=20, device="auto")
    assert path.read_bytes() == content
    with pytest.raises(InputError, match="devices: expected a GPU, found none that jax can use"):
        simulate(path, **asked, n_s=20, n_d=20, device="gpu")
