"""Samples as GetDist's chains and as CSV."""

import csv

import numpy as np
import pytest
from imnn_core.inference import chains

NAMES, SYMBOLS = ["mu", "ln A, b*"], [r"$\mu$", "ln A"]


@pytest.fixture
def samples(rng):
    return rng.standard_normal((50, 2)) * [1e-9, 1e3], rng.random(50)


def test_files_of_getdist(tmp_path, samples):
    """Weight, 0 for -ln p, and parameters in a row, all digits; oracle: GetDist's documentation.

    GetDist 1.7.7 reads such files with the mean and sigma that numpy has, tried by hand.
    """
    theta, weights = samples
    weights[3] = 0
    bounds = [[-10, 10], [0, np.inf]]
    paths = chains.write_getdist(tmp_path / "a.b", theta, weights, NAMES, SYMBOLS, bounds)
    assert [path.name for path in paths] == ["a.b.txt", "a.b.paramnames", "a.b.ranges"]
    table, kept = np.loadtxt(paths[0]), np.arange(50) != 3
    np.testing.assert_array_equal(table[:, 0], weights[kept])
    np.testing.assert_array_equal(table[:, 1], 0)
    np.testing.assert_array_equal(table[:, 2:], theta[kept])
    lines = [line.split(maxsplit=1) for line in paths[1].read_text().splitlines()]
    assert lines == [["mu", r"\mu"], ["ln_A,_b", "ln A"]]
    lines = [line.split() for line in paths[2].read_text().splitlines()]
    assert lines == [["mu", "-10", "10"], ["ln_A,_b", "0", "N"]]


def test_csv(tmp_path, samples):
    """Every digit comes back, and names with commas are quoted; oracle: Python's csv."""
    theta, weights = samples
    chains.write_csv(tmp_path / "samples.csv", theta, weights, ["Ω", NAMES[1]])
    with open(tmp_path / "samples.csv", newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert head == ["Ω", NAMES[1], "weight"]
    np.testing.assert_array_equal(np.array(rows, float), np.column_stack([theta, weights]))
