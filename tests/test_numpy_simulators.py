"""Simulators that are numpy functions: matched seeds, a generator for each simulation, and their
faults.
"""

import logging

import jax
import numpy as np
import pytest
from imnn_core.problems import Problem, simulations
from imnn_core.store.errors import InputError
from simulate import simulate
from test_own_problem import in_numpy
from user_run import numpy_problem


def test_a_numpy_simulator_has_matched_seeds_and_a_generator_for_each_simulation():
    """Oracle: d = a + b z, so that the difference by a is delta_a and that by b is delta_b z =
    delta_b (d - a) / b.
    """
    problem = Problem(
        in_numpy, [0.5, 2.0], ["a", "b"], [4], numpy=True, delta_theta=[0.1, 0.2], name="numpy"
    )
    pieces = list(simulations.draw(problem, simulations.seed_key(1, "training"), 1200, 1100))
    d, shifted = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
    assert d.dtype == shifted.dtype == np.float64  # as the simulator gives them
    assert (d.shape, shifted.shape) == ((1200, 4), (1100, 2, 2, 4))
    difference = shifted[:, 1] - shifted[:, 0]
    np.testing.assert_allclose(difference[:, 0], 0.1, atol=1e-5)
    np.testing.assert_allclose(difference[:, 1], 0.2 * (d[:1100] - 0.5) / 2, atol=1e-5)
    np.testing.assert_allclose((shifted[:, 1] + shifted[:, 0])[:, 0] / 2, d[:1100], atol=1e-5)
    assert len(np.unique(d)) == d.size
    (fewer,) = simulations.draw(problem, simulations.seed_key(1, "training"), 30, 10)
    np.testing.assert_array_equal(fewer.fiducial, d[:30])
    (others,) = simulations.draw(problem, simulations.seed_key(1, "validation"), 30, 10)
    assert not np.isin(others.fiducial, d).any()


@pytest.mark.parametrize(
    ("simulator", "fault"),
    [
        (
            lambda rng, theta: np.full(4, np.nan),
            r"expected finite numbers at theta_fid = \[0.5, 2.0\], found NaN .* index 0",
        ),
        (
            lambda rng, theta: np.random.normal(size=4),
            "expected the same simulation from the same random generator, found another",
        ),
        (
            lambda rng, theta: rng.normal(size=5),
            r"expected simulations of shape \(4,\), found \(5,\)",
        ),
        (lambda rng, theta: np.array(list("abcd")), "expected simulations of real numbers"),
    ],
)
def test_faults_of_a_numpy_simulator(simulator, fault):
    problem = Problem(
        simulator, [0.5, 2.0], ["a", "b"], [4], numpy=True, delta_theta=[0.1, 0.2], name="numpy"
    )
    with pytest.raises(InputError, match=fault):
        list(simulations.draw(problem, jax.random.key(0), 5, 5))


@pytest.mark.parametrize("of_summaries", [False, True])
@pytest.mark.parametrize(
    ("counts", "is_told"),
    [
        ("rng.poisson(theta[0] * shape)", True),
        ("np.searchsorted(np.cumsum(rng.exponential(size=99)), theta[0] * shape)", False),
    ],
    ids=["rejection", "thresholds"],
)
def test_counts_whose_draws_match_in_part_are_told_when_they_are_drawn(
    tmp_path, caplog, counts, is_told, of_summaries
):
    """Oracle: by construction: numpy's Poisson numbers take more draws at one rate than another."""
    path = numpy_problem(
        tmp_path,
        f"""
shape = np.linspace(0.5, 2, 8)
def simulator(rng, theta):
    return {counts}.astype(float)
problem = Problem(simulator, [6.0], ["rate"], [8], numpy=True)
""",
    )
    problem = {"kind": str(path), "delta_theta": [0.6], "of_summaries": of_summaries}
    with caplog.at_level(logging.INFO, "imnn"):
        simulate(
            tmp_path / "training.h5", problem=problem, seed=1, split="training", n_s=200, n_d=200
        )
    lines = [line for line in caplog.messages if line.startswith("warning: ")]
    found = [line for line in lines if "at shifted rate and those at theta_fid" in line]
    assert len(found) == is_told
    words = "adds noise to the derivatives" if of_summaries else "no derivatives of single"
    assert all(words in line for line in found)
