"""A user's files of simulations: all their faults, found before any fit, and how they are split."""

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from imnn_core.data.arrays import open_arrays, open_users
from imnn_core.data.dataset_names import dataset_names
from imnn_core.data.layouts import faults_of_structure
from imnn_core.data.sources import Source, pieces, spread
from imnn_core.problems import Problem
from imnn_core.problems.simulations import STREAMS, depends
from imnn_core.problems.simulator import fault_of_digits, not_finite
from imnn_core.store.errors import InputError

BYTES = 2**23  # read at a time


class Numbers(NamedTuple):
    """What the numbers of a file are like.

    hashes: of each simulation, (n_s,) of uint64. digest: of all numbers. faults: a line each.
    """

    hashes: np.ndarray
    digest: str
    faults: list[str]

    @property
    def is_discrete(self) -> bool:
        """Whether simulations repeat by themselves, as those of a few counts do."""
        return len(np.unique(self.hashes)) < 0.9 * len(self.hashes)


def _numbers(source: Source, problem: Problem, where: str) -> Numbers:
    """The whole file is read, a piece at a time."""
    lines, hashes, whole = (
        [],
        np.empty(len(source.fiducial), np.uint64),
        hashlib.blake2b(digest_size=16),
    )
    for part, name in dataset_names(problem).items():
        bad, seen = [], False
        for start, piece in pieces(source, part, BYTES):
            whole.update(piece)
            bad.extend(start + not_finite(piece))
            if part == "derivative":
                fiducial = np.empty((len(piece), *problem.input_shape), source.fiducial.dtype)
                source.read("fiducial", start, fiducial)
                rows = max(0, min(source.counts or (len(source.derivative),)) - start)
                seen = seen | depends(problem, fiducial, piece[:rows])
            if part == "fiducial":
                each = (hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in piece)
                hashes[start : start + len(piece)] = [
                    int.from_bytes(digest, "little") for digest in each
                ]
        if bad:
            lines.append(
                f"{where}: expected finite numbers in {name}, found NaN, infinity, or what "
                f"float32 can't hold in {len(bad)} of {len(getattr(source, part))} simulations, "
                f"the first at index {bad[0]}"
            )
        elif part == "fiducial":
            fault = fault_of_digits(*spread(source), source.fiducial.dtype)
            lines += [f"{where}: {fault}"] if fault else []
        elif part == "derivative":
            constant = [
                parameter for parameter, found in zip(problem.names, seen, strict=True) if not found
            ]
            if constant:
                lines.append(
                    f"{where}: expected simulations that depend on {', '.join(constant)}, found "
                    f"{name} by it that is 0"
                )
    return Numbers(hashes, whole.hexdigest(), lines)


class OfFile(NamedTuple):
    """What was found in a file: faults, a line each; dtype and numbers where they could be read."""

    faults: list[str]
    dtype: str | None = None
    numbers: Numbers | None = None


def _look_through(split: str, path: str | Path, problem: Problem) -> OfFile:
    """Look for all faults of one file."""
    where = f"simulations.{split} ({path})"
    try:
        with open_arrays(path) as (arrays, attributes):
            faults = list(faults_of_structure(where, arrays, attributes, problem))
            if faults:
                return OfFile(faults)
            dtype = str(arrays["fiducial"].dtype)
        with open_users(path, problem) as source:
            numbers = _numbers(source, problem, where)
        return OfFile(numbers.faults, dtype, numbers)
    except InputError as error:
        return OfFile([f"simulations.{split}: {error}"])


def _in_both(hashes: Mapping[str, np.ndarray]) -> Iterator[str]:
    """A line for each pair of files that have simulations in common."""
    for one, other in itertools.combinations(hashes, 2):
        common = np.intersect1d(hashes[one], hashes[other])
        if common.size:
            i, j = (int(np.flatnonzero(hashes[split] == common[0])[0]) for split in (one, other))
            yield (
                f"simulations: expected different simulations in {one} and {other}, found "
                f"{common.size} in both, such as index {i} of {one} and index {j} of {other}"
            )


def _twice(hashes: np.ndarray, path: str | Path) -> Iterator[str]:
    """A line where the training file, which is split into sets, has simulations twice."""
    values, first, counts = np.unique(hashes, return_index=True, return_counts=True)
    again = counts > 1
    if again.any():
        i, j = first[again][0], np.flatnonzero(hashes == values[again][0])[1]
        yield (
            f"simulations.training ({path}): expected different simulations, since it is split "
            f"into sets, found {int((counts - 1).sum())} twice, such as index {i} and {j}"
        )


def check(
    paths: Mapping[str, str | Path], problem: Problem, is_split: bool
) -> tuple[dict[str, str], list[str]]:
    """A digest of each of a user's files, and all faults, a line each.

    Args:
        paths: by split.
        problem: with the parameters, shapes and kind of derivatives that are expected.
        is_split: whether the training file is split into sets.

    """
    found = {split: _look_through(split, path, problem) for split, path in paths.items()}
    lines = [line for of_file in found.values() for line in of_file.faults]
    dtypes = {split: each.dtype for split, each in found.items() if each.dtype}
    if len(set(dtypes.values())) > 1:
        kinds = ", ".join(f"{dtype} in {split}" for split, dtype in dtypes.items())
        lines.append(f"simulations: expected numbers of one size in all files, found {kinds}")
    # Discrete simulations are the same now and then; numbers that are not finite, too.
    hashes = {
        split: each.numbers.hashes
        for split, each in found.items()
        if each.numbers and not (each.faults or each.numbers.is_discrete)
    }
    lines += _in_both(hashes)
    if is_split and "training" in hashes:
        lines += _twice(hashes["training"], paths["training"])
    return {split: each.numbers.digest for split, each in found.items() if each.numbers}, lines


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
