"""Sizes beyond any memory: told by Python's own integers, before anything is built."""

import math

import jax
import pytest
from imnn_core.config.read import read_config
from imnn_core.networks import architecture
from imnn_core.problems import load, shipped
from imnn_core.workflow import checks, room

MB = 10**6
HUGE = 2**31 - 1


def lines_of(values, available=1000 * MB):
    """Faults of a config of a problem that ships, in so much memory."""
    settings = read_config(values)
    keys = ("theta_fid", "input_shape", "names", "delta_theta")
    given = {key: getattr(settings, key) for key in keys}
    return checks.faults(settings, {"kind": settings.problem} | given, available=available)[0]


def network(problem="gaussian", **settings):
    return {"problem": problem, "fits": {"a": {"network": settings}}}


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (
            {"input_shape": [HUGE] * 20},
            "input_shape: expected one simulation with its derivatives, and 7 copies to work with, "
            "in at most 1000000000 bytes of memory, found 4.18e+188 bytes",
        ),
        ({"input_shape": [20 * MB]}, "input_shape: expected one simulation with its derivatives"),
        (
            {"problem": "gaussian_field", "input_shape": [20_000, 20_000]},
            "input_shape: expected one simulation with its derivatives",
        ),
        (
            {
                "input_shape": [3 * MB],
                "derivative": "finite_difference",
                "delta_theta": [0.1, [0.1 * i for i in range(1, 20)]],
            },
            "input_shape: expected one simulation with its derivatives",
        ),
        (
            network(hidden=[HUGE, HUGE]),
            "fits.a.network: expected weights, with their gradient and moments, in at most "
            "1000000000 bytes of memory, found 7.38e+19 bytes",
        ),
        (network(hidden=[10_000, 10_000]), "fits.a.network: expected weights"),
        (network(kind="deep_set", hidden=[HUGE], head=[HUGE]), "fits.a.network: expected weights"),
        (network(kind="deep_set", hidden=[5], head=[10**4] * 2), "fits.a.network: expected weigh"),
        (
            network("gaussian_field", kind="cnn", channels=[HUGE, HUGE]),
            "fits.a.network: expected weights",
        ),
        (
            network("gaussian_field", kind="cnn", channels=[3000, 3000]),
            "fits.a.network: expected weights",
        ),
        (
            network("gaussian_field", kind="cnn", channels=[10], kernel=31, head=[3])
            | {"input_shape": [600, 600]},
            "fits.a.network: expected what its layers hold of one simulation in at most",
        ),
        (
            network("gaussian_field", kind="cnn", kernel=HUGE),
            "fits.a.network.kernel: expected at most 4096 points in all, found 2147483647**2",
        ),
        (
            network("gaussian_field", kind="cnn", kernel=33),
            "fits.a.network.kernel: expected at most 32, the points along one side of the grid "
            "(32, 32) before layer 0, found 33",
        ),
        (
            network("gaussian_field", kind="cnn", channels=[2, 2, 2], kernel=5, strides=[4, 4, 1]),
            "fits.a.network.kernel: expected at most 2, the points along one side of the grid "
            "(2, 2) before layer 2, found 5",
        ),
    ],
)
def test_what_fits_no_memory_is_told(values, line):
    (found,) = lines_of(values)
    assert found.startswith(line)


@pytest.mark.parametrize(
    "values",
    [
        network(kind="deep_set") | {"input_shape": [1000, 1000]},
        network(hidden=[1000, 1000]),
        network("gaussian_field", kind="cnn", channels=[2, 2], kernel=2, strides=[16, 1]),
        {"n_s": HUGE, "n_test": HUGE, "n_monte_carlo": HUGE},  # sets can be streamed
    ],
)
def test_what_fits_is_no_fault(values):
    assert lines_of(values) == []


def test_each_fit_is_told_of():
    wide = {"network": {"hidden": [HUGE]}}
    found = lines_of({"fits": {"a": wide, "b": {}, "c": {"network": {"kind": "cnn"}}, "d": wide}})
    assert [line.partition(":")[0] for line in found] == ["fits.a.network", "fits.d.network"]


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "mlp", "hidden": [7, 3]},
        {"kind": "mlp", "hidden": []},
        {"kind": "deep_set", "hidden": [7, 3], "head": [5]},
        {"kind": "cnn", "channels": [3, 4], "kernel": 3, "means": "every", "head": [5]},
        {"kind": "cnn", "channels": [3], "kernel": 2, "channels_last": True},
    ],
)
def test_weights_are_counted(settings):
    """Oracle: the weights themselves."""
    problem = shipped.gaussian_field(input_shape=(6, 4))
    recipe = read_config(network("gaussian_field", **settings)).fits["a"].of(2)
    weights = architecture.build(recipe, problem).init(jax.random.key(0), problem.input_shape)
    n = sum(leaf.size for leaf in jax.tree.leaves(weights))
    assert room.n_weights(recipe.network, problem.input_shape, 2) == n


def test_weights_of_a_network_of_ones_own_are_counted(tmp_path):
    """By shapes: it is built for once it is known to fit."""
    path = tmp_path / "own.py"
    path.write_text(
        """
import jax.numpy as jnp
from imnn_core.problems import Problem

def wide(n_summaries, width):
    def init(key, shape):
        return jnp.zeros((shape[0], width)), jnp.zeros((width, n_summaries))

    def apply(weights, d):
        return d @ weights[0] @ weights[1]

    return init, apply

def simulator(key, theta):
    return theta[0] * jnp.ones(4)

problem = Problem(simulator, [1.0], ["a"], (4,), networks={"wide": wide})
"""
    )
    far = {"kind": "wide"}
    fits = {name: {"network": far | {"width": n}} for name, n in (("a", 10), ("b", HUGE))}
    settings = read_config({"problem": str(path), "fits": fits})
    (line,), _ = checks.faults(settings, {"kind": str(path)}, available=1000 * MB)
    assert line == (
        "fits.b.network: expected weights, with their gradient and moments, in at most 1000000000 "
        "bytes of memory, found 1.72e+11 bytes"
    )
    (line,), _ = checks.faults(
        read_config({"problem": str(path), "fits": {"a": {"network": far | {"width": 10**300}}}}),
        {"kind": str(path)},
    )
    assert line.endswith("found more than 1e+300 bytes")
    assert math.isclose(16 * 5 * HUGE, 1.72e11, rel_tol=1e-2)


def test_a_problem_of_ones_own_is_counted(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(
        "from imnn_core.problems import Problem\n"
        "problem = Problem(lambda key, theta: theta, [1.0], ['a'], (2**30, 2**30))\n"
    )
    settings = read_config({"problem": str(path)})
    (line,), _ = checks.faults(settings, {"kind": str(path)})
    assert line.startswith("problem: input_shape: expected one simulation with its derivatives")
    assert load.build(str(path)).input_shape == (2**30, 2**30)
