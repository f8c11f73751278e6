"""Checkpoints: the state of a fit in a file, so that a lost job loses minutes and not a fit."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from imnn_core.gradient.passes import Weights
from imnn_core.store import fits
from imnn_core.store.errors import InputError, in_a_line
from imnn_core.training.iteration import Best, State
from imnn_core.training.loop import Diverged


class Begun(NamedTuple):
    """A fit on its way.

    initial: weights that it began with, or those of the fit that it continues.
    history: its rows so far, one per iteration of ``state``, with those of the fit that it
        continues.
    start: iterations of that other fit.
    """

    state: State
    initial: Weights
    history: np.ndarray
    start: int


def trees_of(state: State) -> dict[str, Any]:
    """A state by the names of its parts in a fit's file, but for the counters."""
    trees = {
        "weights/best": state.best.weights,
        "weights/final": state.weights,
        "optimiser_state": state.optimiser_state,
    }
    return trees if state.average is None else trees | {"weights/average": state.average}


def continued(path_to_parent: str | Path, like: State, patience: int) -> Begun:
    """What another fit ended with, to go on from there."""
    like = trees_of(like) | {"weights/initial": like.weights}
    trees, history, _, attributes = fits.read_fit(path_to_parent, like)
    best = Best(
        trees["weights/best"],
        *map(jnp.asarray, (attributes["best_log_det_F"], attributes["best_iteration"])),
    )
    # A fit that ran out of patience gets new patience; one that ran out of iterations goes on as if
    # it had not.
    out_of_patience = attributes["stopped"] == "patience" or attributes["since_best"] >= patience
    since_best = 0 if out_of_patience else attributes["since_best"]
    counters = map(jnp.asarray, (since_best, len(history), 0))
    state = State(
        trees["weights/final"],
        trees.get("weights/average"),
        trees["optimiser_state"],
        best,
        *counters,
    )
    return Begun(state, trees["weights/initial"], history, start=len(history))


class Checkpoint:
    """The last state of a fit, saved now and then, and when an error or a signal ends the fit.

    The file lies beside the fit's output, not as one, since Snakemake removes a job's outputs
    before it starts the job anew. It is known to be of this very fit by an identity, written whole
    or not at all, and to be removed once the fit is there.
    """

    def __init__(
        self,
        path: str | Path,
        identity: Mapping[str, Any],
        minutes: float,
        log: Callable[[str], None],
    ):
        """Nothing is read or written yet.

        Args:
            path: of the file.
            identity: all that the fit's bits depend on, by name, as JSON can hold it.
            minutes: between two savings.
            log: takes a line.

        """
        self._path, self._minutes, self._log = Path(path), minutes, log
        self._identity = json.loads(json.dumps(identity))
        self._how, self._fit, self._rows, self._now, self._saved = (
            "",
            None,
            [],
            None,
            time.monotonic(),
        )

    def resume(self, like: State, how: str) -> Begun | None:
        """The fit as the file has it; None, with a line on why, where it has to begin anew.

        Args:
            like: a state of the same structure, shapes and dtypes.
            how: how the data flow now, and where; otherwise than before is no reason to lose the
                fit.

        """
        self._how = how
        if not self._path.exists():
            return None
        try:
            attributes = fits.read_fit(self._path, {}, "checkpoint")[3]
            found = json.loads(attributes["identity"])
            other = sorted(
                name
                for name in found.keys() | self._identity
                if found.get(name) != self._identity.get(name)
            )
            if other:
                raise InputError(
                    f"{self._path}: it is of another fit, which differs in {', '.join(other)}"
                )
            trees, history, _, _ = fits.read_fit(
                self._path, {"state": like, "initial": like.weights}, "checkpoint"
            )
        except InputError as error:
            self._log(f"begins anew, since the checkpoint can't be used: {error}")
            return None
        self._log(f"goes on from {self._path} after {len(history)} iterations")
        if attributes["how"] != how:
            self._log(
                f"warning: {how}, before {attributes['how']}: the result is that of one go to "
                "rounding only"
            )
        return Begun(trees["state"], trees["initial"], history, attributes["start"])

    def begin(self, fit: Begun) -> None:
        """Keep a fit from here on."""
        self._fit, self._rows, self._now = fit, [fit.history], None

    def keep(self, state: State, rows: np.ndarray) -> None:
        """Keep the state and the new rows of the history; save them, if it is time."""
        self._rows.append(rows)
        self._now = state  # in one step: a signal may come at any time
        if time.monotonic() - self._saved >= 60 * self._minutes:
            self.save()

    def save(self) -> None:
        """Write the last state, if any. A failure is only logged, since the fit itself is well."""
        if self._now is None:
            return
        state = self._now
        history = np.concatenate(self._rows)[: int(state.iteration)]
        attributes = {
            "identity": json.dumps(self._identity),
            "how": self._how,
            "start": self._fit.start,
        }
        trees = {"state": state, "initial": self._fit.initial}
        self._saved = time.monotonic()
        try:
            fits.write_fit(self._path, trees, history, {}, attributes, "checkpoint")
        except Exception as error:  # whatever it is, it must not stand for what ends the fit
            self._log(f"could not be saved for later: {in_a_line(error)}")
        else:
            self._log(f"saved {self._path} after {len(history)} iterations")

    def remove(self) -> None:
        """Once the fit is written, there is nothing to go on from."""
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(self, kind, error, trace) -> None:
        if error is not None and not isinstance(
            error, Diverged
        ):  # from where it was a fit would only diverge again
            self.save()
