"""Data as people have them, through check_files, use_files, fit and evaluate: |F| is right, or it
is said that it is not to be trusted, and why.
"""

import itertools
import json
from functools import cache

import numpy as np
import pytest
from imnn_core.data import choice
from imnn_core.store.errors import InputError
from report import warnings_of
from scipy.stats import poisson
from small_files import FILES, arrays_of
from user_run import (
    assert_is,
    det_F,
    from_file,
    problem_of,
    shifted_of,
)


@cache
def draws(kind, n):
    rng = np.random.default_rng(11)
    return rng.standard_normal((n, 10)) if kind == "gaussian" else rng.exponential(size=(n, 10))


QUICK = [
    ("gaussian", 3, "summaries"),
    ("gaussian", 6, "tangents"),
    ("exponential", 0.1, "tangents"),
    ("exponential", 6, "tangents"),
]
STEPS = itertools.product(("gaussian", "exponential"), (0.1, 1, 3, 6), ("tangents", "summaries"))


@pytest.mark.parametrize(
    ("kind", "step", "derivative"),
    [pytest.param(*case, marks=[] if case in QUICK else pytest.mark.long) for case in STEPS],
)
def test_steps_of_the_exact_problems(tmp_path, kind, step, derivative):
    """Oracle: |F| = 50 and 10; steps in units of the parameters' bounds. The network, or the linear
    compression, is made for them and loses at most 5 %.
    """
    z = draws(kind, 4000)
    if kind == "gaussian":
        names, theta, truth = ["mu", "Sigma"], np.array([0.0, 1.0]), 50.0
        bounds = np.array([10**-0.5, 5**-0.5])

        def simulate(theta):
            return theta[0] + np.sqrt(theta[1]) * z
    else:
        names, theta, truth, bounds = ["rate"], np.array([1.0]), 10.0, np.array([10**-0.5])

        def simulate(theta):
            return z / theta[0]

    steps = np.minimum(step * bounds, 1.9)  # of a variance, and of a rate, of 1
    problem = problem_of(
        names,
        theta.tolist(),
        [10],
        delta_theta=steps.tolist(),
        of_summaries=derivative == "summaries",
        from_files=True,
    )
    arrays = {"fiducial": simulate(theta), "shifted": shifted_of(simulate, theta, steps)}
    network = {"kind": "deep_set", "hidden": [16, 16]}
    recipe = {"network": network, "linear": kind == "exponential", "max_iterations": 100}
    information, why_not = from_file(tmp_path, arrays, problem, **recipe)
    if step == 0.1:
        assert why_not == []
    if why_not == []:
        assert_is(information, truth, lost=0.05)
    else:
        assert step > 0.1


def test_wide_steps_of_a_linear_simulator(tmp_path, rng):
    """Oracle: the closed form A^T C^-1 A, whatever the steps, here of 5 to 9 bounds; with
    differences after the network |F| has no bound, and it is said so.
    """
    A, L = rng.standard_normal((6, 2)), np.tril(rng.standard_normal((6, 6))) / 5 + np.eye(6)
    C = L @ L.T
    F = A.T @ np.linalg.solve(C, A)
    noise = rng.standard_normal((3000, 6)) @ L.T
    steps = np.array([5.0, 9.0]) * np.sqrt(np.diag(np.linalg.inv(F)))
    arrays = {
        "fiducial": noise,
        "shifted": shifted_of(lambda theta: noise + A @ theta, np.zeros(2), steps),
    }
    problem = problem_of(["a", "b"], [0.0, 0.0], [6], delta_theta=steps.tolist(), from_files=True)
    longer = {"max_iterations": 200, "patience": 40}
    information, why_not = from_file(tmp_path, arrays, problem, **longer)
    assert why_not == []
    assert_is(information, np.linalg.det(F), lost=0.1)
    assert_is(information, np.linalg.det(F), whose="simulations")
    found = information["finite_differences"]
    np.testing.assert_allclose(found["step_over_bound"], [5, 9], rtol=0.15)
    np.testing.assert_allclose(found["straightness"], 0, atol=1e-6)
    (tmp_path / "across").mkdir()
    information, why_not = from_file(
        tmp_path / "across", arrays, problem | {"of_summaries": True}, **longer
    )
    assert det_F(information)[0] > 2 * np.linalg.det(F)
    assert any("in the data" in reason for reason in why_not)


def test_offsets_to_one_side_and_few_simulations_there(tmp_path, rng):
    """Oracle: by hand: d_j = exp(2 m) t_j + c + noise, whose derivatives at (0, 0) are 2 t and 1;
    a single difference of m over 0.4 would be 1.53 times too large.
    """
    t, noise = np.linspace(-1, 1, 8), rng.standard_normal((4000, 8))

    def simulate(m, c, n):
        return noise[:n] + np.exp(2 * m) * t + c

    arrays = {"fiducial": simulate(0, 0, 4000)}
    arrays |= {f"shifted/m/{m}": simulate(m, 0, 1000) for m in (0.1, 0.2, 0.4)}
    arrays |= {f"shifted/c/{c}": simulate(0, c, 3000) for c in (-0.1, 0.1)}
    problem = problem_of(
        ["m", "c"], [0.0, 0.0], [8], delta_theta=[[0.1, 0.2, 0.4], 0.2], from_files=True
    )
    truth = np.linalg.det(np.diag([4 * t @ t, 8.0]))
    for suffix in (".h5", ".npz"):
        folder = tmp_path / suffix[1:]
        folder.mkdir()
        information, why_not = from_file(folder, arrays, problem, suffix, linear=True)
        assert why_not == []
        value, error = det_F(information)
        assert truth * 0.97 - 3 * error < value < truth * 1.03 + 3 * error  # 1.2 % by the step
        assert information["splits"]["test"]["n_d"] == 1200
    missing = {name: array for name, array in arrays.items() if name != "shifted/m/0.2"}
    with pytest.raises(InputError, match=r"found no shifted/m/0.2; .* \[0.1, 0.4\], \[-0.1, 0.1\]"):
        from_file(tmp_path, missing, problem)


def test_steps_of_files_are_not_rounded_as_by_a_simulator_in_jax(tmp_path, rng):
    """Oracle: F = 10 of ten numbers of mean theta; float32 would make a step of 1e-3 at 1000 1.5 %
    too small or large, and one at 1e4 by half.
    """
    mine = tmp_path / "mine.py"
    mine.write_text(
        "import jax\n"
        "from imnn_core.problems import Problem\n"
        "def simulator(key, theta):\n"
        "    return theta[0] + jax.random.normal(key, (10,))\n"
        "problem = Problem(simulator, [1e4], ['a'], [10])\n"
    )
    noise, step = rng.standard_normal((2000, 10)), 1e-3
    arrays = {
        "fiducial": noise + 1e4,
        "shifted": shifted_of(lambda theta: noise + theta[0], np.array([1e4]), [step]),
    }
    problem = {"kind": str(mine), "delta_theta": [step], "from_files": True}
    information, why_not = from_file(tmp_path, arrays, problem, linear=True)
    assert why_not == []
    assert_is(information, 10.0, lost=0.02)


def test_counts_whose_parameters_have_units_of_their_own(tmp_path):
    """Oracle: F of independent Poisson counts, sum (dlambda/dtheta)^2 / lambda; the two parameters
    differ in size by 10^8.
    """
    u, k = np.random.default_rng(3).random((4000, 20)), np.linspace(-1, 1, 20)

    def simulate(theta):
        return poisson.ppf(u, 1e6 * theta[0] * (1 + theta[1] * k))

    theta, steps = np.array([2e-5, 0.1]), np.array([1e-6, 0.04])
    arrays = {"fiducial": simulate(theta), "shifted": shifted_of(simulate, theta, steps)}
    problem = problem_of(
        ["rate", "tilt"],
        theta.tolist(),
        [20],
        delta_theta=steps.tolist(),
        of_summaries=True,
        from_files=True,
    )
    mean = 20 * (1 + 0.1 * k)
    slopes = np.stack([mean / 2e-5, 20 * k])
    information, why_not = from_file(
        tmp_path, arrays, problem, standardise="all", linear=True, n_per_device=200
    )
    assert why_not == []
    assert_is(information, np.linalg.det((slopes / mean) @ slopes.T), lost=0.05)
    assert information["finite_differences"]["is_discrete"] == [True, True]
    lines = choice.doubts(
        information["finite_differences"], of_summaries=False, names=problem["names"]
    )
    assert "simulations jump at shifted rate, tilt" in lines[-1]


def test_a_fit_that_begins_as_a_linear_compression(tmp_path, rng):
    """Oracle: |F| of the linear compression itself, at the first iteration and at least at the
    end; a network of the user's own and one with more summaries than parameters.
    """
    t = np.linspace(0, 1, 40)
    C = np.exp(-np.abs(t[:, None] - t) / 0.3) + 1e-2 * np.eye(40)
    D = np.stack([np.sin(8 * t), t**2, np.exp(-50 * (t - 0.5) ** 2)], axis=-1)
    d = rng.standard_normal((3000, 40)) @ np.linalg.cholesky(C).T
    arrays = {"fiducial": d + 100 * t, "derivative": np.broadcast_to(D, (3000, 40, 3))}
    own = tmp_path / "own.py"
    own.write_text(
        "import jax\n"
        "from imnn_core.problems import Problem\n"
        "def net(n_summaries):\n"
        "    def init(key, shape):\n"
        "        return {'w': jax.random.normal(key, (n_summaries, *shape))}\n"
        "    return init, lambda weights, d: jax.numpy.tanh(weights['w'] @ d)\n"
        "problem = Problem(None, [0, 0, 0], ['a', 'b', 'c'], [40], networks={'net': net})\n"
    )
    for name, kind, recipe in (
        ("mlp", "files", {"n_summaries": 5, "standardise": "each"}),
        ("own", str(own), {"network": {"kind": "net"}, "whiten": False}),
    ):
        folder = tmp_path / name
        folder.mkdir()
        problem = problem_of(["a", "b", "c"], [0.0, 0.0, 0.0], [40], kind=kind)
        information, why_not = from_file(folder, arrays, problem, linear=True, **recipe)
        assert why_not == []
        history = np.genfromtxt(folder / "f.csv", delimiter=",", names=True)
        value, _ = det_F(information, "linear")
        first = history["validation_det_F"][0]
        of_validation = information["splits"]["validation"]["linear"]["det_F"]["value"]
        assert first == pytest.approx(of_validation, rel=0.15 if name == "mlp" else 0.05)
        assert det_F(information)[0] > 0.97 * value


@pytest.mark.parametrize("is_permuted", [True, False])
def test_derivatives_in_another_order_than_simulations(tmp_path, is_permuted):
    """Oracle: |F| = 50 of the rows in order; of others the report tells the cause first."""
    arrays = arrays_of(1000, 1000)
    if is_permuted:
        arrays["derivative"] = np.random.default_rng(0).permutation(arrays["derivative"])
    information, _ = from_file(tmp_path, arrays, FILES)
    analytic = json.loads((tmp_path / "analytic.json").read_text())
    settings = {"simulations": {"training": "mine.h5"}}
    shown = warnings_of(analytic, {"f": [information]}, [], settings, [])["warnings"]
    remedies = list(shown)
    named = [
        remedy for remedy in remedies if "row i of derivative is the derivative of row i" in remedy
    ]
    assert named == (remedies[:1] if is_permuted else [])
    assert (det_F(information)[0] < 1) == is_permuted
