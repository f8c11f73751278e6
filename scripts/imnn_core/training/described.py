"""What a fit's file says of it, beside its weights: for whoever loads it later."""

import json
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.config.problem import is_file
from imnn_core.data.sources import Source
from imnn_core.gradient.fisher import Statistics
from imnn_core.gradient.passes import Weights
from imnn_core.training.fitter import Fitter
from imnn_core.training.iteration import QUANTITIES
from imnn_core.training.loop import Result

PROBE, PROBE_BYTES = 8, 2**20  # simulations that a loaded network is tried on, at least one


def attributes(fitter: Fitter, result: Result, splits: Sequence[str], kind: str) -> dict[str, Any]:
    """A fit's recipe, problem and end.

    Args:
        fitter: of the recipe.
        result: of the fit.
        splits: sets in the history.
        kind: of the problem, as in `load.build`.

    """
    problem, state = fitter.compressor.problem, result.state
    return {
        "problem": problem.name,
        "problem_file": str(kind) if is_file(str(kind)) else "",
        "names": list(problem.names),
        "theta_fid": problem.theta_fid,
        "input_shape": problem.input_shape,
        "dtype": str(jnp.result_type(float)),
        "recipe": json.dumps(fitter.recipe.model_dump()),
        "history_axes": json.dumps(["iteration", splits, QUANTITIES]),
        "iterations": len(result.history),
        "best_iteration": int(state.best.iteration),
        "best_log_det_F": float(state.best.log_det_F),
        "since_best": int(state.since_best),
        "stopped": result.stopped,
        "device": fitter.compressor.devices[0].device_kind,
    }


def probe(
    fitter: Fitter, weights: Weights, source: Source, statistics: Statistics
) -> dict[str, np.ndarray]:
    """Some simulations with their summaries, by which a loaded network shows that it is the same.

    d: the first of the source, (n, *input_shape), in its own precision. x: their summaries,
    (n, n_summaries). deviation: of the summaries of a whole set, (n_summaries,).
    """
    of_row = np.dtype(source.fiducial.dtype).itemsize * int(np.prod(source.fiducial.shape[1:]))
    n = min(len(source.fiducial), max(1, min(PROBE, PROBE_BYTES // of_row)))
    d = np.empty((n, *source.fiducial.shape[1:]), source.fiducial.dtype)
    source.read("fiducial", 0, d)
    seen = fitter.compressor.seen_of(d, "simulations")
    x = jax.jit(jax.vmap(fitter.compressor.network.apply, (None, 0)))(weights, seen)
    deviation = np.sqrt(np.maximum(np.diag(np.asarray(statistics.C, np.float64)), 0))
    return {"d": d, "x": np.asarray(x, np.float64), "deviation": deviation}
