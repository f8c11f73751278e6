"""What a check calculates from a few simulations: steps, sizes, times."""

import numpy as np
from imnn_core.config.run import Config
from imnn_core.data import sample_check, sources
from imnn_core.data.parts import Part
from imnn_core.problems import Problem
from imnn_core.training import timing
from imnn_core.workflow import costs, inventory
from test_check import SMALL, matches


def test_steps_that_are_wide_are_doubted():
    """Oracle: of theta^3 a step h gives 3 theta^2 + h^2 / 4: at 1 with h = 2, half of it changes 4
    into 3.25, by 0.75 / 3.25; of what is linear it changes nothing.
    """
    steps = np.array([2.0, 0.5])
    problem = Problem(None, [1.0, 1.0], ["a", "b"], [1], delta_theta=steps.tolist())
    noise = np.random.default_rng(1).standard_normal((12, 1))

    def shifted(steps):
        sides = [[1 - steps[0] / 2, 1 - steps[1] / 2], [1 + steps[0] / 2, 1 + steps[1] / 2]]
        cubes = [[noise + a**3 + 1, noise + 1 + b] for a, b in sides]
        return np.moveaxis(np.array(cubes), 2, 0)  # (n, 2, n_params, 1)

    stored = sources.shifted_in_memory(noise + 2, shifted(steps))
    found = sample_check.of_steps(stored, shifted(steps / 2), problem)
    assert f"by a {100 * 0.75 / 3.25:.2g} %" in found.words
    assert matches(found.doubts, [r"change it by a 23 % \(of 12 simulations\)"])


def test_costs_are_those_of_the_sizes():
    """Oracle: by hand."""
    fits = {"a": SMALL | {"max_iterations": 100}, "b": SMALL | {"max_iterations": 50, "threads": 2}}
    config = Config(seeds=[1, 2], n_s=10, n_d=5, n_test=20, fits=fits)
    parts = {"training": Part(0, 10, 5), "test": Part(0, 20, 20)}
    needed = {"training": inventory.Needed(20, 10), "test": inventory.Needed(40, 0)}
    found = costs.of_drawing(config, parts, needed, costs.Drawing(1.0, 0.5, 100, 200))
    n, n_d = 2 * (10 / 2 + 20), 2 * (5 / 2 + 20)
    assert found == (n + 0.5 * n_d, 100 * n + 200 * n_d, 4)
    assert costs.of_fits(config, {"a": 1.0, "b": 2.0}, 2) == ((2 * 100 + 2 * 2 * 100) / 2, 4)
    assert costs.of_long(86400) == [] and "found one of 2 days" in costs.of_long(2 * 86400)[0]
    assert costs.on_disk(10, 10) == [] and "expected 11 bytes" in costs.on_disk(11, 10)[0]
    faults, doubts = costs.faults_of_memory({"fit a": 11}, config, 10, 2)
    assert matches(faults, ["expected fit a in the 10 bytes .* found that it may take 11"])
    assert not doubts
    faults, doubts = costs.faults_of_memory({"fit a": 9}, config, 10, 2)
    assert not faults
    assert matches(doubts, ["side by side"])


def test_a_set_is_made_of_few_simulations(rng):
    """Oracle: the same rows again and again, by hand."""
    d, dd = rng.standard_normal((3, 2)), rng.standard_normal((2, 2, 1))
    source = timing.repeated(sources.in_memory(d, dd), 8, 5)
    assert (len(source.fiducial), len(source.derivative)) == (8, 5)
    out, slopes = np.empty((4, 2)), np.empty((3, 2, 1))
    source.read("fiducial", 4, out)
    source.read("derivative", 2, slopes)
    assert (out == d[[1, 2, 0, 1]]).all()
    assert (slopes == dd[[0, 1, 0]]).all()
