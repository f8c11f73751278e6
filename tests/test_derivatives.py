"""Every kind of simulations through the one aggregate: finite differences, and simulations drawn on
the fly.
"""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_simulations
from imnn_core.compression import compressor
from imnn_core.config.recipe import Recipe
from imnn_core.data import chunks, sources
from imnn_core.gradient import derivatives, fisher, passes
from imnn_core.problems import load, shipped, simulations, stencils
from imnn_core.training import fitter as fitters
from imnn_core.training import iteration
from simulate import simulate
from small_run import PROBLEM, SIZES, SMALL, do_fit, read
from test_aggregate import assert_is_the_direct_gradient, engine_of, tolerance_of
from test_differences import curved, network_and_weights

N_S = 13


@pytest.mark.parametrize(
    ("way", "dtype", "n_devices", "n_d", "n_params"),
    [
        ("kept", "float64", 2, 13, 3),
        ("recomputed", "float32", 1, 9, 1),
        ("streamed", "float64", 8, 5, 2),
    ],
    indirect=["dtype"],
)
def test_finite_differences_through_every_engine(
    way, dtype, rng, n_devices, n_d, n_params, monkeypatch
):
    """Oracle: jax.grad of the whole loss, of the differences written out in one expression."""
    if way == "recomputed":
        monkeypatch.setattr(passes, "ACTIVATIONS", 0)
    network, weights = network_and_weights((3,), n_summaries=max(2, n_params))
    step = np.linspace(0.5, 1, n_params)
    fiducial, _ = random_simulations(rng, dtype, N_S, 1)
    shifted = rng.standard_normal((n_d, 2, n_params, 3)).astype(dtype)

    def written_out(weights, batch):
        x = jax.vmap(partial(network.apply, weights))(batch.fiducial)
        columns = []
        for p in range(n_params):
            minus, plus = (
                jax.vmap(partial(network.apply, weights))(batch.derivative[:, side, p])
                for side in (0, 1)
            )
            columns.append((plus - minus) / step[p])
        return x, jnp.stack(columns, axis=-1)

    columns = [(p, sign * step[p] / 2) for sign in (-1, 1) for p in range(n_params)]
    weights_of_points = stencils.nested(columns, n_params)[0]
    engine = engine_of(way, derivatives.differences(network.apply, weights_of_points), n_devices)
    assert_is_the_direct_gradient(
        engine, weights, (fiducial, shifted), written_out, 4, 10 * tolerance_of(dtype)
    )


def written_keys(seed, iteration_number, n):
    """The keys that the design promises: of the seed's own stream, the iteration, and the number of
    the simulation.
    """
    key = jax.random.fold_in(simulations.seed_key(seed, "on_the_fly"), iteration_number)
    return [jax.random.fold_in(key, i) for i in range(n)]


@pytest.mark.parametrize(
    ("data", "delta_theta", "of_summaries", "n_devices", "n_per_device", "n_d"),
    [
        ("resident", None, False, 3, 4, 25),
        ("resident", [0.1, 0.2], False, 3, 4, 25),
        ("streamed", [0.1, 0.2], True, 3, 4, 25),
        pytest.param("resident", [0.1, 0.2], True, 1, 7, 40, marks=pytest.mark.long),
        pytest.param("streamed", [0.1, 0.2], False, 1, 7, 40, marks=pytest.mark.long),
        pytest.param("streamed", None, False, 1, 7, 40, marks=pytest.mark.long),
    ],
)
def test_the_gradient_on_the_fly_is_that_of_the_simulations_of_the_iteration(
    data, delta_theta, of_summaries, n_devices, n_per_device, n_d
):
    """Oracle: jax.grad of the whole loss of simulations that were drawn one by one beforehand."""
    problem = replace(curved(), delta_theta=delta_theta, of_summaries=of_summaries)
    recipe = Recipe(
        data=data,
        n_per_device=n_per_device,
        devices="cpu",
        n_devices=n_devices,
        network={"hidden": [5], "activation": "softplus"},
    )
    fitter = fitters.build(recipe, problem, on_the_fly=True)
    weights = fitter.compressor.network.init(jax.random.key(0), problem.input_shape)
    keys = written_keys(3, 5, 40)
    theta = jnp.asarray(problem.theta_fid, jnp.float32)
    simulator = jax.jit(problem.simulator)
    fiducial = jnp.stack([simulator(key, theta) for key in keys])
    if delta_theta is None:
        slopes = jax.jit(jax.jacfwd(problem.simulator, argnums=1))
        derivative = jnp.stack([slopes(key, theta) for key in keys[:n_d]])
    else:
        h = jnp.diag(jnp.asarray(delta_theta)) / 2
        sides = [
            [[simulator(key, theta + sign * h[p]) for p in (0, 1)] for sign in (-1, 1)]
            for key in keys[:n_d]
        ]
        derivative = jnp.array(sides)
        if not of_summaries:
            differences = derivative[:, 1] - derivative[:, 0]
            steps = jnp.asarray(delta_theta)[None, :, None]
            derivative = jnp.moveaxis(differences / steps, 1, -1)

    def loss(weights):
        m = fisher.moments(
            *fitter.compressor.summarise(weights, chunks.Batch(fiducial, derivative))
        )
        return iteration.loss_of(fitter.settings)(fisher.covariance(m), m.mean_derivative)

    expected = jax.jit(jax.grad(loss))(weights)
    change = fitter.augment(seed=3)
    with fitter.data(training=sources.on_the_fly(40, n_d)) as sets:
        gradient_of = (
            jax.jit(fitter.engine.gradient) if fitter.engine.fused else fitter.engine.gradient
        )
        (m, _, gradient), (_, _, again) = (
            gradient_of(weights, change(jax.device_put(i, fitter.engine.home), sets["training"]))
            for i in (5, 6)
        )
        measured = fitter.moments(weights, fitter.measured(sets["training"], 3, 5))
    assert (int(m.n_s), int(m.n_d)) == (40, n_d)
    np.testing.assert_allclose(measured.mean, m.mean, rtol=1e-5)
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected))
    for one, other in zip(*map(jax.tree.leaves, (gradient, expected)), strict=True):
        np.testing.assert_allclose(one, other, atol=5e-5 * largest)
    assert any(
        np.abs(one - other).max() > 0.01 * largest
        for one, other in zip(*map(jax.tree.leaves, (gradient, again)), strict=True)
    )


def test_training_statistics_of_a_fit_on_the_fly_are_of_simulations_that_it_has_not_seen(tmp_path):
    """Oracle: numpy's mean and covariance of the summaries of the simulations of the iteration
    after the last.
    """
    validation = tmp_path / "validation.h5"
    simulate(validation, problem=PROBLEM, seed=1, split="validation", **SIZES)
    path = do_fit(tmp_path, "fly", on_the_fly=True, max_iterations=6)
    trees, history, statistics, _ = read(path)
    assert len(history) == 6
    problem = load.build(**PROBLEM)
    network = compressor.build(Recipe(**SMALL), problem).network
    theta, simulator = jnp.asarray(problem.theta_fid, jnp.float32), jax.jit(problem.simulator)
    d = jnp.stack([simulator(key, theta) for key in written_keys(1, 6, SIZES["n_s"])])
    x = np.asarray(jax.vmap(partial(network.apply, trees["weights/best"]))(d), np.float64)
    np.testing.assert_allclose(statistics["training"]["mu"], x.mean(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        statistics["training"]["C"], np.cov(x, rowvar=False), rtol=1e-3, atol=1e-5
    )


def test_permuted_simulations_at_shifted_parameters_move_with_their_own(rng):
    """Oracle: each number was drawn once, and those at shifted parameters are known from it."""
    from imnn_core.gradient import augment

    problem = replace(shipped.gaussian(input_shape=(5,)), delta_theta=[0.1, 0.1], of_summaries=True)
    fiducial = rng.permutation(40).reshape(8, 5).astype(np.float32)
    shifted = np.stack(
        [np.stack([fiducial + 100 * side + 1000 * p for p in (0, 1)], axis=1) for side in (0, 1)],
        axis=1,
    )
    source = sources.in_memory(fiducial, shifted)
    (group,) = chunks.cut(source, 3)
    part = augment.permute(
        problem, jax.random.key(1), chunks.fill(source, group, 0, chunks.empty(source, group))
    )
    d, dd = np.asarray(part.batch.fiducial), np.asarray(part.batch.derivative)
    for side in (0, 1):
        for p in (0, 1):
            np.testing.assert_array_equal(dd[:, :, side, p], d + 100 * side + 1000 * p)
    assert not np.array_equal(d.reshape(-1, 5)[:8], fiducial)
