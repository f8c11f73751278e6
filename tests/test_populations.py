"""Population Monte Carlo in a job: interrupted and gone on with, and what it simulates."""

import jax
import numpy as np
import pytest
from imnn_core.inference import populations
from imnn_core.inference.methods import Task
from imnn_core.inference.simulating import estimates_at
from imnn_core.inference.summaries import Set, Summaries
from imnn_core.problems import load, simulations
from imnn_core.problems.prior import prior_of
from user_run import numpy_problem

PMC = {
    "n_particles": 200,
    "quantile": 0.5,
    "acceptance": 0.05,
    "n_simulations": 20_000,
    "n_steps": 4,
}
KEY = jax.random.key(3)
SPEC = {"a": {"uniform": [-5, 5]}, "b": {"uniform": [0, 5]}}


def task_of(observed):
    """A task whose estimates have unit covariance."""
    about = {"names": ["a", "b"], "theta_fid": [0.0, 1.0], "covariance": np.eye(2).tolist()}
    nothing = Set(*(np.empty((0, 2)),) * 3, np.empty(0, int))
    at = Set(np.empty((len(observed), 0)), observed, observed, np.arange(len(observed)))
    found = Summaries(prior_of("ab", SPEC), nothing, nothing, at, about)
    return Task(found, {"pmc": PMC}, (1, 2)), at


def noisy(key, theta, first):
    """Estimates by numbers of simulations, as a simulator's are."""
    words = simulations.words_of(key)
    noise = [
        np.random.default_rng([*words, first + i]).standard_normal(2) for i in range(len(theta))
    ]
    return theta + 0.3 * np.array(noise)


def test_an_interrupted_job_goes_on_to_the_same_bits(tmp_path):
    """Oracle: the job in one go. Of two observations, the second is interrupted."""
    task, at = task_of(np.array([[0.5, 1.0], [2.0, 2.0]]))
    whole = populations.of_observations(task, noisy, at, KEY, tmp_path / "whole.h5")
    calls = []

    def dies(key, theta, first):
        calls.append(first)
        if len(calls) == n_calls:
            raise KeyboardInterrupt
        return noisy(key, theta, first)

    n_calls = 10**6
    populations.of_observations(task, dies, at, KEY, None)
    n_calls, n_all = len(calls) - 3, len(calls)
    calls.clear()
    with pytest.raises(KeyboardInterrupt):
        populations.of_observations(task, dies, at, KEY, tmp_path / "p.h5")
    assert list(tmp_path.glob("p.h5.pmc-*.unfinished"))
    n_calls = 10**6
    calls.clear()
    again = populations.of_observations(task, dies, at, KEY, tmp_path / "p.h5")
    assert len(calls) < n_all
    for one, other in zip(again[:2], whole[:2], strict=True):
        np.testing.assert_array_equal(one, other)
    assert not list(tmp_path.glob("*unfinished*"))


def test_what_is_left_of_another_observation_is_not_used(tmp_path):
    """Oracle: the same without what is left."""
    task, at = task_of(np.array([[0.5, 1.0]]))
    calls = []

    def dies(key, theta, first):
        calls.append(first)
        if len(calls) > 6:
            raise KeyboardInterrupt
        return noisy(key, theta, first)

    with pytest.raises(KeyboardInterrupt):
        populations.of_observations(task, dies, at, KEY, tmp_path / "p.h5")
    other, there = task_of(np.array([[1.5, 3.0]]))
    found = populations.of_observations(other, noisy, there, KEY, tmp_path / "p.h5")
    expected = populations.of_observations(other, noisy, there, KEY, None)
    np.testing.assert_array_equal(found.theta, expected.theta)


def test_estimates_of_simulations_that_are_asked_for(compressor):
    """Oracle: the simulator called one by one, with the keys of the numbers."""
    problem, key = load.build("gaussian"), simulations.seed_key(1, "pmc")
    theta = np.array([[0.0, 1.0], [0.3, 2.0], [-1.0, 0.5], [0.0, -1.0]])
    found = estimates_at(problem, compressor, "", 1)(key, theta, 40)
    assert np.isnan(found[3]).all()  # of a negative variance
    for i in range(3):
        d = problem.simulator(jax.random.fold_in(key, 40 + i), theta[i])
        expected = compressor.estimates(np.asarray(d))
        scale = np.sqrt(np.diag(compressor.covariance))
        np.testing.assert_allclose(found[i] / scale, expected / scale, atol=1e-3)


def test_a_simulator_in_numpy_is_asked_by_processes(tmp_path, compressor):
    """Oracle: numpy's generator with the key's words and the number."""
    text = """
def simulator(rng, theta):
    if theta[0] > 4: raise ValueError("too far")
    return theta[0] + theta[1] * rng.standard_normal(10)
problem = Problem(simulator, [0.0, 1.0], ["mu", "Sigma"], [10], numpy=True)
"""
    path = numpy_problem(tmp_path, text)
    problem, key = load.build(str(path), delta_theta=[0.1, 0.1]), simulations.seed_key(1, "pmc")
    theta = np.array([[0.0, 1.0], [5.0, 1.0], [-1.0, 0.5]])
    found = estimates_at(problem, compressor, str(path), 2)(key, theta, 7)
    assert np.isnan(found[1]).all()
    for i in (0, 2):
        rng = np.random.default_rng([*simulations.words_of(key), 7 + i])
        d = theta[i, 0] + theta[i, 1] * rng.standard_normal(10)
        scale = np.sqrt(np.diag(compressor.covariance))
        np.testing.assert_allclose(found[i] / scale, compressor.estimates(d) / scale, atol=1e-3)


def test_each_observation_has_simulations_of_its_own():
    """Two observations that are the same: other noise, and another population."""
    task, at = task_of(np.array([[0.5, 1.0], [0.5, 1.0]]))
    keys = []

    def seen(key, theta, first):
        keys.append((tuple(simulations.words_of(key)), first))
        return noisy(key, theta, first)

    found = populations.of_observations(task, seen, at, KEY, None)
    assert len(set(keys)) == len(keys)
    assert not np.array_equal(found.theta[0], found.theta[1])
    second = populations.of_observations(task, noisy, at.rows(slice(1, 2)), KEY, None, first=1)
    np.testing.assert_array_equal(second.theta[0], found.theta[1])
