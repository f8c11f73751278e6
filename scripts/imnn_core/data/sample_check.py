"""What a few simulations say of those that a full run would draw."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from imnn_core.data import choice, differences, numbers, sets, sources
from imnn_core.data.sources import Source
from imnn_core.problems import Problem, stencils
from imnn_core.problems.drawn_checks import FEW, check_finite, check_first, check_repeated
from imnn_core.problems.sample import Sample
from imnn_core.store.errors import InputError

LEAST = 1e-6  # of simulations' deviation, less than which rounding alone may move them
WIDE = 0.1  # of a mean derivative, by which half the steps change it where steps are wide


class Found(NamedTuple):
    """faults and doubts: a line each. words: what was seen, for a table."""

    faults: list[str]
    doubts: list[str]
    words: str


def source_of(sample: Sample, problem: Problem) -> Source:
    """The simulations as they would be stored."""
    make = sources.in_memory if problem.delta_theta is None else sources.shifted_in_memory
    return make(sample.fiducial, sample.derivative)


def is_sound(sample: Sample) -> bool:
    """Whether all numbers are finite, and simulations are set by their keys."""
    is_finite = np.isfinite(sample.fiducial).all() and np.isfinite(sample.derivative).all()
    return is_finite and _is_repeatable(sample) and not _is_constant(sample)


def _is_repeatable(sample):
    d = sample.fiducial[0]
    return all(np.array_equal(d, each, equal_nan=True) for each in sample.again)


def _is_constant(sample):
    d = sample.fiducial
    return len(d) > 1 and all(np.array_equal(d[0], each, equal_nan=True) for each in d)


def lines_of(check: Callable, *arguments: object) -> list[str]:
    """The lines of the InputError that a check raises, if any."""
    try:
        check(*arguments)
    except InputError as error:
        return error.lines
    return []


def of_sample(sample: Sample, problem: Problem) -> Found:
    """Whether simulations are finite, repeatable, different from each other, and depend on theta.

    What chance may do to fewer than FEW of them is a doubt, and no fault.
    """
    d, dd = sample.fiducial, sample.derivative
    n_columns = 0 if problem.delta_theta is None else len(problem.columns)
    columns = dd.reshape(-1, *problem.input_shape) if n_columns else dd
    faults = lines_of(check_finite, problem, "fiducial", 0, d)
    faults += lines_of(check_finite, problem, "derivative", 0, columns, n_columns)
    may_be_seen, doubts, where = not faults, [], f"problem {problem.name!r}"
    repeated = (lines_of(check_repeated, problem, d[0], again) for again in sample.again)
    faults += next(filter(None, repeated), [])
    if _is_constant(sample):
        what = "generator" if problem.numpy else "key"
        faults.append(
            f"{where}: expected another simulation from another random {what}, found the same "
            f"from {len(d)}; draw all random numbers from the {what} that the simulator is given"
        )
    if may_be_seen:
        of_one = slice(1) if _is_constant(sample) else slice(None)  # which has no deviation
        found = lines_of(check_first, problem, d[of_one], dd[of_one])
        if min(len(d), len(dd)) < FEW:
            doubts += [f"{line} (of {len(dd)} simulations, which may be chance)" for line in found]
        else:
            faults += found
        if not faults and len(d) >= FEW:
            faults += [f"{where}: {clause}" for clause in _of_numbers(sample, problem)]
    finite = d[np.isfinite(d)]
    edges = (
        f"from {finite.min():.4g} to {finite.max():.4g}" if finite.size else "none of them finite"
    )
    words = [f"numbers ({d.dtype}) {edges}"]
    if sample.again and not faults:
        words.append("the same when drawn again")
    return Found(faults, doubts, "; ".join(words))


def _of_numbers(sample, problem):
    looked = numbers.look(source_of(sample, problem), problem)
    repeats = None if looked.is_discrete else looked.repeats()
    return [*looked.faults, *filter(None, [repeats])]


def of_seeds(stored: Source, problem: Problem) -> tuple[dict, Found] | None:
    """Whether seeds of simulations at shifted parameters match; None of too few to tell.

    Args:
        stored: simulations at theta_fid and at shifted parameters, which are finite.
        problem: theirs.

    Returns the `differences.look` at them, too.

    """
    if min(stored.counts) < FEW:
        return None
    seen = differences.look(stored, problem)
    lines = choice.doubts(seen, problem.of_summaries, problem.names)
    where = f"problem {problem.name!r}"
    faults = [] if problem.of_summaries else list(choice.faults_of_tangents(seen, problem.names))
    each = ", ".join(
        f"{name} {value:.2g}"
        for name, value in zip(problem.names, seen["independence"], strict=True)
    )
    return seen, Found(
        [f"{where}: {line}" for line in faults],
        [f"{where}: {line}" for line in lines if line not in faults],
        f"1 less the correlation of shifted and fiducial ones: {each} (0: they match; "
        "1: independent)",
    )


def of_steps(stored: Source, halved: np.ndarray, problem: Problem) -> Found:
    """By how much half the steps of finite differences change the mean derivative.

    Args:
        stored: simulations at theta_fid and at shifted parameters.
        halved: those of the first of them by half the steps, (n, *stored_shape).
        problem: theirs.

    """
    n, d = len(halved), np.empty((len(halved), *problem.input_shape), stored.fiducial.dtype)
    whole = np.empty((n, *problem.stored_shape), stored.derivative.dtype)
    stored.read("fiducial", 0, d)
    stored.read("derivative", 0, whole)
    scale = sources.spread(stored)[1]
    scale = np.where(scale > 0, scale, np.inf)[..., None]
    means = []
    for shifted, of in ((whole, problem), (halved, problem.with_half_steps())):
        source, slopes = sets.tangents(sources.shifted_in_memory(d, shifted), of), None
        slopes = np.empty(source.derivative.shape, source.derivative.dtype)
        source.read("derivative", 0, slopes)
        means.append((slopes.mean(axis=0) / scale).reshape(-1, problem.n_params))
    size = np.linalg.norm(means[1], axis=0)
    moves = size * stencils.spans(problem.columns, problem.n_params) > LEAST
    change = np.linalg.norm(means[1] - means[0], axis=0) / np.where(moves, size, np.inf)
    named = list(zip(problem.names, change, strict=True))
    wide = [f"{name} {100 * value:.2g} %" for name, value in named if value > WIDE]
    doubts = [
        f"delta_theta: expected steps so small that half of them give the same mean derivative, "
        f"found that they change it by {', '.join(wide)} (of {n} simulations); take smaller steps"
    ]
    each = ", ".join(f"{name} {100 * value:.2g} %" for name, value in named)
    return Found([], doubts if wide else [], f"half the steps change the mean derivative by {each}")
