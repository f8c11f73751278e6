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

    def __init__(self, history: np.ndarray, iteration: int, is_judged: bool = True):
        """Say what is not finite.

        Args:
            history: rows up to there.
            iteration: its number.
            is_judged: whether |F| of the set that decides was ever finite.

        """
        log_det_F = ", ".join(
            f"{split} {row[0]:.6g}" for split, row in zip(SPLITS, history[-1], strict=False)
        )
        self.history = history
        if not is_judged:
            super().__init__(
                f"|F| of {SPLITS[history.shape[1] - 1]} was finite in none of {iteration} "
                f"iterations (at the last, ln|F| {log_det_F}): the covariance of its summaries has "
                "no inverse, or their derivatives by the parameters depend on each other; get more "
                "of its simulations, take fewer summaries, or leave a parameter out"
            )
            return
        super().__init__(
            f"the loss or its gradient is not finite at iteration {iteration} (loss "
            f"{history[-1, 0, -1]:.6g}, ln|F| {log_det_F}); try a smaller learning_rate, a smaller "
            "strength, or fewer summaries"
        )


def _strong(leaf):
    """The array with a strong dtype, as a block returns it; a weak one would compile it twice."""
    is_number = jnp.issubdtype(leaf.dtype, jnp.number)
    return jax.lax.convert_element_type(leaf, leaf.dtype) if is_number else leaf


def _is_patient(state, start, settings):
    """Whether a fit that began at iteration ``start`` need not stop for lack of a rise."""
    return (state.since_best < settings.patience) | (
        state.iteration - start < settings.min_iterations
    )


def _as_is(function):
    return function


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
    """A function that iterates until the fit must stop or reaches ``end``.

    It takes (state, training, validation, start, end), where validation may be None, and returns
    the new state and the rows of the history, (report_every, n_splits, len(QUANTITIES)), of which
    the first (new iteration - old iteration) are filled. A fused engine's block is to be one
    compiled program; another's is called as it is.
    """
    if engine.fused:
        compiled = wide = _as_is
        loop = jax.lax.while_loop
    else:  # the moments are float64 arrays of the host, and so are the rows until they are kept
        compiled, wide, loop = jax.jit, in_float64, _python_while
    rows_of = wide(partial(iteration.rows_of, settings))
    advance = compiled(partial(iteration.advance, optimiser, settings.averaging))
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


def _compiled(block: Callable, engine: Engine, *arguments) -> Callable:
    """The block as one program, compiled before the clock starts; of an engine on the host, as is.

    A state of other types is then an error, not a second compilation.
    """
    return jax.jit(block).lower(*arguments).compile() if engine.fused else block


def _timed(block: Callable, *arguments) -> tuple[State, np.ndarray, float]:
    """The state and the rows after a call of the block, and the seconds that it took."""
    before, began = arguments[0].iteration, time.perf_counter()
    state, rows = jax.block_until_ready(block(*arguments))
    seconds = time.perf_counter() - began
    return state, np.asarray(rows)[: int(state.iteration) - int(before)], seconds


def _progress(state: State, end: int, rows: list[np.ndarray], seconds: float) -> Progress:
    return Progress(
        iteration=int(state.iteration),
        end=end,
        history=np.concatenate(rows),
        best_log_det_F=float(state.best.log_det_F),
        best_iteration=int(state.best.iteration),
        since_best=int(state.since_best),
        seconds=seconds,
    )


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
    """Maximise ln det F of training until validation |F| has not risen for ``patience`` iterations.

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
        Diverged: the loss or its gradient is not finite, or |F| of the set that decides never is.

    """
    start = int(state.iteration) if start is None else start
    end, every = start + settings.max_iterations, settings.report_every
    state = jax.device_put(jax.tree.map(_strong, state), engine.home)
    block = make_block(engine, optimiser, settings, augment)
    block = _compiled(block, engine, state, training, validation, start, end)
    shape = (0, 1 if validation is None else 2, len(QUANTITIES))
    history = [np.empty(shape, jax.tree.leaves(state.weights)[0].dtype)]

    def goes_on():
        return int(state.iteration) < end and bool(_is_patient(state, start, settings))

    n, seconds, unreported = 1, 0.0, []
    while goes_on():
        before = int(state.iteration)
        due = before + every - (before - start) % every  # when the next report is
        state, rows, took = _timed(
            block, state, training, validation, start, min(before + n, due, end)
        )
        n = max(1, int(CALL * len(rows) / took))
        history.append(rows)
        unreported.append(rows)
        seconds += took
        if not state.failed:
            keep(state, rows)
        if state.failed or int(state.iteration) == due or not goes_on():
            report(_progress(state, end, unreported, seconds))
            seconds, unreported = 0.0, []
        if state.failed:
            raise Diverged(np.concatenate(history), int(state.iteration) - 1)
    if len(history) > 1 and not np.isfinite(float(state.best.log_det_F)):
        raise Diverged(np.concatenate(history), int(state.iteration) - start, is_judged=False)
    stopped = "max_iterations" if _is_patient(state, start, settings) else "patience"
    return Result(state, np.concatenate(history), stopped)
