"""Whether simulations at shifted parameters are those of the fiducial ones, row by row."""

import itertools
import math
from typing import NamedTuple

import numpy as np
from imnn_core.data.sources import Source, pieces
from imnn_core.problems import Problem, simulator, stencils

ROWS, BYTES = 200, 2**26  # simulations that are looked at, and at most so many bytes of them
FEW, MANY, SHIFTS = 20, 2000, 100  # simulations with derivatives; orders to compare theirs with
NUMBERS = 256  # of a simulation, by which one is found again
STRAIGHT = 0.1  # bend over slope, below which simulations are in order
BETTER = 0.3  # of the bend over slope: another order that leaves less is the right one
SOME, SEVERAL = 0.15, 6  # rows in another order, from which on it is no chance
STRETCHES = 4  # of consecutive rows
NEAR = 0.1  # of the squared distance to the second nearest simulation: the nearest is the same one


class Found(NamedTuple):
    """axes, rows: a clause each, or None where they are right, or where nothing tells.

    Rows of tangents are told by what is likely only.
    """

    axes: str | None = None
    rows: str | None = None


def look(source: Source, problem: Problem, is_discrete: bool) -> Found:
    """Look for axes and rows of shifted simulations in another order than expected.

    A simulation is nearly the midpoint of those at lower and at higher parameters with its seed.

    Args:
        source: of simulations, with others at shifted parameters or with tangents.
        problem: theirs.
        is_discrete: whether simulations may be the same by chance, and none can be found again.

    """
    if source.counts is None:
        return Found(rows=_rows_of_tangents(source, problem))
    if min(source.counts) < 2:
        return Found()
    of_row = math.prod(source.derivative.shape[1:]) * source.derivative.dtype.itemsize
    n = max(2, min(ROWS, min(source.counts), BYTES // of_row))
    rows = _spread(n, min(source.counts))
    d, shifted = _read(source, "fiducial", rows), _read(source, "derivative", rows)
    bend = _bend(d, shifted, problem)
    if bend < STRAIGHT:
        return Found()
    if same := _unmoved(d, shifted, problem):
        return Found(same)
    order = None if is_discrete else _rows(source, d, shifted, problem, rows)
    return Found(None if order else _axes(d, shifted, problem, bend), order)


def _spread(n: int, n_all: int) -> np.ndarray:
    """Numbers of n rows of all, rising: all of the first n_all, or stretches spread over them."""
    if n >= n_all:
        return np.arange(n_all)
    length = max(1, n // STRETCHES)
    starts = np.linspace(0, n_all - length, STRETCHES).astype(int)
    return np.unique(starts[:, None] + np.arange(length))


def _read(source: Source, part: str, rows: np.ndarray) -> np.ndarray:
    """Rows of "fiducial" or "derivative", in float64."""
    of_part = getattr(source, part)
    out = np.empty((len(rows), *of_part.shape[1:]), of_part.dtype)
    edges = [0, *(np.flatnonzero(np.diff(rows) > 1) + 1).tolist(), len(rows)]
    for a, b in itertools.pairwise(edges):
        source.read(part, int(rows[a]), out[a:b])
    return out.astype(np.float64)


def _unmoved(d, shifted, problem) -> str | None:
    """Continuous simulations at shifted parameters that are the fiducial ones themselves."""
    points = shifted.reshape(len(d), -1, *d.shape[1:])
    if len(np.unique(d)) < d.size // 2:
        return None
    for c, (a, offset) in enumerate(problem.columns):
        mine = [k for k, (i, _) in enumerate(problem.columns) if i == a]
        if len(mine) > 1 and np.array_equal(points[:, c], d):
            return (
                f"expected simulations at shifted {problem.names[a]}, found those at {offset:+g} "
                "to be the fiducial ones themselves"
            )
    return None


def _bend(d, shifted, problem) -> float:
    """The largest bend over slope of a parameter, see `differences.look`; 1 where none is known."""
    derivative, added, _ = stencils.nested(simulator.columns(problem), problem.n_params)
    points = np.concatenate([d[:, None], shifted.reshape(len(d), -1, *d.shape[1:])], axis=1)
    scale = d.std(axis=0).ravel()
    points = points.reshape(len(d), points.shape[1], -1) / np.where(scale > 0, scale, np.inf)
    slope, bend = (
        (np.einsum("ap,npk->ank", weights, points) ** 2).sum(axis=(1, 2))
        for weights in (derivative, added)
    )
    n = [sum(a == i for a, _ in problem.columns) for i in range(problem.n_params)]
    ratio = bend / np.where(slope > 0, slope, 1)
    return math.sqrt(max((each for each, of in zip(ratio, n, strict=True) if of > 1), default=1))


def _axes(d, shifted, problem, bend) -> str | None:
    shape = shifted.shape[1:]
    grid = [f"input_shape[{i}]" for i in range(d.ndim - 1)]
    pairs = stencils.is_pairs(problem.delta_theta) and len(shape) > len(grid) + 1
    names = [*(["2", "n_params"] if pairs else ["n_columns"]), *grid]
    best = min(
        (
            (_bend(d, shifted.transpose(0, *(1 + i for i in order)), problem), order)
            for order in itertools.permutations(range(len(shape)))
            if tuple(shape[i] for i in order) == shape and order != tuple(range(len(shape)))
        ),
        default=(math.inf, ()),
    )
    if best[0] > min(1, BETTER * bend):
        return None
    found = [names[best[1].index(i)] for i in range(len(shape))]
    return (
        f"expected shifted with the axes (n_d, {', '.join(names)}), found ones that seem to be "
        f"(n_d, {', '.join(found)}): the midpoints between lower and higher parameters are the "
        "fiducial simulations only so"
    )


def _rows(source, d, shifted, problem, numbers) -> str | None:
    """Simulations at shifted parameters whose nearest one at theta_fid is far from being theirs."""
    n, n_inputs = len(d), math.prod(source.fiducial.shape[1:])
    chosen = np.unique(np.linspace(0, n_inputs - 1, NUMBERS).astype(int))
    columns, d = simulator.columns(problem), d.reshape(n, n_inputs)[:, chosen]
    points = shifted.reshape(n, len(columns), n_inputs)[:, :, chosen]
    nearest = min(abs(offset) for _, offset in columns)
    middle = points[:, [abs(offset) == nearest for _, offset in columns]].mean(axis=1)
    centred = points - points.mean(axis=0) + d.mean(axis=0)
    # Each is about the fiducial simulation of the same seed.
    wanted = {"shifted": middle}
    for c, (a, offset) in enumerate(columns):
        name = f"shifted ({problem.names[a]} {offset:+g})"
        wanted |= {name: points[:, c], f"{name} ": centred[:, c]}
    scale = np.where(d.std(axis=0) > 0, d.std(axis=0), np.inf)
    points = np.stack(list(wanted.values())) / scale  # (names, n, numbers)
    first, second, place = (
        each.reshape(-1, n) for each in _nearest(source, chosen, scale, np.concatenate(points))
    )
    own = ((points - d / scale) ** 2).sum(axis=-1)
    elsewhere = (place != numbers) & (first < NEAR * second) & (first < NEAR * own)
    for name, is_it, rows in zip(wanted, elsewhere, place, strict=True):
        if is_it.mean() > SOME and is_it.sum() >= SEVERAL:
            i, name = int(np.flatnonzero(is_it)[0]), name.strip()
            return (
                f"expected row i of {name} to be row i of fiducial at other parameters, found row "
                f"{numbers[i]} of it to be row {rows[i]} of fiducial"
                f"{source.at('fiducial', rows[i])} ({int(is_it.sum())} of {n} "
                "rows that were looked at are such): sort them by their seeds"
            )
    return None


def _nearest(source, chosen, scale, wanted):
    """Squared distances to the two nearest simulations, and which the first is."""
    two, place = np.full((len(wanted), 2), np.inf), np.zeros(len(wanted), int)
    for start, piece in itertools.islice(pieces(source, "fiducial", 2**22), BYTES // 2**22):
        d = piece.reshape(len(piece), -1)[:, chosen].astype(np.float64) / scale
        here = (d**2).sum(axis=1) - 2 * wanted @ d.T + (wanted**2).sum(axis=1)[:, None]
        place = np.where(here.min(axis=1) < two[:, 0], start + here.argmin(axis=1), place)
        two = np.sort(np.concatenate([two, np.partition(here, 1)[:, :2]], axis=1), axis=1)[:, :2]
    return *two.T, place


def _rows_of_tangents(source, problem) -> str | None:
    """Whether nothing in fiducial rows goes with their derivatives, as in an order by chance.

    Correlations of numbers with their own derivatives are compared with those of rows that are
    moved on by one, two, ….
    """
    n = min(len(source.derivative), MANY, BYTES // (source.n_bytes // len(source.fiducial) + 1))
    if n < FEW:
        return None
    d = np.empty((n, *source.fiducial.shape[1:]), source.fiducial.dtype)
    dd = np.empty((n, *source.derivative.shape[1:]), source.derivative.dtype)
    source.read("fiducial", 0, d)
    source.read("derivative", 0, dd)
    n_inputs = math.prod(source.fiducial.shape[1:])
    chosen = np.unique(np.linspace(0, n_inputs - 1, NUMBERS // 4).astype(int))
    d = d.reshape(n, n_inputs)[:, chosen].astype(np.float64)
    dd = dd.reshape(n, n_inputs, -1)[:, chosen].astype(np.float64)
    d, dd = _standardised(d), _standardised(dd)
    seen = [d, _standardised(d**2), _standardised(np.repeat(d.mean(1)[:, None], d.shape[1], 1))]
    if not dd.any() or not d.any():
        return None  # of derivatives that are the same in all rows nothing can be told

    def together(shift):
        return [
            float(((np.einsum("nk,nka->ka", np.roll(x, shift, axis=0), dd) / n) ** 2).sum())
            for x in seen
        ]

    own, *others = (together(shift) for shift in range(min(n, 1 + SHIFTS)))
    if any(mine > max(each) for mine, each in zip(own, zip(*others, strict=True), strict=True)):
        return None
    return (
        "expected row i of derivative to be the derivative of row i of fiducial, found nothing in "
        f"the first {n} rows that goes with their derivatives; see that they have the same seeds, "
        "in the same order"
    )


def _standardised(x):
    """Each number less its mean, over its deviation; 0 where it is nearly the same in all rows."""
    deviation = x.std(axis=0)
    is_any = deviation > 1e-4 * np.abs(x).max(axis=0, initial=0)
    return np.where(is_any, (x - x.mean(axis=0)) / np.where(is_any, deviation, 1), 0)


def of_look(found: Found, problem: Problem) -> tuple[list[str], list[str]]:
    """Faults, and notes, a clause each.

    Rows in another order are no fault where differences are taken of summaries, and where they
    are likely only.
    """
    is_fault = problem.delta_theta is not None and not problem.of_summaries
    rows = [found.rows] if found.rows else []
    if found.axes:
        return [found.axes], []
    return (rows, []) if is_fault else ([], rows)
