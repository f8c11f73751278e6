"""Numbers of files and simulators that are wrong in a way that can be seen."""

import re

import numpy as np
import pytest
from imnn_core.data import user_files
from imnn_core.problems import load
from imnn_core.store.errors import InputError
from simulate import simulate
from small_files import (
    FILES,
    PROBLEM,
    arrays_of,
    faults_of,
    only_fault,
    saved,
    shifted_normal,
    shifted_problem,
    write,
)
from user_run import numpy_problem

# Simulations that repeat


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_continuous_simulations_that_repeat(tmp_path, suffix, share):
    arrays, n = arrays_of(), max(1, round(share * 60))
    arrays["fiducial"][60 - n :] = arrays["fiducial"][:n]
    line = only_fault(write(tmp_path / f"a{suffix}", arrays))
    assert f"expected different simulations, found {n} of 60 twice, such as index 0 and" in line


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.3, 2])
@pytest.mark.parametrize("unit", [1, 0.1, 1e-7])
def test_discrete_simulations_may_repeat_and_it_is_told(tmp_path, rng, rate, unit):
    """Oracle: numpy's count of different rows; counts in any unit."""
    counts = rng.poisson(rate, (400, 3))
    counts[:2] = [[0, 1, 2], [3, 0, 1]]
    arrays = {
        "fiducial": (unit * counts).astype(np.float32),
        "derivative": rng.standard_normal((50, 3, 2)),
    }
    arrays["derivative"] = arrays["derivative"].astype(np.float32)
    problem = load.build(**FILES | {"input_shape": [3]})
    paths = {"training": write(tmp_path / "a.h5", arrays), "test": write(tmp_path / "b.h5", arrays)}
    found = user_files.check(paths, problem)
    assert found.faults == []
    n = 400 - len(np.unique(counts, axis=0))
    assert any(f"found {n} of 400 twice" in note for note in found.notes)
    assert "in both" in found.notes[-1]


@pytest.mark.parametrize("kind", ["images", "rounded"])
def test_data_on_a_grid_that_can_not_repeat_by_chance(tmp_path, rng, kind):
    n = 36 if kind == "images" else 10
    d = rng.standard_normal((300, n))
    d = np.clip(np.round(128 + 20 * d), 0, 255) if kind == "images" else d.round(4)
    arrays = {"fiducial": d, "derivative": rng.standard_normal((50, n, 2))}
    problem = load.build(**FILES | {"input_shape": [n]})
    assert faults_of(write(tmp_path / "a.h5", arrays), problem) == []
    arrays["fiducial"][200:] = arrays["fiducial"][:100]
    assert "found 100 of 300 twice" in only_fault(write(tmp_path / "a.h5", arrays), problem)
    arrays["fiducial"][200:] = 0
    assert "nothing but 0 in 100 simulations" in only_fault(
        write(tmp_path / "a.h5", arrays), problem
    )


# Numbers that are no data


@pytest.mark.parametrize("value", [-1.6375e30, 9.96921e36, -9999.0, 1e20])
@pytest.mark.parametrize("places", ["one number", "some rows", "anywhere"])
def test_masks_are_named_with_where(tmp_path, rng, value, places):
    arrays = arrays_of()
    wanted = {
        "one number": (np.arange(4, 14), 3),
        "some rows": ([11, 30], slice(None)),
        "anywhere": (np.arange(0, 60, 7), np.arange(9)),
    }[places]
    arrays["fiducial"][wanted] = value
    line = only_fault(write(tmp_path / "a.h5", arrays))
    n = int((arrays["fiducial"] == np.float32(value)).sum())
    assert f"expected data in fiducial, found {np.float32(value):.6g} {n} times in" in line
    k = int((arrays["fiducial"] == np.float32(value)).any(axis=0).argmax())
    row = int((arrays["fiducial"][:, k] == np.float32(value)).argmax())
    assert f"the first in simulation {row} at index {k}," in line


@pytest.mark.parametrize(
    ("value", "share", "part"),
    [(-99.0, 0.05, "fiducial"), (0.0, 0.05, "offset"), (-999.0, 0.001, "fiducial")],
)
def test_masks_that_are_not_far_off(tmp_path, rng, value, share, part):
    """A value that repeats needs no distance; one that is known for it need not repeat."""
    arrays = arrays_of(400, 300)
    arrays["fiducial"] += 5000 * (part == "offset")
    masked = rng.random((400, 10)) < share
    masked[7, 3] = True
    arrays["fiducial"][masked] = value
    assert f"expected data in fiducial, found {value:g}" in only_fault(
        write(tmp_path / "a.h5", arrays)
    )


@pytest.mark.parametrize("value", [-1.6375e30, -9999.0])
@pytest.mark.parametrize("part", ["derivative", "shifted"])
def test_masks_in_derivatives(tmp_path, rng, value, part):
    """In shifted simulations a mask at minus and plus alike leaves no trace in differences."""
    if part == "derivative":
        arrays, problem = arrays_of(), PROBLEM
        arrays[part][3:9, 2, 1] = value
    else:
        arrays, problem = shifted_normal(rng), shifted_problem()
        arrays[part][3:9, :, 1, 0, 1] = value
    line = only_fault(saved(tmp_path, arrays), problem)
    assert f"expected data in {part}, found {np.float32(value):.6g} 6 times in 1 of" in line
    assert "the first in simulation 3 at index" in line


def test_a_mask_in_all_rows_of_a_derivative(tmp_path):
    arrays = arrays_of()
    arrays["derivative"][:, 3, 0] = -999
    assert "found -999 in all rows at index 3" in only_fault(write(tmp_path / "a.h5", arrays))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("unit", "expected"),
    [(1e-43, "holds with all digits"), (1e-41, "holds with"), (1e25, "whose squares float32 can")],
)
def test_units_that_float32_has_not(tmp_path, dtype, unit, expected):
    arrays = {name: unit * array.astype(np.float64) for name, array in arrays_of().items()}
    path = write(tmp_path / "a.h5", {name: each.astype(dtype) for name, each in arrays.items()})
    line = only_fault(path)
    assert expected in line
    assert "at index" in line


# Infinite information


def test_a_number_that_never_varies_and_depends_on_a_parameter(tmp_path):
    arrays = arrays_of()
    arrays["fiducial"][:, 6] = 0.25
    arrays["derivative"][:, 6] = [0, 2]
    line = only_fault(write(tmp_path / "a.h5", arrays))
    assert "vary where they depend on Sigma, found 0.25 in all simulations at index 6 (1 of" in line
    arrays["derivative"][:, 6] = 0
    assert faults_of(write(tmp_path / "a.h5", arrays)) == []


def test_a_shifted_number_that_never_varies(tmp_path, rng):
    """A rare count that is 0 at theta_fid, and now and then 1 elsewhere, does vary."""
    arrays = shifted_normal(rng)
    arrays["fiducial"][:, 1, 0] = 3
    arrays["shifted"][:, :, :, 1, 0] = [[2, 3], [4, 3]]
    assert "depend on a, found 3 in all simulations at index 1, 0" in only_fault(
        saved(tmp_path, arrays), shifted_problem()
    )
    arrays["shifted"][:, :, :, 1, 0] = 3
    assert faults_of(saved(tmp_path, arrays), shifted_problem()) == []
    arrays["shifted"][17, 1, 0, 1, 0] = 4
    assert faults_of(saved(tmp_path, arrays), shifted_problem()) == []


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [10, 120, 300])
def test_a_combination_that_never_varies_and_depends_on_a_parameter(tmp_path, rng, dtype, n):
    """The sum of all numbers is 1, as of a normalised histogram; derivatives that keep it so are
    no fault.
    """
    problem = load.build(**FILES | {"input_shape": [n]})
    d = np.exp(0.3 * rng.standard_normal((4 * n, n)))
    d /= d.sum(axis=1, keepdims=True)
    derivative = rng.standard_normal((4 * n, n, 2))
    derivative -= derivative.mean(axis=1, keepdims=True)
    arrays = {"fiducial": d.astype(dtype), "derivative": derivative.astype(dtype)}
    assert faults_of(write(tmp_path / "a.h5", arrays), problem) == []
    derivative[:, 4, 1] += 0.1
    arrays["derivative"] = derivative.astype(dtype)
    line = only_fault(write(tmp_path / "a.h5", arrays), problem)
    assert "combinations of numbers that vary where they depend on Sigma, found one" in line


@pytest.mark.parametrize(
    ("simulator", "fault"),
    [
        ("np.round(rng.random()) + theta + rng.choice([0, 0.1], 3)", None),
        (
            "theta + np.random.default_rng(rng.integers(5)).random(3)",
            "expected different simulations",
        ),
        ("np.append(theta * rng.standard_normal(3), theta)", "in all simulations at index 3"),
        ("np.append(theta + rng.random(3), -9e30 * (rng.random() < 0.1))", "is it a mask?"),
        ("1e-43 * (theta + rng.standard_normal(3))", "that float32 holds with all digits"),
        (
            "(lambda z: np.append(z + theta, z.sum()))(rng.standard_normal(3))",
            "expected combinatio",
        ),
    ],
)
def test_what_a_simulator_draws_is_looked_at_as_files_are(tmp_path, simulator, fault):
    """By the first set of a run, before any fit."""
    n = 3 if fault is None or "append" not in simulator else 4
    problem = numpy_problem(
        tmp_path,
        f"def simulator(rng, theta):\n    return {simulator}\n"
        f"problem = Problem(simulator=simulator, theta_fid=[1.0], names=['a'], input_shape=({n},), "
        "numpy=True)\n",
    )
    settings = {"kind": str(problem), "delta_theta": [0.1], "of_summaries": True}
    sizes = {"n_s": 200, "n_d": 200, "seed": 1, "split": "training", "checks": True}
    if fault is None:
        simulate(tmp_path / "a.h5", problem=settings, **sizes)
        return
    with pytest.raises(InputError, match=re.escape(fault)):
        simulate(tmp_path / "a.h5", problem=settings, **sizes)
