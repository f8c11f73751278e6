"""A user's files of simulations: all their faults, found before any fit, and how they are split."""

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from imnn_core.data.arrays import dataset_names, open_arrays, open_users
from imnn_core.data.sources import Source, pieces
from imnn_core.problems import Problem
from imnn_core.problems.simulations import STREAMS, depends
from imnn_core.problems.simulator import not_finite
from imnn_core.store.errors import InputError
from imnn_core.store.wording import nearest, of_shape

BYTES = 2**23  # read at a time


def _axes(problem: Problem, part: str) -> list[list[tuple[str, tuple[int, ...]]]]:
    """A dataset's axes after the first, with names: in the right order and in other common ones."""
    grid, parameter, side = (
        ("*input_shape", problem.input_shape),
        ("n_params", (problem.n_params,)),
        ("2", (2,)),
    )
    if part == "fiducial":
        return [[grid]]
    if problem.delta_theta is None:
        return [[grid, parameter], [parameter, grid]]
    return [[side, parameter, grid], [parameter, side, grid], [grid, parameter, side]]


def _transposed(problem: Problem, part: str, shape: tuple[int, ...]) -> str:
    """How the axes seem to lie, where the shape shows it."""
    first = [("n_s" if part == "fiducial" else "n_d", (None,))]  # of any size
    right, *others = _axes(problem, part)
    orders = [first + order for order in others]
    for order in (right, *others):
        orders += [order[:i] + first + order[i:] for i in range(1, len(order) + 1)]
    for order in orders:
        sizes = [n for _, axis in order for n in axis]
        if len(sizes) == len(shape) and all(
            n in (None, found) for n, found in zip(sizes, shape, strict=True)
        ):
            seen, expected = (
                ", ".join(name for name, _ in axes) for axes in (order, first + right)
            )
            return f"; its axes seem to be ({seen}): transpose them to ({expected})"
    return ""


def _faults_of_shape(where: str, part: str, dataset, problem: Problem):
    name = dataset_names(problem)[part]
    letter = "n_s" if part == "fiducial" else "n_d"
    shape = problem.input_shape if part == "fiducial" else problem.derivative_shape
    if dataset.dtype.newbyteorder("=") not in (np.float32, np.float64):
        yield f"{where}: expected {name} of float32 or float64, found {dataset.dtype}"
    if tuple(dataset.shape[1:]) != shape or not dataset.shape:
        expected, found = of_shape(letter, *shape), of_shape(*dataset.shape)
        axes = _transposed(problem, part, dataset.shape)
        yield f"{where}: expected {name} of shape {expected}, found {found}{axes}"


def fewest(problem: Problem) -> int:
    """The fewest simulations for which C of n_params summaries has an inverse and an error."""
    return problem.n_params + 3


def _faults_of_structure(where: str, arrays: Mapping, attributes: Mapping, problem: Problem):
    """Of one file, by what it says of itself."""
    names = dataset_names(problem)
    missing = [
        name for name in names.values() if not hasattr(arrays.get(name), "dtype")
    ]  # a group has none
    for name in missing:
        there = [key for key in arrays if key not in attributes]
        other = {"derivative": "shifted", "shifted": "derivative"}.get(name)
        hint = nearest(name, there)
        if other in there:
            kind = "finite_difference, with delta_theta" if other == "shifted" else "exact"
            hint = f" (`derivative: {kind}` takes {other!r})"
        yield f"{where}: expected a dataset {name!r}, found {', '.join(there) or 'none'}{hint}"
    expected = {"names": list(problem.names), "theta_fid": problem.theta_fid.tolist()}
    if problem.delta_theta is not None:
        expected["delta_theta"] = problem.delta_theta.tolist()
    for key, value in expected.items():
        if key in attributes:
            found = [
                item.decode() if isinstance(item, bytes) else item
                for item in np.atleast_1d(attributes[key]).tolist()
            ]
            same = (
                found == value
                if key == "names"
                else len(found) == len(value) and np.allclose(found, value)
            )
            if not same:
                yield f"{where}: expected {key} = {value} as in the config, found {found}"
    if missing:
        return
    datasets = {part: arrays[name] for part, name in names.items()}
    lines = [
        line
        for part, dataset in datasets.items()
        for line in _faults_of_shape(where, part, dataset, problem)
    ]
    yield from lines
    if lines:
        return
    if datasets["fiducial"].dtype != datasets["derivative"].dtype:
        kinds = " and ".join(f"{datasets[part].dtype} in {name}" for part, name in names.items())
        yield f"{where}: expected numbers of one size, found {kinds}"
    n_s, n_d = (len(datasets[part]) for part in ("fiducial", "derivative"))
    if n_s < fewest(problem):
        at_least = f"at least n_params + 3 = {fewest(problem)} simulations"
        yield f"{where}: expected {at_least}, found {n_s}"
    if n_d > n_s:
        at_most = f"at most as many in {names['derivative']} as in fiducial, {n_s}"
        yield f"{where}: expected {at_most}, found {n_d}"
    if n_d < 2:
        yield f"{where}: expected at least 2 simulations in {names['derivative']}, found {n_d}"


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
    """The whole file is read once, a piece at a time."""
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
                seen = seen | depends(problem, piece)
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
            faults = list(_faults_of_structure(where, arrays, attributes, problem))
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
    n_s: int, n_d: int, fractions: Mapping[str, float], seed: int
) -> dict[str, np.ndarray]:
    """Rising numbers of the simulations of each set, drawn by the seed.

    Those with derivatives and those without are split alike.

    Args:
        n_s, n_d: simulations of the file, and those with derivatives.
        fractions: of the sets other than training, which gets the rest.

    """
    rng = np.random.default_rng([seed, STREAMS["fractions"]])
    parts = {split: [] for split in ("training", *fractions)}
    for order in (rng.permutation(n_d), n_d + rng.permutation(n_s - n_d)):
        edges = np.round(np.cumsum([0, *fractions.values()]) * len(order)).astype(int)
        for split, (a, b) in zip(fractions, itertools.pairwise(edges), strict=True):
            parts[split].append(order[a:b])
        parts["training"].append(order[edges[-1] :])
    return {split: np.sort(np.concatenate(rows)) for split, rows in parts.items()}
