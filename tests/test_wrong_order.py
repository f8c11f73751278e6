"""Axes and rows of shifted simulations and derivatives in another order than fiducial ones."""

import re

import numpy as np
import pytest
from imnn_core.data import user_files
from imnn_core.problems import load
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


def changed_at(array, where, value):
    array = array.copy()
    array[where] = value
    return array


@pytest.mark.parametrize(
    "order", [(1, 0, 2, 3), (0, 1, 3, 2), (2, 3, 0, 1), (3, 0, 1, 2), (0, 2, 1, 3)]
)
def test_exchanged_axes_of_equal_sizes(tmp_path, rng, order):
    """Oracle: the names of the axes, exchanged as the axes are; in the right order is no fault."""
    names = ["2", "n_params", "input_shape[0]", "input_shape[1]"]
    arrays = shifted_normal(rng)
    assert faults_of(saved(tmp_path, arrays), shifted_problem()) == []
    arrays["shifted"] = arrays["shifted"].transpose(0, *(1 + i for i in order))
    line = only_fault(saved(tmp_path, arrays), shifted_problem())
    found = ", ".join(names[i] for i in order)
    assert (
        f"with the axes (n_d, {', '.join(names)}), found ones that seem to be (n_d, {found}):"
        in line
    )


@pytest.mark.parametrize("offsets", [None, [[-0.1, 0.1], [0.1, 0.2]], [[0.1], [0.2]]])
def test_rows_of_shifted_in_another_order(tmp_path, rng, offsets):
    """Oracle: the permutation, of which the message gives one pair that is right. In differences of
    summaries the order does no harm, and is a note.
    """
    arrays = shifted_normal(rng)
    problem, changes = shifted_problem(), {}
    if offsets is not None:
        changes = {"delta_theta": offsets}
        slopes = (np.ones((2, 2)), 1 + np.arange(4).reshape(2, 2))
        columns = [
            arrays["fiducial"] + offset * slope
            for slope, each in zip(slopes, offsets, strict=True)
            for offset in each
        ]
        arrays["shifted"] = np.stack(columns, axis=1)
    problem = shifted_problem(**changes)
    assert faults_of(saved(tmp_path, arrays), problem) == []
    order = rng.permutation(60)
    arrays["shifted"] = arrays["shifted"][order]
    path = saved(tmp_path, arrays)
    line = only_fault(path, problem)
    i, j = map(int, re.search(r"found row (\d+) of it to be row (\d+) of", line).groups())
    assert order[i] == j
    checked = user_files.check({"training": path}, shifted_problem(of_summaries=True, **changes))
    assert checked.faults == []
    assert "expected row i of shifted" in checked.notes[0]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rows_of_derivative_in_another_order(tmp_path, seed):
    """Which can be guessed only, and is a note. Derivatives that are the same in all rows, as those
    by mu, tell nothing.
    """
    arrays = arrays_of(200, 150)
    order = np.random.default_rng(seed).permutation(150)
    problem = load.build(**FILES)

    def notes():
        found = user_files.check({"training": write(tmp_path / "a.h5", arrays)}, problem)
        assert found.faults == []
        return found.notes

    assert notes() == []
    arrays["derivative"] = arrays["derivative"][order]
    (line,) = notes()
    assert "expected row i of derivative to be the derivative of row i of fiducial" in line
    arrays["derivative"][..., 1] = arrays["derivative"][..., 0]
    assert notes() == []


@pytest.mark.parametrize("n_d", [49, 50, 99, 100, 101, 150, 200])
def test_right_derivatives_are_in_order_whatever_their_number(tmp_path, n_d):
    arrays = arrays_of(200, n_d)
    found = user_files.check({"training": write(tmp_path / "a.h5", arrays)}, PROBLEM)
    assert (found.faults, found.notes) == ([], [])


@pytest.mark.parametrize("kind", ["counts", "independent", "bent"])
def test_what_is_no_exchange_is_left_alone(tmp_path, rng, kind):
    """Matched counts, draws that do not match, and simulations that bend are other matters."""
    arrays = shifted_normal(rng)
    if kind == "counts":
        arrays = {name: np.floor(5 * array) for name, array in arrays.items()}
    elif kind == "independent":
        arrays["shifted"] = rng.standard_normal(arrays["shifted"].shape)
    else:
        arrays["shifted"] = arrays["shifted"] + 0.1
    assert faults_of(saved(tmp_path, arrays), shifted_problem()) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda s: 1000 * s, "expected shifted simulations that vary about as much as fiducial"),
        (lambda s: changed_at(s, (slice(None), 0, 1, 1, 1), 2.5), "found 2.5 in all at b -0.1 at"),
        (lambda s: changed_at(s, (slice(30, 60), 1, 1), 0.0), "nothing but 0 in 30 simulations"),
        (lambda s: np.concatenate([s[9::-1], s[10:]]), "expected row i of shifted"),
        (lambda s: changed_at(s, (slice(None), 0), s.mean(axis=(1, 2))[:, None]), "themselves"),
    ],
)
def test_shifted_simulations_that_are_others(tmp_path, rng, change, fault):
    """In other units, constant, not all there, partly in another order, or fiducial ones."""
    arrays = shifted_normal(rng)
    arrays["shifted"] = change(arrays["shifted"])
    if fault == "themselves":
        arrays["fiducial"] = arrays["shifted"][:, 0, 0]
    assert fault in only_fault(saved(tmp_path, arrays), shifted_problem())


def test_half_the_step_as_delta_theta(tmp_path, rng):
    """Which makes det F 16 times too large; an attribute of the file is asked for and compared."""
    arrays = shifted_normal(rng)
    problem = shifted_problem(delta_theta=[0.1, 0.1])
    assert "expected delta_theta = [0.1, 0.1] as in the config, found [0.2, 0.2]" in only_fault(
        saved(tmp_path, arrays), problem
    )
    for suffix in (".h5", ".npz"):
        path = write(tmp_path / f"without{suffix}", arrays)
        assert "expected an attribute delta_theta (of npz an array)" in only_fault(path, problem)
