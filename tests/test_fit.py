"""The loop: stopping, best weights, blocks, continuing, diverging."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import loaded, random_simulations, small_network
from imnn_core.data import chunks
from imnn_core.gradient import aggregate, fisher
from imnn_core.gradient.fisher import Moments
from imnn_core.training import iteration
from imnn_core.training import loop as fitting

SETTINGS = iteration.Settings(10.0, fisher.rate(10.0, 0.1), 10, 20, 60, 7)


def engine_of(summarise, settings=SETTINGS, n_devices=1):
    loss = iteration.loss_of(settings)
    return aggregate.resident(summarise, loss, jax.devices()[:n_devices])


def small_fit(rng, settings=SETTINGS, *, state=None, engine=None, learning_rate=3e-3):
    """A fit of the small network to random numbers; (result, engine, training, validation)."""
    summarise, weights = small_network()
    engine = engine or engine_of(summarise, settings)
    training, validation = (
        loaded(engine, random_simulations(rng, np.float32, 40, 40), 13) for _ in range(2)
    )
    optimiser = optax.adam(learning_rate)
    state = state or iteration.first_state(weights, optimiser)
    result = fitting.fit(engine, optimiser, state, training, validation, settings)
    return result, engine, training, validation


@functools.cache
def usual_fit():
    return small_fit(np.random.default_rng(1))


def scripted_engine(det_F, of_validation=None):
    """An engine whose |F| after i updates is det_F[i]: its weight counts the updates; that of
    validation, which has data, may be another.
    """
    table, other = (
        jnp.log(jnp.asarray(each, jnp.float32)) for each in (det_F, of_validation or det_F)
    )

    def moments(weights, data):
        log_det_F = (other if data else table)[weights.astype(jnp.int32)[0]]
        D = jnp.diag(jnp.stack([jnp.exp(log_det_F / 2), jnp.float32(1)]))
        return Moments(jnp.float32(11), jnp.float32(11), jnp.zeros(2), 10 * jnp.eye(2), D)

    def gradient(weights, data):
        return moments(weights, data), -table[0], -jnp.ones(1)

    device = jax.devices()[0]
    return aggregate.Engine(
        None, gradient, moments, jax.sharding.SingleDeviceSharding(device), fused=True
    )


def scripted_fit(det_F, report=lambda progress: None, **settings):
    optimiser = optax.sgd(1.0)
    state = iteration.first_state(jnp.zeros(1), optimiser)
    settings = SETTINGS._replace(**settings)
    return fitting.fit(
        scripted_engine([*det_F, *[0.5] * 200]), optimiser, state, (), (), settings, report
    )


@pytest.mark.parametrize(
    ("det_F", "settings", "iterations", "best", "stopped", "report_every"),
    [
        # rises up to row 4, then falls: rows 5, 6, 7 are the three without a rise
        ([1, 2, 3, 4, 5, 4, 4, 4, 9], {"patience": 3, "min_iterations": 0}, 8, 4, "patience", 3),
        # a rise in time starts the count anew
        ([1, 2, 1, 1, 3, 1, 1, 1, 9], {"patience": 3, "min_iterations": 0}, 8, 4, "patience", 1),
        # the same value again is no rise
        ([2, 2, 2, 2, 2], {"patience": 2, "min_iterations": 0}, 3, 0, "patience", 100),
        # never before min_iterations, and with what was found until then
        ([1, 5, 1, 1, 1, 1, 6, 1, 1, 1], {"patience": 2, "min_iterations": 6}, 6, 1, "patience", 3),
        (
            [1, 5, 1, 1, 1, 1, 6, 1, 1, 1],
            {"patience": 2, "min_iterations": 7},
            9,
            6,
            "patience",
            100,
        ),
        # and at max_iterations whatever happens
        (
            [1, 2, 3, 4, 5, 6, 7, 8],
            {"patience": 3, "min_iterations": 0, "max_iterations": 5},
            5,
            4,
            "max_iterations",
            3,
        ),
        # out of both at once: patience had run out
        (
            [5, 1, 1, 1, 1, 1],
            {"patience": 3, "min_iterations": 0, "max_iterations": 4},
            4,
            0,
            "patience",
            1,
        ),
        # but it had not where min_iterations is more than there may be
        (
            [5, 1, 1, 1, 1, 1],
            {"patience": 3, "min_iterations": 9, "max_iterations": 5},
            5,
            0,
            "max_iterations",
            100,
        ),
    ],
)
def test_where_a_fit_stops(det_F, settings, iterations, best, stopped, report_every):
    """Oracle: histories written by hand, with the iteration at which each must stop."""
    blocks = []
    result = scripted_fit(
        det_F, report=lambda p: blocks.append(len(p.history)), report_every=report_every, **settings
    )
    assert min(blocks) > 0
    assert sum(blocks) == iterations
    assert len(result.history) == iterations
    assert int(result.state.iteration) == iterations
    assert int(result.state.best.iteration) == best
    assert (
        float(result.state.best.weights[0]) == best
    )  # the weight counts updates: best weights and iteration are of one row
    assert float(result.state.weights[0]) == iterations
    assert result.stopped == stopped
    np.testing.assert_allclose(
        np.exp(result.history[:, 0, 0]), ([*det_F, *[0.5] * 200])[:iterations], rtol=1e-6
    )


def test_the_best_weights_give_the_best_statistic_of_the_history():
    """Oracle: one more iteration of the same program from the best weights records the same row,
    bit for bit.
    """
    result, engine, training, validation = usual_fit()
    best = result.state.best
    assert float(best.log_det_F) == result.history[:, 1, 0].max()
    optimiser = optax.adam(3e-3)
    again = fitting.fit(
        engine,
        optimiser,
        iteration.first_state(best.weights, optimiser),
        training,
        validation,
        SETTINGS._replace(max_iterations=1),
    )
    np.testing.assert_array_equal(again.history[0], result.history[int(best.iteration)])
    # and by the function that the scripts evaluate with, which is another program
    F = fisher.statistics(jax.jit(engine.moments)(best.weights, validation)).F
    assert float(jnp.linalg.slogdet(F)[1]) == pytest.approx(float(best.log_det_F), rel=1e-4)


def assert_same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_blocks_do_not_touch_the_numbers():
    """Bit for bit: report_every is for the reader."""
    assert_same(
        small_fit(np.random.default_rng(1), SETTINGS._replace(report_every=60))[0], usual_fit()[0]
    )


def test_continuing_is_the_same_as_not_having_stopped():
    """Bit for bit, 15 iterations and as many more as it takes: weights, optimiser state, best
    weights, counters, history.
    """
    whole = usual_fit()[0]
    first = small_fit(np.random.default_rng(1), SETTINGS._replace(max_iterations=15))[0]
    settings = SETTINGS._replace(max_iterations=45, min_iterations=5)
    second = small_fit(np.random.default_rng(1), settings, state=first.state)[0]
    assert_same(second.state, whole.state)
    np.testing.assert_array_equal(np.concatenate([first.history, second.history]), whole.history)


def test_streamed_is_the_same_fit_as_resident(float64):
    """Oracle: the resident fit's history in float64, to 1e-5, and where it stops, by patience."""
    summarise, weights = small_network()
    settings = SETTINGS._replace(min_iterations=0, patience=8)
    optimiser, loss, devices = optax.adam(1e-2), iteration.loss_of(settings), jax.devices()[:2]
    results = []
    for engine in (
        aggregate.resident(summarise, loss, devices),
        aggregate.streamed(summarise, loss, devices, block_bytes=500),
    ):
        rng = np.random.default_rng(7)
        data = [loaded(engine, random_simulations(rng, float64, 40, 17), 6) for _ in range(2)]
        results.append(
            fitting.fit(
                engine, optimiser, iteration.first_state(weights, optimiser), *data, settings
            )
        )
    resident, streamed = results
    assert (resident.stopped, int(resident.state.best.iteration)) == ("patience", 4)
    np.testing.assert_allclose(streamed.history, resident.history, rtol=1e-5, atol=1e-5)
    assert streamed.stopped == resident.stopped
    for count in ("iteration", "since_best"):
        assert int(getattr(streamed.state, count)) == int(getattr(resident.state, count))
    assert int(streamed.state.best.iteration) == int(resident.state.best.iteration)


def test_streamed_repeats_are_the_same_bits():
    summarise, _ = small_network()
    engine = aggregate.streamed(
        summarise, iteration.loss_of(SETTINGS), jax.devices()[:1], 2, block_bytes=500
    )
    settings = SETTINGS._replace(max_iterations=15)
    first, second = (
        small_fit(np.random.default_rng(1), settings, engine=engine)[0] for _ in range(2)
    )
    assert_same(first, second)


def test_the_history_is_of_the_weights_before_the_update():
    """Oracle: the row of the initial weights computed on its own, from numpy's covariance in
    float64.
    """
    summarise, weights = small_network()
    fiducial, derivative = random_simulations(np.random.default_rng(1), np.float32, 40, 40)
    x, dx = (
        np.asarray(a, np.float64) for a in summarise(weights, chunks.Batch(fiducial, derivative))
    )
    C, D = np.cov(x, rowvar=False), dx.mean(0)
    one = np.eye(2)
    penalty = np.linalg.norm(C - one) + np.linalg.norm(np.linalg.inv(C) - one)
    r = 10 * penalty / (penalty + np.exp(-SETTINGS.rate * penalty))
    log_det_F = np.linalg.slogdet(D.T @ np.linalg.inv(C) @ D)[1]
    expected = [log_det_F, np.linalg.slogdet(C)[1], penalty, r, r * penalty - log_det_F]
    np.testing.assert_allclose(usual_fit()[0].history[0, 0], expected, rtol=1e-3)


def test_a_fit_that_diverges_says_where_and_keeps_its_history(rng):
    """Oracle: the history itself: the iteration named is its first row that is not finite, and its
    last.
    """
    with pytest.raises(
        fitting.Diverged, match=r"not finite at iteration \d+ .* smaller learning_rate"
    ) as caught:
        small_fit(rng, SETTINGS._replace(report_every=60), learning_rate=1e18)
    history = caught.value.history
    named = int(re.search(r"iteration (\d+)", str(caught.value)).group(1))
    assert named == len(history) - 1 < 59
    assert np.isfinite(history[:named]).all()
    assert not np.isfinite(history[named]).all()


def test_a_validation_f_that_is_not_finite_now_and_then_ends_no_fit():
    """Oracle: by hand: rows 0, 1 and 5 of validation are not finite; the best of the others is row
    4. Where none is, the fit ends, and says which set it is.
    """
    nan = float("nan")

    def fit(of_validation):
        optimiser = optax.sgd(1.0)
        state = iteration.first_state(jnp.zeros(1), optimiser)
        engine = scripted_engine(20 * [1.0], of_validation)
        settings = SETTINGS._replace(patience=3, min_iterations=0)
        return fitting.fit(engine, optimiser, state, (), (jnp.zeros(1),), settings)

    result = fit([nan, nan, 2.0, 3.0, 5.0, nan, *[4.0] * 14])
    assert (int(result.state.best.iteration), result.stopped) == (4, "patience")
    assert float(result.state.best.log_det_F) == pytest.approx(np.log(5))
    with pytest.raises(fitting.Diverged, match="of validation was finite in none of 3 iterations"):
        fit(20 * [nan])


def test_progress_is_reported_after_each_block_and_without_validation_training_decides(rng):
    seen = []
    summarise, weights = small_network()
    engine = engine_of(summarise)
    training = loaded(engine, random_simulations(rng, np.float32, 40, 40), 13)
    optimiser = optax.adam(1e-3)
    settings = SETTINGS._replace(max_iterations=17, report_every=7)
    result = fitting.fit(
        engine,
        optimiser,
        iteration.first_state(weights, optimiser),
        training,
        None,
        settings,
        seen.append,
    )
    assert [(p.iteration, p.end) for p in seen] == [(7, 17), (14, 17), (17, 17)]
    np.testing.assert_array_equal(np.concatenate([p.history for p in seen]), result.history)
    assert result.history.shape == (17, 1, len(iteration.QUANTITIES))
    assert float(result.state.best.log_det_F) == result.history[:, 0, 0].max()
