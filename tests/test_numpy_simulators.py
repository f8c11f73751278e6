"""Simulators that are numpy functions: matched seeds, a generator for each simulation, and their
faults.
"""

import jax
import numpy as np
import pytest
from imnn_core.problems import Problem, simulations
from imnn_core.store.errors import InputError
from test_own_problem import in_numpy


def test_a_numpy_simulator_has_matched_seeds_and_a_generator_for_each_simulation():
    """Oracle: d = a + b z, so that the difference by a is delta_a and that by b is delta_b z =
    delta_b (d - a) / b.
    """
    problem = Problem(
        in_numpy, [0.5, 2.0], ["a", "b"], [4], numpy=True, delta_theta=[0.1, 0.2], name="numpy"
    )
    pieces = list(simulations.draw(problem, simulations.seed_key(1, "training"), 1200, 1100))
    d, shifted = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
    assert d.dtype == shifted.dtype == np.float32
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
