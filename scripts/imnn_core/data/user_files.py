"""A user's files of simulations: all their faults, found before any fit, and how they are split."""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from imnn_core.data import matching
from imnn_core.data.arrays import open_users
from imnn_core.data.layouts import faults_of_structure, is_unsaid
from imnn_core.data.named_sets import Given, of_key, set_in_words
from imnn_core.data.numbers import Numbers, look
from imnn_core.data.sets_given import open_given
from imnn_core.problems import Problem
from imnn_core.problems.simulations import STREAMS
from imnn_core.store.errors import InputError


class OfFile(NamedTuple):
    """What was found in a file.

    faults: a line each, and notes, which are none. dtype and numbers: where they could be read.
    at: where a fiducial simulation lies, see `Source.at`.
    """

    faults: list[str]
    notes: list[str] = []
    dtype: str | None = None
    numbers: Numbers | None = None
    at: Callable[[int], str] = lambda row: ""


def _look_through(split: str, given: Given, problem: Problem) -> OfFile:
    """Look for all faults of one set."""
    where = f"simulations.{split} ({set_in_words(given)})"
    try:
        with open_given(given, problem) as found:
            faults, noted = list(faults_of_structure(where, found, problem)), []
            if faults:
                return OfFile(faults)
            dtype = str(found.arrays["fiducial"].dtype)
            if is_unsaid(found, problem):
                noted = [
                    f"{where}: delta_theta = {problem.delta_theta} is taken to be the whole "
                    "distance between minus and plus, as no file says; half of it would make |F| "
                    "four times too large for each parameter"
                ]
        with open_users(given, problem) as source:
            numbers, clauses, notes = look(source, problem), [], []
            if not numbers.faults:
                found = matching.look(source, problem, numbers.is_discrete)
                clauses, of_order = matching.of_look(found, problem)
                notes = [f"{where}: {clause}" for clause in of_order]
            faults = [f"{where}: {clause}" for clause in [*numbers.faults, *clauses]]
            at = functools.partial(source.at, "fiducial")
    except InputError as error:
        return OfFile([of_key(f"simulations.{split}", line, given) for line in error.lines])
    return OfFile(faults, noted + notes, dtype, numbers, at)


def _repeated(found: Mapping[str, OfFile], given: Mapping[str, Given]) -> Iterator[tuple]:
    """Simulations that are there twice: (whether they may be, a line)."""
    for split, each in found.items():
        if line := each.numbers.repeats(each.at):
            where = f"simulations.{split} ({set_in_words(given[split])})"
            yield each.numbers.is_discrete, f"{where}: {line}"
    for one, other in itertools.combinations(found, 2):
        hashes = [found[split].numbers.hashes for split in (one, other)]
        common = np.intersect1d(*hashes)
        if common.size:
            i, j = (int(np.flatnonzero(each == common[0])[0]) for each in hashes)
            yield (
                found[one].numbers.is_discrete and found[other].numbers.is_discrete,
                f"simulations: expected different simulations in {one} and {other}, found "
                f"{common.size} in both, such as index {i}{found[one].at(i)} of {one} and index "
                f"{j}{found[other].at(j)} of {other}",
            )


class Checked(NamedTuple):
    """What `check` found.

    digests: of the numbers of each file. faults: a line each. notes: lines that are no faults.
    """

    digests: dict[str, str]
    faults: list[str]
    notes: list[str]


def check(paths: Mapping[str, Given], problem: Problem) -> Checked:
    """Look through all of a user's files.

    Args:
        paths: by split, or what names the files of its arrays.
        problem: with the parameters, shapes and kind of derivatives that are expected.

    """
    found = {split: _look_through(split, path, problem) for split, path in paths.items()}
    lines, notes = (
        [line for of_file in found.values() for line in getattr(of_file, kind)]
        for kind in ("faults", "notes")
    )
    dtypes = {split: each.dtype for split, each in found.items() if each.dtype}
    if len(set(dtypes.values())) > 1:
        kinds = ", ".join(f"{dtype} in {split}" for split, dtype in dtypes.items())
        lines.append(f"simulations: expected numbers of one size in all files, found {kinds}")
    faultless = {split: each for split, each in found.items() if each.numbers and not each.faults}
    for may_be, line in _repeated(faultless, paths):
        if may_be:
            notes.append(f"{line}, as there may be of discrete ones")
        else:
            lines.append(line)
    digests = {split: each.numbers.digest for split, each in found.items() if each.numbers}
    return Checked(digests, lines, notes)


def split_rows(
    n_s: int, counts: Sequence[int], fractions: Mapping[str, float], seed: int
) -> dict[str, np.ndarray]:
    """Rising numbers of the simulations of each set, drawn by the seed.

    Those with derivatives and those without are split alike.

    Args:
        n_s: simulations of the file.
        counts: how many of them have derivatives by a parameter, or a simulation at one offset.
        fractions: of the sets other than training, which gets the rest.

    """
    rng = np.random.default_rng([seed, STREAMS["fractions"]])
    parts = {split: [] for split in ("training", *fractions)}
    for start, stop in itertools.pairwise([0, *sorted(set(counts)), n_s]):
        order = start + rng.permutation(stop - start)
        edges = np.round(np.cumsum([0, *fractions.values()]) * len(order)).astype(int)
        for split, (a, b) in zip(fractions, itertools.pairwise(edges), strict=True):
            parts[split].append(order[a:b])
        parts["training"].append(order[edges[-1] :])
    return {split: np.sort(np.concatenate(rows)) for split, rows in parts.items()}
