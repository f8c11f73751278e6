"""Numbers far from 0: |F| is right, or what has no digits left is refused."""

import jax
import numpy as np
import pytest
from imnn_core.problems import Problem, simulations
from imnn_core.store.errors import InputError
from simulate import simulate
from user_run import (
    assert_is,
    drawn,
    from_file,
    measured,
    numpy_problem,
    problem_of,
)


@pytest.mark.parametrize("standardise", [None, "each"])
def test_numbers_far_from_0(tmp_path, rng, standardise):
    """Oracle: the closed form, 12 for 12 numbers of variance 1 with the derivative 1, at 3e7."""
    noise = rng.standard_normal((3000, 12))
    arrays = {"fiducial": 3e7 + noise, "derivative": np.ones((3000, 12, 1))}
    problem = problem_of(["a"], [3e7], [12])
    information, why_not = from_file(tmp_path, arrays, problem, standardise=standardise)
    assert why_not == []
    assert_is(information, 12.0, lost=0.05)
    assert_is(information, 12.0, whose="linear", lost=0.05)
    narrow = {name: array.astype(np.float32) for name, array in arrays.items()}
    with pytest.raises(InputError, match=r"many steps of float32, found mean 3e\+07 and deviation"):
        from_file(tmp_path, narrow, problem)


FAR = """
def simulator(rng, theta):
    return 5e8 + theta[0] + theta[1] ** 3 * np.arange(6) + rng.standard_normal(6)

problem = Problem(simulator, [0.0, 1.0], ["a", "b"], [6], numpy=True)
"""


@pytest.mark.parametrize("step", [0.02, 1.2])
def test_a_numpy_simulator_far_from_0_and_the_halved_step(tmp_path, step):
    """Oracle: the closed form |F| = 9 (6 x 55 - 15^2); the cube's slope over a step h of b is
    3 + h^2/4, 12 % too large at 1.2, of which the halved step shows three quarters.
    """
    kind = str(numpy_problem(tmp_path, FAR))
    problem = {"kind": kind, "delta_theta": [0.5, step]}
    drawn(tmp_path, problem, 1500, 3000)
    information, why_not = measured(tmp_path, problem, 1500, 3000, linear=True, max_iterations=20)
    found = information["finite_differences"]["step"]
    assert found["n"] == 200
    expected = ((3 + step**2 / 16) / (3 + step**2 / 4)) ** 2 - 1
    assert found["change"] == pytest.approx(expected, abs=1e-3)
    if step < 1:
        assert why_not == []
        assert_is(information, 9 * (6 * 55 - 15**2), lost=0.05)
    else:
        assert "delta_theta is halved" in why_not[0]


def test_a_simulator_in_jax_that_rounds_its_noise_away_is_refused(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "import jax\n"
        "from imnn_core.problems import Problem\n"
        "def simulator(key, theta):\n"
        "    return 5e7 + theta[0] + jax.random.normal(key, (5,))\n"
        "problem = Problem(simulator, [0.0], ['a'], [5])\n"
    )
    with pytest.raises(InputError, match=r"problem 'mine': expected numbers whose deviation is ma"):
        simulate(
            tmp_path / "a.h5", problem={"kind": str(path)}, seed=1, split="test", n_s=99, n_d=9
        )


@pytest.mark.parametrize("n_per_call", [1, 2])
def test_simulations_so_large_that_few_are_drawn_at_a_time(monkeypatch, n_per_call):
    """Oracle: by hand: of two draws of 20 000 numbers at 3000, some pair is as near as two steps of
    float32, and no digits are lost; at 5e7, where a step is 4, all are.
    """

    def field(mean):
        def simulator(key, theta):
            return mean + theta[0] * jax.random.normal(key, (20000,))

        return Problem(simulator, [1.0], ["a"], [20000], name="field")

    monkeypatch.setattr(simulations, "PIECE", n_per_call * 4 * 2 * 20000)
    key = simulations.seed_key(1, "test")
    pieces = list(simulations.draw(field(3000.0), key, 4, 4))
    assert [len(piece.fiducial) for piece in pieces] == (4 // n_per_call) * [n_per_call]
    with pytest.raises(InputError, match="deviation is many steps of float32"):
        list(simulations.draw(field(5e7), key, 4, 4))
