"""What finite differences are worth: |F| both ways, at half the steps, and by their bend."""

import contextlib
import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from imnn_core.compression.compressor import Compressor, Summaries, compress
from imnn_core.data import differences, sets, sources
from imnn_core.data.sources import Source, complete
from imnn_core.evaluation.measure import or_nan, statistics_of, weights_of_estimates
from imnn_core.gradient import derivatives
from imnn_core.gradient.matrices import determinant
from imnn_core.gradient.passes import Weights
from imnn_core.problems import Problem, simulator, stencils

log = logging.getLogger("imnn")


def change_of_det_F(summaries: Summaries, other: np.ndarray) -> tuple[float, float]:
    """Relative change of |F| with other derivatives, and its standard error.

    Both use the covariance of all summaries, and derivatives of the same simulations. The error is
    to first order in the change: d ln|F| = 2 tr(F^-1 D^T C^-1 dD). NaN where C or F is singular.

    Args:
        summaries: of a set.
        other: other dx/dtheta of its first n simulations, (n, n_summaries, n_params).

    """
    whole = summaries.dx_dtheta[: len(other)]
    before, after = (
        statistics_of(summaries._replace(dx_dtheta=derivative)) for derivative in (whole, other)
    )
    if not (np.isfinite(before.F).all() and np.isfinite(after.F).all()):
        return math.nan, math.nan
    change = determinant(after.F) / determinant(before.F) - 1
    each = 2 * np.einsum("xa,nxa->n", weights_of_estimates(before), other - whole)
    return float(change), float(each.std(ddof=1) / np.sqrt(len(other)))


def _sizes(summaries: Summaries, derivative: np.ndarray) -> np.ndarray:
    """Size of mean derivatives in units of the summaries' scatter, less that of noise, (n_params,).

    |L^-1 mean dx/dtheta_a|, with C = L L^T.
    """
    C = np.atleast_2d(np.cov(summaries.x, rowvar=False))
    L_inv = or_nan(np.linalg.inv, or_nan(np.linalg.cholesky, C))
    z = np.einsum("ij,nja->nia", L_inv, derivative)
    noise = z.var(axis=0, ddof=1).sum(axis=0) / len(z)
    return np.sqrt(np.maximum((z.mean(axis=0) ** 2).sum(axis=0) - noise, 0))


def _bend(summaries: Summaries, added: np.ndarray, before: np.ndarray) -> list[float]:
    """How far the bend of simulations between the shifted parameters may change |F|, relative.

    (n_params,). Derivatives by more points converge: if the farthest point has added e1 and the one
    before it e2, what further points would add is about e1^2 / e2, or for the simulators that ship
    up to twice that. d ln|F| <= 2 |dD_a| sigma_a, with sigma_a the parameter's bound.
    """
    e1, e2 = _sizes(summaries, added), _sizes(summaries, before)
    left = np.where(e2 > e1, e1**2 / np.where(e2 > e1, e2, 1), e1)
    F = statistics_of(summaries).F
    sigma = np.sqrt(np.diagonal(or_nan(np.linalg.inv, F)))
    return (2 * 2 * left * sigma).tolist()


def both_ways(fitted: Compressor, weights: Weights, source: Source) -> dict[str, Any]:
    """|F| by differences in the data and by those of summaries, and what the steps do.

    Args:
        fitted: the compressor of a fit.
        weights: its weights.
        source: with simulations at shifted parameters.

    Returns:
        n: simulations. tangents, summaries: |F| by either. change, error: relative, from the first
        to the second. bend: see `_bend`, by either, (n_params,). shift: of the summaries by the
        whole distance between the shifted parameters, in units of their scatter, (n_params,).

    """
    problem = fitted.problem
    columns, p = simulator.columns(problem), problem.n_params
    nested = stencils.nested(columns, p).reshape(3 * p, -1)
    summarise = derivatives.both(fitted.network.apply, nested)
    compressed = compress(summarise, fitted.devices, fitted.n_per_device, fitted.parallel)
    x, dx = compressed(weights, fitted.seen(complete(source)))
    way = dx.reshape(*dx.shape[:2], 2, 3, p)
    found, bend = {}, {}
    for i, name in enumerate(("tangents", "summaries")):
        by = Summaries(x, way[:, :, i, 0])
        found[name] = determinant(statistics_of(by).F)
        bend[name] = _bend(by, way[:, :, i, 1], way[:, :, i, 2])
    change, error = change_of_det_F(Summaries(x, way[:, :, 0, 0]), way[:, :, 1, 0])
    used = way[:, :, int(problem.of_summaries), 0]
    shift = stencils.spans(columns, p) * _sizes(Summaries(x, used), used)
    found |= {"n": len(dx), "change": change, "error": error}
    return _finite(found | {"bend": bend, "shift": shift.tolist()})


def _finite(tree):
    """A tree of numbers with None for what is not finite."""
    return jax.tree.map(lambda number: number if math.isfinite(number) else None, tree)


def halved(
    half: Compressor, weights: Weights, source: Source, summaries: Summaries
) -> dict[str, float] | None:
    """How |F| changes where the steps are halved: n, change and error, the last two relative.

    None where they are not finite.

    Args:
        half: the compressor of a fit, for the problem with half the steps.
        weights: its weights.
        source: the first simulations of a set, with half the steps.
        summaries: of the set, by the network.

    """
    dx_dtheta = half.summaries(weights, source).dx_dtheta
    change, error = change_of_det_F(summaries, dx_dtheta)
    if not (math.isfinite(change) and math.isfinite(error)):
        return None
    return {"n": len(dx_dtheta), "change": change, "error": error}


def over_bound(problem: Problem, of_linear: np.ndarray, of_network: np.ndarray) -> np.ndarray:
    """The whole distance between a parameter's simulations over its bound, (n_params,).

    Args:
        problem: with the steps.
        of_linear: bounds by a linear compression.
        of_network: those by the network; the smaller of both counts.

    """
    spans = stencils.spans(simulator.columns(problem), problem.n_params)
    return spans / np.fmin(of_linear, of_network)


def measured(
    fitted: Compressor,
    weights: Weights,
    path: str | Path | Sequence[str | Path],
    path_to_half: str | Path | None,
    looks: list[dict],
    test: tuple[Summaries, dict],
    seed: int,
) -> dict[str, Any]:
    """All that is measured of finite differences.

    Args:
        fitted: the compressor of the fit.
        weights: its weights.
        path: to the test set, or to its parts.
        path_to_half: to derivatives of some of its simulations by half the steps, or None.
        looks: what `differences.look` found in each set.
        test: summaries of the test set by the network, and what was measured of it.
        seed: of the sets.

    """
    problem, (summaries, measured) = fitted.problem, test
    step, half = None, replace(fitted, problem=problem.with_half_steps())
    with contextlib.ExitStack() as stack:
        asked = {"seed": seed, "as_stored": True}
        source = stack.enter_context(sets.open_simulations(path, problem, split="test", **asked))
        both = both_ways(fitted, weights, source)
        if path_to_half:
            opened = sets.open_simulations(path_to_half, half.problem, split="half_step", **asked)
            with_half = sources.beside(source, stack.enter_context(opened))
            step = halved(half, weights, sets.derived(with_half, half.problem), summaries)
    if step is not None:
        change = f"{step['change']:+.2g} of itself +- {step['error']:.1g}"
        log.info("|F| with delta_theta halved: %s", change)
    bounds = [np.array(measured[name]["sigma"]["value"], float) for name in ("linear", "network")]
    return {
        **differences.worst(looks),
        "of_summaries": problem.of_summaries,
        "both": both,
        "shift": both.pop("shift"),
        "step_over_bound": [
            value if math.isfinite(value) else None
            for value in over_bound(problem, *bounds).tolist()
        ],
        "step": step,
    }
