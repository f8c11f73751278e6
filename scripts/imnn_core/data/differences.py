"""Simulations at shifted parameters: what they are like."""

import math
from collections.abc import Sequence

import numpy as np
from imnn_core.data.choice import JUMPS
from imnn_core.data.sources import Source
from imnn_core.problems import Problem, simulator, stencils
from imnn_core.store.sizes import PIECE as BYTES

MOST, MOST_IN_NUMPY = 1000, 200  # simulations drawn with half the steps
UNCHANGED = 0.05  # of the differences, from which on simulations may be discrete


def n_halved(problem: Problem, n_test: int) -> int:
    """Simulations of the test set that are drawn again with half the steps."""
    n_bytes = 4 * np.prod(problem.input_shape) * (1 + len(problem.columns))
    most = MOST_IN_NUMPY if problem.numpy else MOST
    return int(max(2, min(n_test, most, BYTES // n_bytes)))


def look(source: Source, problem: Problem) -> dict[str, list]:
    """What simulations at shifted parameters are like, for each parameter.

    independence: variance of the difference of the outermost two relative to that of independent
        draws, Var(d+ - d-) / (Var d+ + Var d-), each summed over a simulation's numbers: 0 for
        matched seeds and a small step, 1 for independent draws.
    straightness: what the farthest simulation adds to a simulation's derivative, relative to that
        derivative (rms, each number over its deviation): 0 where a simulation is linear in the
        parameter, about 1 where it jumps; more where the simulations at theta_fid are others. None
        where there is one shifted simulation alone.
    is_discrete: whether numbers jump, because they are whole or because many stay the same.

    Args:
        source: with simulations at shifted parameters.
        problem: theirs.

    """
    columns, n_params = simulator.columns(problem), problem.n_params
    derivative, added, _ = stencils.nested(columns, n_params)
    outer = [_outermost(columns, a) for a in range(n_params)]
    n = [
        min(source.counts[c] for c, (i, _) in enumerate(columns) if i == a) for a in range(n_params)
    ]
    n_inputs = math.prod(problem.input_shape)
    first, is_whole = None, True
    powers = np.zeros((2, n_params, 3, n_inputs))  # of minus, plus and their difference
    squares, fiducial = np.zeros((n_params, 2, n_inputs)), np.zeros((2, n_inputs))
    same, moves = np.zeros((n_params, n_inputs)), np.zeros((n_params, n_inputs), bool)
    for start, d, block in _points(source, problem):
        points = np.concatenate([d[:, None], block], axis=1).astype(np.float64)
        first = points[0] if first is None else first
        is_whole = is_whole and bool((d == np.round(d)).all())
        fiducial += [(points[:, 0] - first[0]).sum(axis=0), _squares(points[:, 0] - first[0])]
        for a, (low, high) in enumerate(outer):
            mine = points[: max(0, n[a] - start)]
            minus, plus = mine[:, low] - first[low], mine[:, high] - first[high]
            three = (minus, plus, plus - minus)
            powers[:, a] += [[each.sum(axis=0) for each in three], [*map(_squares, three)]]
            for i, weights in enumerate((derivative[a], added[a])):
                squares[a, i] += _squares(np.tensordot(mine, weights, axes=(1, 0)))
            differ = mine[:, low] != mine[:, high]
            same[a] += (~differ).sum(axis=0)
            moves[a] |= differ.any(axis=0)
    n = np.array(n, np.float64)
    each = n[:, None, None]
    minus, plus, difference = np.moveaxis(
        (powers[1] / each - (powers[0] / each) ** 2).sum(axis=-1), 1, 0
    )
    n_rows = len(source.derivative)
    variance = fiducial[1] / n_rows - (fiducial[0] / n_rows) ** 2
    slope, bend = np.moveaxis((squares / np.where(variance > 0, variance, np.inf)).sum(-1), 1, 0)
    straightness = np.sqrt(bend / np.where(slope > 0, slope, 1))
    unchanged = np.where(moves, same, 0).sum(axis=-1) / (n * np.maximum(moves.sum(axis=-1), 1))
    is_single = [sum(a == i for a, _ in columns) == 1 for i in range(n_params)]
    jumps = is_single | (straightness > JUMPS)
    return {
        "independence": (difference / np.where(minus + plus > 0, minus + plus, 1)).tolist(),
        "straightness": [
            None if single else float(value)
            for single, value in zip(is_single, straightness, strict=True)
        ],
        "is_discrete": (jumps & (is_whole | (unchanged > UNCHANGED))).tolist(),
    }


def _outermost(columns, a):
    """Places of a parameter's lowest and highest simulation; 0 is the fiducial one."""
    places = [(0.0, 0), *((offset, 1 + c) for c, (i, offset) in enumerate(columns) if i == a)]
    return min(places)[1], max(places)[1]


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


def _squares(array):
    return (array**2).sum(axis=0)


def worst(looks: Sequence[dict[str, list]]) -> dict[str, list]:
    """What `look` found in several sets, for each parameter the largest."""

    def largest(values):
        return None if any(value is None for value in values) else max(values)

    return {
        name: [largest(values) for values in zip(*(look[name] for look in looks), strict=True)]
        for name in looks[0]
    }
