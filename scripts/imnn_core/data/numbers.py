"""What the numbers of a set of simulations say of themselves: faults that can be seen in them."""

import functools
import hashlib
import itertools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from imnn_core.data.dataset_names import dataset_names
from imnn_core.data.gathered import Derivative, Fiducial
from imnn_core.data.masks import KNOWN, OFTEN, SELDOM, masked
from imnn_core.data.sources import Source, pieces
from imnn_core.data.unbounded import unbounded
from imnn_core.problems import Problem, precision
from imnn_core.problems.precision import index_of

BYTES = 2**23  # read at a time
ALIKE, ENOUGH = 10, 10  # ratios of deviations, by which shifted simulations are like others; rows
USUAL = 0.5  # of simulations that are the same in a number, which then varies now and then only
FEW = 50  # different simulations, of which nothing more is asked
LOOKED_AT = 64, 2**26  # numbers of a simulation, and bytes, by which discrete ones are known


class Numbers(NamedTuple):
    """What the numbers of a set are like.

    hashes: of each simulation, (n_s,) of uint64. digest: of all numbers. faults: a clause each.
    is_discrete: whether simulations may repeat by chance, as those of counts do.
    """

    hashes: np.ndarray
    digest: str
    faults: list[str]
    is_discrete: bool

    def repeats(self, at: Callable[[int], str] = lambda row: "") -> str | None:
        """A clause, if some simulations are the same as others; None if none are.

        Args:
            at: where a simulation lies, see `Source.at`.

        """
        _, first, counts = np.unique(self.hashes, return_index=True, return_counts=True)
        if (counts == 1).all():
            return None
        i = first[counts > 1].min()
        j = np.flatnonzero(self.hashes == self.hashes[i])[1]
        n = len(self.hashes)
        return (
            f"expected different simulations, found {n - len(counts)} of {n} twice, such as index "
            f"{i}{at(i)} and {j}{at(j)}"
        )


def look(source: Source, problem: Problem) -> Numbers:
    """Read a set, piece by piece, and look for whatever can be seen to be wrong in it.

    Args:
        source: as it is stored: with tangents, or with simulations at shifted parameters.
        problem: its parameters and shapes.

    """
    of_fiducial, of_derivative = Fiducial(source), Derivative(source, problem)
    whole = hashlib.blake2b(digest_size=16)
    for start, piece in pieces(source, "fiducial", BYTES):
        whole.update(piece)
        of_fiducial.add(start, piece)
    for start, piece in pieces(source, "derivative", BYTES):
        whole.update(piece)
        of_derivative.add(start, piece)
    name = dataset_names(problem)["derivative"]
    lines = [
        *_not_finite(source, "fiducial", "fiducial", of_fiducial.bad),
        *_not_finite(source, "derivative", name, of_derivative.bad),
    ]
    hashes = of_fiducial.hashes
    is_discrete = not lines and _is_discrete(source)
    if not lines:
        if not is_discrete:
            lines += _unwritten(source, "fiducial", "fiducial", of_fiducial.empty, 1)
            empty = of_derivative.empty_at_the_end()
            lines += _unwritten(source, "derivative", name, empty, 2)
        lines += of_derivative.constant(name)
        # Of rows that were never written nothing else is worth saying.
        lines = lines or list(_of_fiducial(of_fiducial, source, problem, is_discrete))
        lines = lines or list(_of_derivative(of_derivative, name, problem, is_discrete))
        if source.counts is not None and not is_discrete:
            lines = lines or list(_unlike(of_fiducial, of_derivative, problem))
        lines = lines or list(unbounded(of_fiducial, of_derivative, problem))
    return Numbers(hashes, whole.hexdigest(), lines, is_discrete)


def _not_finite(source, part, name, bad):
    if bad:
        yield (
            f"expected finite numbers in {name}, found NaN, infinity, or what float32 can't hold "
            f"in {len(bad)} of {len(getattr(source, part))} simulations, the first at index "
            f"{bad[0]}{source.at(part, bad[0])}"
        )


def _unwritten(source, part, name, rows, fewest):
    if len(rows) >= fewest:
        yield (
            f"expected numbers in all rows of {name}, found nothing but 0 in {len(rows)} "
            f"simulations, the first at index {rows[0]}{source.at(part, rows[0])}"
        )


def _of_fiducial(
    found: Fiducial, source: Source, problem: Problem, is_discrete: bool
) -> Iterator[str]:
    """Faults of simulations at theta_fid: too large, too small, of no digits, masked."""
    shape = problem.input_shape
    mean, deviation = found.mean_and_deviation()
    if not found.varies.any():
        yield "expected simulations that vary, found the same in all rows of fiducial"
        return
    near = SELDOM if is_discrete else OFTEN
    found_masks = list(
        masked(
            "fiducial",
            found.low,
            found.high,
            shape,
            near,
            at=functools.partial(source.at, "fiducial"),
        )
    )
    if found_masks:
        yield from found_masks
        return
    largest = np.maximum(np.abs(found.low.value), np.abs(found.high.value))
    if fault := precision.fault_of_scale(largest.reshape(shape), deviation.reshape(shape)):
        yield fault
    elif fault := precision.fault_of_digits(
        mean.reshape(shape), deviation.reshape(shape), source.fiducial.dtype
    ):
        yield fault


def _of_derivative(
    found: Derivative, name: str, problem: Problem, is_discrete: bool
) -> Iterator[str]:
    """Faults of tangents, or of shifted simulations: masked, too large."""
    near, zero = SELDOM if is_discrete else OFTEN, SELDOM
    if found.source.counts is None:
        zero = math.inf  # which many derivatives are
    for c, (low, high) in enumerate(zip(found.low, found.high, strict=True)):
        at = functools.partial(found.source.at, "derivative", column=c)
        lines = list(masked(name, low, high, problem.input_shape, near, zero, at))
        is_mask = (low.value == -high.value) & np.isin(np.abs(low.value), KNOWN)
        if is_mask.any() and not lines:
            k = int(is_mask.argmax())
            where = f"{low.value[k]:g} in all rows at index {index_of(k, problem.input_shape)}"
            lines = [f"expected data in {name}, found {where}; is it a mask? Leave this number out"]
        largest = np.maximum(np.abs(low.value), np.abs(high.value)).reshape(problem.input_shape)
        if fault := precision.fault_of_scale(largest, np.zeros_like(largest)):
            lines = lines or [f"{fault}, in {name}"]
        if lines:
            yield lines[0]
            return


def _unlike(fiducial: Fiducial, derivative: Derivative, problem: Problem) -> Iterator[str]:
    """Simulations at shifted parameters that do not vary as those at theta_fid do."""
    _, deviation = fiducial.mean_and_deviation()
    varies, ratios = fiducial.varies & (deviation > 0), []
    often = np.maximum(fiducial.low.count, fiducial.high.count) < USUAL * len(fiducial.hashes)
    for c, (a, offset) in enumerate(problem.columns):
        if derivative.counts[c] < ENOUGH:
            continue
        where = f"at {problem.names[a]} {offset:+g}"
        constant = often & ~derivative.varies[c]
        if constant.any():
            at = index_of(int(constant.argmax()), problem.input_shape)
            yield (
                f"expected shifted simulations that vary as fiducial ones do, found "
                f"{derivative.first[c][constant][0]:.6g} in all {where} at index {at}"
            )
            return
        ratios.append(float(np.median(derivative.deviations(c)[varies] / deviation[varies])))
    # Where a parameter sets how much simulations vary, some vary more and some less.
    if ratios and (min(ratios) > ALIKE or max(ratios) < 1 / ALIKE):
        yield (
            "expected shifted simulations that vary about as much as fiducial ones, found "
            f"deviations of {ratios[0]:.3g} times theirs; are they in other units?"
        )


def _is_discrete(source: Source) -> bool:
    """Whether simulations may repeat by chance: numbers on a grid, or few values for each."""
    n_inputs, (most, n_bytes) = math.prod(source.fiducial.shape[1:]), LOOKED_AT
    chosen = np.unique(np.linspace(0, n_inputs - 1, most).astype(int))
    parts = []
    for _, piece in itertools.islice(pieces(source, "fiducial", BYTES), n_bytes // BYTES):
        parts.append(piece.reshape(len(piece), -1)[:, chosen])
    d = np.concatenate(parts).astype(np.float64)
    d = d[:, (d != d[0]).any(axis=0)]
    if not d.size:
        return False
    different = np.unique(d, axis=0)
    values = [np.unique(column) for column in d.T]
    if not (max(map(len, values)) < 0.9 * len(different) or all(map(_is_grid, values))):
        return False
    # Rows that differ, but are the same in half of their numbers, may by chance be so in all.
    half = len(np.unique(different[:, ::2], axis=0))
    return half < len(different) or len(different) < FEW


def _is_grid(values: np.ndarray) -> bool:
    """Whether distinct, rising values are whole multiples of a step apart."""
    steps = np.diff(values)
    multiples = steps / steps.min()
    return bool(multiples.max() < 1e6 and np.all(np.abs(multiples - np.round(multiples)) < 1e-3))
