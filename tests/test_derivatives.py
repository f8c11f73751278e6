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
from imnn_core.evaluation import step_check
from imnn_core.gradient import derivatives, fisher, passes
from imnn_core.networks import kinds
from imnn_core.problems import Problem, load, shipped, simulations
from imnn_core.training import fitter as fitters
from imnn_core.training import iteration
from simulate import simulate
from small_run import PROBLEM, SIZES, SMALL, do_fit, read
from test_aggregate import assert_is_the_direct_gradient, engine_of, tolerance_of

N_S = 13


def network_and_weights(input_shape, dtype=None, n_summaries=2):
    network = kinds.mlp(n_summaries, hidden=(5,), activation="softplus")
    return network, network.init(jax.random.key(0), input_shape)


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

    engine = engine_of(way, derivatives.differences(network.apply, step), n_devices)
    assert_is_the_direct_gradient(
        engine, weights, (fiducial, shifted), written_out, 4, 10 * tolerance_of(dtype)
    )


def curved():
    """A simulator whose third derivatives by the parameters are not 0."""

    def simulator(key, theta):
        z = jax.random.normal(key, (6,))
        return jnp.exp(theta[0] * z) * theta[1] ** 2 + z

    return Problem(simulator, [0.3, 1.2], ["a", "b"], [6])


def test_finite_differences_converge_to_the_exact_derivative(float64):
    """Oracle: dx/dtheta by automatic differentiation; the distance falls as delta_theta^2."""
    problem = curved()
    network, weights = network_and_weights(problem.input_shape)

    def slopes(problem):
        (piece,) = simulations.draw(problem, jax.random.key(4), 20, 20)
        batch = chunks.Batch(jnp.asarray(piece.fiducial), jnp.asarray(piece.derivative))
        return jax.jit(derivatives.stored(network.apply, problem))(weights, batch)

    x, expected = slopes(problem)
    distances = []
    for step in (0.1, 0.05):
        x_again, found = slopes(replace(problem, delta_theta=[step, 2 * step]))
        np.testing.assert_allclose(x_again, x, rtol=1e-12)
        distances.append(np.abs(found - expected).max(axis=(0, 1)))
    np.testing.assert_allclose(distances[0] / distances[1], 4, rtol=0.03)


def written_keys(seed, iteration_number, n):
    """The keys that the design promises: of the seed's own stream, the iteration, and the number of
    the simulation.
    """
    key = jax.random.fold_in(simulations.seed_key(seed, "on_the_fly"), iteration_number)
    return [jax.random.fold_in(key, i) for i in range(n)]


@pytest.mark.parametrize(
    ("data", "delta_theta", "n_devices", "n_per_device", "n_d"),
    [
        ("resident", None, 3, 4, 25),
        ("streamed", [0.1, 0.2], 3, 4, 25),
        pytest.param("resident", [0.1, 0.2], 1, 7, 40, marks=pytest.mark.long),
        pytest.param("streamed", None, 1, 7, 40, marks=pytest.mark.long),
    ],
)
def test_the_gradient_on_the_fly_is_that_of_the_simulations_of_the_iteration(
    data, delta_theta, n_devices, n_per_device, n_d
):
    """Oracle: jax.grad of the whole loss of simulations that were drawn one by one beforehand."""
    problem = replace(curved(), delta_theta=delta_theta)
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

    problem = replace(shipped.gaussian(input_shape=(5,)), delta_theta=[0.1, 0.1])
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


def test_a_linear_compression_of_shifted_simulations(rng):
    """Oracle: that of the derivatives which the differences are."""
    from imnn_core.compression import linear

    fiducial, derivative = random_simulations(rng, np.float64, 200, 150, (2, 3), 2)
    step = np.array([0.5, 0.25])
    sides = [np.moveaxis(sign * derivative * step / 2, -1, 1) for sign in (-1, 1)]
    shifted = np.stack(sides, axis=1) + 3
    expected = linear.compression(sources.in_memory(fiducial, derivative))
    found = linear.compression(sources.in_memory(fiducial, shifted), step)
    assert found[1] == expected[1] == "full"
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-9)


@pytest.mark.parametrize(("correlation", "expected"), [(0.0, 1.0), (0.9, 0.1), (1.0, 0.0)])
def test_independence_of_shifted_simulations(rng, correlation, expected, monkeypatch):
    """Oracle: by definition, Var(a - b) = 2 (1 - rho) of two numbers of variance 1; whatever their
    means are.
    """
    monkeypatch.setattr(step_check, "BYTES", 3000)
    common = rng.standard_normal((20000, 2, 3))
    own = rng.standard_normal((20000, 2, 2, 3))
    shifted = (
        np.sqrt(correlation) * common[:, None]
        + np.sqrt(1 - correlation) * own
        + np.array([5.0, -5.0])[None, :, None, None]
    )
    found = step_check.independence(sources.in_memory(common[:, 0], shifted))
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_change_of_det_F_of_several_correlated_summaries(rng):
    """Oracle: numpy: |F| from the definition before and after, and the jackknife over simulations
    for its error.
    """
    A = rng.standard_normal((3, 3))
    x = rng.standard_normal((2000, 3)) @ A.T
    whole = rng.standard_normal((3, 2)) + 0.3 * rng.standard_normal((2000, 3, 2))
    half = whole[:300] + 0.02 + 0.1 * rng.standard_normal((300, 3, 2))
    change, error = step_check.change_of_det_F(step_check.Summaries(x, whole), half)
    inverse = np.linalg.inv(np.cov(x, rowvar=False))

    def ratio(rows):
        D, D_half = whole[:300][rows].mean(axis=0), half[rows].mean(axis=0)
        return np.linalg.det(D_half.T @ inverse @ D_half) / np.linalg.det(D.T @ inverse @ D) - 1

    assert change == pytest.approx(ratio(np.arange(300)), rel=1e-9)
    each = [ratio(np.delete(np.arange(300), i)) for i in range(300)]
    assert error == pytest.approx(np.sqrt(299 * np.var(each)), rel=0.2)
    assert np.isnan(step_check.change_of_det_F(step_check.Summaries(0 * x, whole), half)).all()


def test_change_of_det_F_where_the_steps_are_halved(rng):
    """Oracle: x = theta^3 at theta = 1 has the slope 3 + h^2/4 with step h: |F| changes by
    (3.0625/3.25)^2 from 1 to 1/2.
    """
    x = rng.standard_normal((5000, 1))
    noise = 0.1 * rng.standard_normal((5000, 1, 1))
    whole, half = (
        3 + 1 / 4 + noise,
        3 + 1 / 16 + noise[:400] + 0.01 * rng.standard_normal((400, 1, 1)),
    )
    change, error = step_check.change_of_det_F(step_check.Summaries(x, whole), half)
    slope, half_slope = whole[:400].mean(), half.mean()
    assert change == pytest.approx((half_slope / slope) ** 2 - 1, rel=1e-6)
    assert change == pytest.approx((3.0625 / 3.25) ** 2 - 1, abs=4 * error)
    assert error == pytest.approx(2 / slope * 0.01 / np.sqrt(400), rel=0.15)
