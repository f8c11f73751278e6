"""Fitting: blocks of iterations, early stopping, and the history."""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from imnn_core.gradient.aggregate import Data, Engine
from imnn_core.gradient.host import in_float64
from imnn_core.store.errors import InputError
from imnn_core.training import iteration
from imnn_core.training.iteration import QUANTITIES, Settings, State

SPLITS = ("training", "validation")
# seconds that a call of the compiled loop is to take: a signal is heard, and a state kept, only
# between calls
CALL = 1.0

Augment = Callable[[jax.Array, Data], Data]  # (iteration, data) -> data


class Progress(NamedTuple):
    """What is reported after ``report_every`` iterations.

    iteration, end: done, and at most. history: rows of these, (n, n_splits, len(QUANTITIES)).
    best_log_det_F, best_iteration, since_best: of the state. seconds: that they took.
    """

    iteration: int
    end: int
    history: np.ndarray
    best_log_det_F: float
    best_iteration: int
    since_best: int
    seconds: float


class Result(NamedTuple):
    """A fit's end.

    history: row i at the weights after i updates, (n_iterations, n_splits, len(QUANTITIES)),
        training first, then validation if there is.
    stopped: "patience" or "max_iterations".
    """

    state: State
    history: np.ndarray
    stopped: str


class Diverged(InputError):
    """A fit that met a number that is not finite; ``history`` has its rows up to there."""

    def __init__(self, message: str, history: np.ndarray):
        super().__init__(message)
        self.history = history


def _strong(leaf):
    """The same array with a dtype of its own: else a block, whose results have one, is compiled twice."""
    return (
        jax.lax.convert_element_type(leaf, leaf.dtype)
        if jnp.issubdtype(leaf.dtype, jnp.number)
        else leaf
    )


def _is_patient(state, start, settings):
    """Whether a fit that began at iteration ``start`` need not stop for lack of a rise."""
    return (state.since_best < settings.patience) | (
        state.iteration - start < settings.min_iterations
    )


def _python_while(condition, body, value):
    while condition(value):
        value = body(value)
    return value


def make_block(
    engine: Engine,
    optimiser: optax.GradientTransformation,
    settings: Settings,
    augment: Augment | None = None,
) -> Callable:
    """A function of (state, training, validation, start, end) that iterates until it must stop or reaches ``end``.

    It returns the new state and the rows of the history, (report_every, n_splits, len(QUANTITIES)),
    of which the first (new iteration - old iteration) are filled. ``validation`` is None where
    there is none. A fused engine's block is to be one compiled program; another's is called as it
    is.
    """
    # Not fused: moments are float64 arrays of the host, and so are the rows, until they join the
    # state.
    as_is = (lambda function: function), (lambda function: function), jax.lax.while_loop
    compiled, wide, loop = as_is if engine.fused else (jax.jit, in_float64, _python_while)
    rows_of, advance = (
        wide(partial(iteration.rows_of, settings)),
        compiled(partial(iteration.advance, optimiser, settings.averaging)),
    )
    record = compiled(lambda history, i, rows: history.at[i].set(rows))

    @compiled
    def goes_on(state, start, end):
        return _is_patient(state, start, settings) & (state.iteration < end) & (state.failed == 0)

    def block(state, training, validation, start, end):
        first = state.iteration
        n_splits = 1 if validation is None else 2
        dtype = jax.tree.leaves(state.weights)[0].dtype

        def iterate(carry):
            state, history = carry
            seen = training if augment is None else augment(state.iteration, training)
            m, _, gradient = engine.gradient(state.weights, seen)
            splits = (m,) if validation is None else (m, engine.moments(state.judged, validation))
            rows = rows_of(splits).astype(dtype)
            return advance(state, rows, gradient), record(history, state.iteration - first, rows)

        history = jnp.zeros((settings.report_every, n_splits, len(QUANTITIES)), dtype)
        return loop(lambda carry: goes_on(carry[0], start, end), iterate, (state, history))

    return block


def fit(
    engine: Engine,
    optimiser: optax.GradientTransformation,
    state: State,
    training: Data,
    validation: Data | None,
    settings: Settings,
    report: Callable[[Progress], None] = lambda progress: None,
    augment: Augment | None = None,
    keep: Callable[[State, np.ndarray], None] = lambda state, rows: None,
    start: int | None = None,
) -> Result:
    """Maximise ln det F of the training set, until validation |F| has not risen for ``patience`` iterations.

    Row i of the history is taken at the weights after i updates, before update i + 1: of training
    as ``augment`` changed it, of validation at the average of the weights where one is taken. The
    best weights are those of the row with the largest validation |F| (training |F| where there is
    no validation set).

    Args:
        engine: how moments and gradients are aggregated; its loss is `iteration.loss_of(settings)`.
        state: `iteration.first_state`, or the last state of another fit, which this one then
            continues: its min_iterations and max_iterations count this fit's own iterations.
        training, validation: as ``engine.load`` gives them; no validation set, if None.
        report: called after every ``report_every`` iterations.
        augment: changes the training data of an iteration, if not None.
        keep: called about every CALL seconds with the state and the rows of the history since the
            call before.
        start: iterations of the other fit that this one continues; all that the state has had, if
            None.

    Raises:
        Diverged: the loss, its gradient or validation |F| is not finite.

    """
    block = make_block(engine, optimiser, settings, augment)
    start = int(state.iteration) if start is None else start
    end = start + settings.max_iterations
    state = jax.device_put(jax.tree.map(_strong, state), engine.home)
    # compiled before the clock starts; a state of other types would now be an error, not a second
    # compilation
    if engine.fused:
        block = jax.jit(block).lower(state, training, validation, start, end).compile()
    n_splits = 1 if validation is None else 2
    histories = [np.empty((0, n_splits, len(QUANTITIES)), jax.tree.leaves(state.weights)[0].dtype)]

    def goes_on():
        return int(state.iteration) < end and bool(_is_patient(state, start, settings))

    n, seconds, unreported = 1, 0.0, []
    while goes_on():
        before, began = int(state.iteration), time.perf_counter()
        line = (
            before + settings.report_every - (before - start) % settings.report_every
        )  # when the next report is due
        state, rows = jax.block_until_ready(
            block(state, training, validation, start, min(before + n, line, end))
        )
        done, took = int(state.iteration), time.perf_counter() - began
        n = max(1, int(CALL * (done - before) / took))
        histories.append(np.asarray(rows)[: done - before])
        seconds, unreported = seconds + took, [*unreported, histories[-1]]
        if not state.failed:
            keep(state, histories[-1])
        if state.failed or done == line or not goes_on():
            report(
                Progress(
                    iteration=done,
                    end=end,
                    history=np.concatenate(unreported),
                    best_log_det_F=float(state.best.log_det_F),
                    best_iteration=int(state.best.iteration),
                    since_best=int(state.since_best),
                    seconds=seconds,
                )
            )
            seconds, unreported = 0.0, []
        if state.failed:
            history = np.concatenate(histories)
            raise Diverged(
                f"the loss, its gradient or |F| is not finite at iteration {done - 1} (loss "
                f"{history[-1, 0, -1]:.6g}, ln|F| "
                f"{', '.join(f'{split} {row[0]:.6g}' for split, row in zip(SPLITS, history[-1], strict=False))}); "
                "try a smaller learning_rate, a smaller strength, or fewer summaries",
                history,
            )
    return Result(
        state,
        np.concatenate(histories),
        "max_iterations" if _is_patient(state, start, settings) else "patience",
    )
