"""Simulations at parameters from a prior: their bits, their parts, and those that fail."""

import h5py
import jax
import numpy as np
import pytest
from imnn_core.data import prior_check
from imnn_core.problems import load, simulations
from imnn_core.problems.prior import prior_of
from imnn_core.store.errors import InputError
from simulate import simulate
from user_run import numpy_problem

PRIOR = {"mu": {"uniform": [-10, 10]}, "Sigma": {"uniform": [0, 10]}}
OF_AB = {"a": {"uniform": [-1, 1]}, "b": {"uniform": [0, 2]}}
SIMULATOR = """
import os
def simulator(rng, theta):
    z = rng.standard_normal(3)
    {more}
    return theta[0] + theta[1] * z
problem = Problem(simulator, [0.0, 1.0], ["a", "b"], [3], numpy=True)
"""


def drawn(path, problem, prior, first=0, n=300, **how):
    simulate(
        path,
        problem=problem,
        seed=1,
        split="prior",
        first=first,
        n_s=n,
        n_d=n,
        prior=prior,
        n_per_call=64,
        **how,
    )
    with h5py.File(path) as file:
        return file["theta"][:], file["d"][:]


def key_of_prior():
    return simulations.seed_key(1, "prior")


def test_each_simulation_has_parameters_and_a_key_of_its_own(tmp_path):
    """Oracle: the simulator called one by one, with the prior's quantiles of each number."""
    theta, d = drawn(tmp_path / "0-300.h5", {"kind": "gaussian"}, PRIOR)
    problem, key = load.build("gaussian"), key_of_prior()
    prior = prior_of(problem.names, PRIOR)
    expected = prior.rows(simulations.words_of(key), 0, 300)
    np.testing.assert_array_equal(theta, expected.astype(np.float32))
    for i in (0, 63, 64, 299):
        one = problem.simulator(jax.random.fold_in(key, i), theta[i])
        np.testing.assert_allclose(d[i], one, rtol=1e-5, atol=1e-6)


def test_parts_and_interruptions_give_the_same_bits(tmp_path):
    """Oracle: the whole set in one go; a part that begins within another goes on with it."""
    whole = drawn(tmp_path / "a" / "0-300.h5", {"kind": "gaussian"}, PRIOR)
    parts = [
        drawn(tmp_path / "b" / f"{a}-{b}.h5", {"kind": "gaussian"}, PRIOR, a, b)
        for a, b in ((0, 100), (100, 231), (231, 300))
    ]
    for i in (0, 1):
        np.testing.assert_array_equal(np.concatenate([part[i] for part in parts]), whole[i])


@pytest.mark.parametrize("threads", [1, 3])
def test_a_numpy_simulator_is_called_with_them(tmp_path, threads):
    """Oracle: numpy's generator with the key's words and the number, as for other simulations."""
    path = numpy_problem(tmp_path, SIMULATOR.format(more="pass"))
    theta, d = drawn(tmp_path / "x" / "0-50.h5", {"kind": str(path)}, OF_AB, n=50, threads=threads)
    words = simulations.words_of(key_of_prior())
    assert theta.dtype == d.dtype == np.float64
    np.testing.assert_array_equal(theta, prior_of("ab", OF_AB).rows(words, 0, 50))
    for i in range(50):
        z = np.random.default_rng([*words, i]).standard_normal(3)
        np.testing.assert_array_equal(d[i], theta[i, 0] + theta[i, 1] * z)


FAILS = {
    "raises": "if theta[0] < -0.5: raise ValueError('a < -0.5')",
    "not finite": "if theta[0] < -0.5: z[1] = np.nan",
    "other shape": "if theta[0] < -0.5: return z[:2]",
    "ends": "if theta[0] < -0.9: os._exit(3)",
}


@pytest.mark.parametrize("how", FAILS)
def test_simulations_that_fail_are_left_out_if_few(tmp_path, how, caplog):
    """They are NaN, the others as without failures; too many are an error that tells theta."""
    caplog.set_level("INFO", logger="imnn")
    n = 40
    for name in "rw":
        (tmp_path / name).mkdir()
    right = drawn(
        tmp_path / "a" / "0-40.h5",
        {"kind": str(numpy_problem(tmp_path / "r", SIMULATOR.format(more="pass")))},
        OF_AB,
        n=n,
    )
    path = numpy_problem(tmp_path / "w", SIMULATOR.format(more=FAILS[how]))
    theta, d = drawn(
        tmp_path / "b" / "0-40.h5", {"kind": str(path)}, OF_AB, n=n, threads=2, failures=0.5
    )
    np.testing.assert_array_equal(theta, right[0])
    bad = theta[:, 0] < (-0.9 if how == "ends" else -0.5)
    assert 0 < bad.sum() < n / 2
    assert np.isnan(d[bad]).any(axis=1).all()
    np.testing.assert_array_equal(d[~bad], right[1][~bad])
    assert f"{bad.sum()} of 40 simulations from the prior failed" in caplog.text
    with pytest.raises(InputError, match="expected at most 0 of the simulations") as error:
        drawn(tmp_path / "c" / "0-40.h5", {"kind": str(path)}, OF_AB, n=n)
    (line,) = error.value.lines
    assert "simulation" in line and "at theta = [-0." in line


def test_jax_simulations_that_are_not_finite(tmp_path):
    """The gaussian problem has no root of a negative variance."""
    prior = PRIOR | {"Sigma": {"uniform": [-1, 9]}}
    theta, d = drawn(tmp_path / "0-300.h5", {"kind": "gaussian"}, prior, failures=0.2)
    np.testing.assert_array_equal(np.isnan(d).any(axis=1), theta[:, 1] < 0)
    with pytest.raises(InputError, match="posterior.failures"):
        drawn(tmp_path / "b" / "0-300.h5", {"kind": "gaussian"}, prior, failures=0.05)


def test_another_prior_is_another_set(tmp_path):
    """Nothing is taken over from a part of another prior, nor opened as if it were of this."""
    from imnn_core.data import sets

    problem = load.build("gaussian")
    drawn(tmp_path / "0-100.h5", {"kind": "gaussian"}, PRIOR, n=100)
    narrow = PRIOR | {"mu": {"uniform": [-1, 1]}}
    other = problem.over(prior_of(problem.names, narrow))
    with (
        pytest.raises(InputError, match="expected prior = "),
        sets.open_simulations(tmp_path / "0-100.h5", other, seed=1, split="prior", as_stored=True),
    ):
        pass
    mine = problem.over(prior_of(problem.names, PRIOR))
    with sets.open_simulations(
        tmp_path / "0-100.h5", mine, seed=1, split="prior", as_stored=True
    ) as source:
        assert source.fiducial.shape == (100, 10)
        assert source.derivative.shape == (100, 2)


def test_a_check_sees_where_a_simulator_fails(tmp_path):
    """Oracle: by construction; simulations that are fine are the first of the set."""
    prior, key = prior_of("ab", OF_AB), key_of_prior()
    for more, n_failed in (("pass", 0), (FAILS["raises"], None)):
        path = numpy_problem(tmp_path, SIMULATOR.format(more=more))
        problem = load.build(str(path), delta_theta=[0.1, 0.1])
        words, faults = prior_check.look(problem, prior, key, str(path), 2, 40, 0.0)
        assert words.startswith("40 simulations from the prior and 4 at its corners")
        assert (len(faults) == 0) == (n_failed == 0)
    bad = int(np.sum(prior.rows(simulations.words_of(key), 0, 40)[:, 0] < -0.5))
    assert f"{bad} and 2 failed" in words
    assert "a < -0.5" in words
    problem = load.build("gaussian")
    prior = prior_of(problem.names, PRIOR | {"Sigma": {"uniform": [-1, 9]}})
    words, (fault,) = prior_check.look(problem, prior, key, "", 1, 50, 0.0)
    assert "posterior.failures" in fault
    assert prior_check.look(problem, prior, key, "", 1, 50, 0.5)[1] == []


def test_a_prior_that_float32_does_not_resolve_is_refused(tmp_path):
    """A time with its offset; a simulator in numpy gets all digits."""
    spec = {"mu": {"normal": [2450000.5, 0.01]}, "Sigma": {"uniform": [1, 2]}}
    with pytest.raises(InputError, match="expected a prior that float32 resolves"):
        drawn(tmp_path / "0-9.h5", {"kind": "gaussian"}, spec, n=9)
    path = numpy_problem(tmp_path, SIMULATOR.format(more="pass"))
    spec = {"a": spec["mu"], "b": spec["Sigma"]}
    theta, _ = drawn(tmp_path / "x" / "0-9.h5", {"kind": str(path)}, spec, n=9)
    assert len(np.unique(theta[:, 0])) == 9
