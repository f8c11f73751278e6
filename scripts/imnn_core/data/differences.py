"""Simulations at shifted parameters: what they are like."""

import math
from collections.abc import Sequence

import numpy as np
from imnn_core.data import parts
from imnn_core.data.choice import JUMPS
from imnn_core.data.sources import Source
from imnn_core.problems import Problem, simulator, stencils
from imnn_core.store.sizes import PIECE as BYTES

MOST_NUMBERS = 2**16  # of a simulation, of more than which as many are looked at
UNCHANGED = 0.05  # of the differences, from which on simulations may be discrete


def n_halved(problem: Problem, n_test: int) -> int:
    """Simulations of the test set that are drawn again with half the steps."""
    n_numbers = math.prod(problem.input_shape)
    return parts.n_halved(n_test, n_numbers, len(problem.columns), problem.numpy)


def look(source: Source, problem: Problem) -> dict[str, list]:
    """What simulations at shifted parameters are like, for each parameter.

    independence: 1 less the correlation of a simulation's numbers at the outermost parameters, or
        of either with those at theta_fid, whichever is the least (means over the numbers): 0 for
        matched seeds, 1 for independent draws.
    straightness: what the farthest simulation adds to a simulation's derivative, relative to that
        derivative (rms, each number over its deviation): 0 where a simulation is linear in the
        parameter, about 1 where it jumps. None where there is one shifted simulation alone.
    undone: how much of the way from the lowest simulation to one between is undone from there to
        the highest: -1 where a simulation moves straight, 0 or less where its numbers jump to one
        side, 1/2 for independent draws, also where others match, 1 where it moves there and back.
        (Minus the mean product of both halves, over their mean square, each number over its
        deviation.) None where there is one shifted simulation alone.
    is_discrete: whether numbers jump, because they are whole or because many stay the same.

    Args:
        source: with simulations at shifted parameters; of large ones MOST_NUMBERS are looked at.
        problem: theirs.

    """
    columns, n_params = simulator.columns(problem), problem.n_params
    derivative, added, _ = stencils.nested(columns, n_params)
    outer = [_outermost(columns, a) for a in range(n_params)]
    between = [_between(columns, a) for a in range(n_params)]
    n = [
        min(source.counts[c] for c, (i, _) in enumerate(columns) if i == a) for a in range(n_params)
    ]
    n_inputs, looked_at = math.prod(problem.input_shape), slice(None)
    if n_inputs > MOST_NUMBERS:
        looked_at = np.random.default_rng(0).choice(n_inputs, MOST_NUMBERS, replace=False)
        n_inputs = MOST_NUMBERS
    first, is_whole = None, True
    sums = np.zeros((n_params, 3, n_inputs))  # at the lowest, the highest and the fiducial one
    products = np.zeros((n_params, 3, 3, n_inputs))
    squares = np.zeros((n_params, 2, n_inputs))
    ways = np.zeros((n_params, 2, n_inputs))  # sum of squares and product of both halves of a way
    same, moves = np.zeros((n_params, n_inputs)), np.zeros((n_params, n_inputs), bool)
    for start, d, block in _points(source, problem):
        d, block = d[:, looked_at], block[:, :, looked_at]
        points = np.concatenate([d[:, None], block], axis=1).astype(np.float64)
        first = points[0] if first is None else first
        is_whole = is_whole and bool((d == np.round(d)).all())
        for a, (low, high) in enumerate(outer):
            mine = points[: max(0, n[a] - start)]
            three = mine[:, [low, high, 0]] - first[[low, high, 0]]
            sums[a] += three.sum(axis=0)
            products[a] += np.einsum("nik,njk->ijk", three, three)
            for i, weights in enumerate((derivative[a], added[a])):
                squares[a, i] += (np.tensordot(mine, weights, axes=(1, 0)) ** 2).sum(axis=0)
            way, back = mine[:, between[a]] - mine[:, low], mine[:, high] - mine[:, between[a]]
            ways[a] += (way**2 + back**2).sum(axis=0) / 2, (way * back).sum(axis=0)
            differ = mine[:, low] != mine[:, high]
            same[a] += (~differ).sum(axis=0)
            moves[a] |= differ.any(axis=0)
    each = np.array(n, np.float64)[:, None, None]
    means = sums / each
    C = products / each[..., None] - means[:, :, None] * means[:, None]
    variance = C[:, 2, 2]
    variance = np.where(variance > 0, variance, np.inf)[:, None]
    slope, bend = np.moveaxis((squares / variance).sum(-1), 1, 0)
    both, product = np.moveaxis((ways / variance).sum(-1), 1, 0)
    undone = -product / np.where(both > 0, both, 1)
    straightness = np.sqrt(bend / np.where(slope > 0, slope, 1))
    unchanged = np.where(moves, same, 0).sum(axis=-1)
    unchanged /= each[:, 0, 0] * np.maximum(moves.sum(axis=-1), 1)
    is_single = [sum(a == i for a, _ in columns) == 1 for i in range(n_params)]
    jumps = is_single | (straightness > JUMPS)
    return {
        "independence": [_independence(of_one) for of_one in C],
        **{
            name: [
                None if single else float(value)
                for single, value in zip(is_single, values, strict=True)
            ]
            for name, values in (("straightness", straightness), ("undone", undone))
        },
        "is_discrete": (jumps & (is_whole | (unchanged > UNCHANGED))).tolist(),
    }


def _independence(C):
    """1 less the least mean correlation of three simulations, of covariances (3, 3, n_inputs)."""
    varies = (np.diagonal(C) > 0).all(axis=1)
    if not varies.any():
        return 0.0
    deviation = np.sqrt(np.diagonal(C)[varies]).T  # (3, n)
    correlation = C[:, :, varies] / (deviation[:, None] * deviation[None])
    return float(1 - correlation.mean(axis=-1).min())


def _outermost(columns, a):
    """Places of a parameter's lowest and highest simulation; 0 is the fiducial one."""
    places = [(0.0, 0), *((offset, 1 + c) for c, (i, offset) in enumerate(columns) if i == a)]
    return min(places)[1], max(places)[1]


def _between(columns, a):
    """Place of a parameter's simulation in the middle between those; the lowest, if none."""
    places = [(0.0, 0), *((offset, 1 + c) for c, (i, offset) in enumerate(columns) if i == a)]
    low, *inner, high = sorted(places)
    middle = (low[0] + high[0]) / 2
    return min(inner or [low], key=lambda place: abs(place[0] - middle))[1]


def _points(source, problem):
    """Fiducial simulations and shifted ones: (first row, (n, k), (n, n_columns, k))."""
    n_columns, width = len(source.counts), math.prod(problem.input_shape)
    bytes_of_row = (1 + n_columns) * width * 8
    rows = max(1, BYTES // bytes_of_row)
    for start in range(0, len(source.derivative), rows):
        n = min(rows, len(source.derivative) - start)
        arrays = {}
        for name in ("fiducial", "derivative"):
            of_part = getattr(source, name)
            arrays[name] = np.empty((n, *of_part.shape[1:]), of_part.dtype)
            source.read(name, start, arrays[name])
        yield (
            start,
            arrays["fiducial"].reshape(n, width),
            arrays["derivative"].reshape(n, n_columns, width),
        )


def worst(looks: Sequence[dict[str, list]]) -> dict[str, list]:
    """What `look` found in several sets, for each parameter the largest."""

    def largest(values):
        return None if any(value is None for value in values) else max(values)

    return {
        name: [largest(values) for values in zip(*(look[name] for look in looks), strict=True)]
        for name in looks[0]
    }
