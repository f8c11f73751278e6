"""Sets of simulations in files: drawn by this project, or references to a user's own files."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from imnn_core.data import identity, part_files, part_sources, sources
from imnn_core.data.arrays import open_users
from imnn_core.data.dataset_names import dataset_names
from imnn_core.data.named_sets import Given, set_in_words
from imnn_core.data.part_layout import Layout
from imnn_core.data.parts import Part
from imnn_core.data.reading import OF_YOUR_OWN
from imnn_core.data.sources import Source, pieces
from imnn_core.problems import Problem, simulator
from imnn_core.problems.precision import not_finite
from imnn_core.store import hdf5, heads
from imnn_core.store.errors import InputError
from imnn_core.store.files import make_again, told_if_full
from imnn_core.store.hdf5 import as_input_errors, opened
from imnn_core.store.wording import of_shape

PIECE = 2**23  # bytes that are checked at a time


@contextlib.contextmanager
def writing(
    path: str | Path, part: Part, problem: Problem, *, seed: int, split: str, made_from: str = ""
) -> Iterator[part_files.Writer]:
    """Write a part of one split of one seed, piece by piece; it appears at the end of the block.

    What is there already, of an interrupted job or in other parts, is taken over.

    Datasets: fiducial (n, *input_shape); derivative (n_d, *input_shape, n_params), or shifted
    (n_d, 2, n_params, *input_shape) or (n_d, n_columns, *input_shape).

    Args:
        made_from: digest of the code and settings by which simulations are known to be the same.

    Raises:
        InputError: the disk is full; or another job writes the part.

    """
    by = {"made_from": made_from, "identity": identity.digest(problem, seed, split)}
    attributes = identity.attributes(problem, seed, split) | {"first": part.first}
    writer = part_files.Writer(Path(path), Layout(part, problem), attributes, by)
    with told_if_full(path, writer.n_bytes):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        try:
            writer.open()
            yield writer
            writer.finish()
        finally:
            writer.close()


def write_reference(
    path: str | Path,
    checked: Mapping[str, Any],
    problem: Problem,
    *,
    rows_of_file: np.ndarray | None,
    seed: int,
    split: str,
) -> None:
    """Write which simulations of a user's file are a split, without a copy of them.

    Args:
        checked: the path to the `file`, or what names the files of a set's arrays; its `n_s` and
            `n_d`, and a `digest` of its numbers.
        rows_of_file: numbers of the split's simulations in it, rising; all, if None.

    """
    sizes = {"n_s_of_file": checked["n_s"], "n_d_of_file": checked["n_d"]}
    sizes["digest"] = checked["digest"]  # a reference changes with the numbers that it means
    given, is_path = checked["file"], isinstance(checked["file"], str | os.PathLike)
    if is_path:
        sizes["file"] = str(given)
    with hdf5.writing(path, "reference", identity.attributes(problem, seed, split) | sizes) as file:
        if rows_of_file is not None:
            file["rows"] = rows_of_file
        if not is_path:
            file["given"] = json.dumps(given)  # an attribute has room for 64 kB


def _given(reference: Any) -> Given:
    """What names the files that an open reference means."""
    if "given" in reference:
        return json.loads(reference["given"][()])
    return reference.attrs["file"]


@contextlib.contextmanager
def open_simulations(
    paths: str | Path | Sequence[str | Path],
    problem: Problem,
    *,
    seed: int,
    split: str,
    n_s: int | None = None,
    n_d: int | None = None,
    as_stored: bool = False,
    is_own: bool = False,
) -> Iterator[Source]:
    """One split of one seed, to be read by rows while the context lasts.

    Its derivatives are tangents, or with `of_summaries` simulations at shifted parameters.

    Each file is read once, to see that it is as it was written; of a reference the file that it
    means, to see that its numbers are finite.

    Args:
        paths: to the set's parts, or to a reference.
        n_s, n_d: simulations and derivatives that are expected in it; as many as there are, if
            None.
        as_stored: whether to leave simulations at shifted parameters as they are.
        is_own: whether this job has drawn them.

    Raises:
        InputError: a file was cut off or changed, has other shapes, or comes from another
            problem, theta_fid, seed or split than asked for; a user's holds NaN or infinities; and
            of ``Source.read``: it has become shorter, or can't be read any more.

    """
    paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    path, names = paths[0], dataset_names(problem)
    with contextlib.ExitStack() as stack:
        with as_input_errors(path):
            is_reference = heads.read(path).note is None
        if is_reference:
            file = stack.enter_context(opened(path, "simulations", "reference"))
            with as_input_errors(path):
                identity.check(file, path, problem, seed, split)
                source = stack.enter_context(_referred(file, problem))
        else:
            source, notes = stack.enter_context(part_sources.opened(paths, problem, is_own))
            wanted = identity.digest(problem, seed, split)
            for each, note in zip(paths, notes, strict=True):
                if note["identity"] != wanted:
                    with opened(each, "simulations") as file, as_input_errors(each):
                        raise InputError(identity.fault_of_part(file, each, problem, seed, split))
        expected = {
            "fiducial": (n_s, problem.input_shape),
            "derivative": (n_d, problem.stored_shape),
        }
        for part, (n, shape) in expected.items():  # of a user's file that was changed since
            found = getattr(source, part).shape
            if found != (found[0] if n is None else n, *shape):
                shown = of_shape("n" if n is None else n, *shape)
                raise InputError(
                    f"{path}: expected {names[part]} of shape {shown}, found {found}; "
                    f"{make_again(path)}"
                )
        if is_reference:
            check_finite(source, set_in_words(_given(file)), OF_YOUR_OWN)
        yield source if as_stored else derived(source, problem)


def checksum_of(paths: str | Path | Sequence[str | Path]) -> str:
    """The checksum of a set's files.

    Raises:
        InputError: one has none.

    """
    paths = [paths] if isinstance(paths, str | os.PathLike) else paths
    first, *others = map(hdf5.checksum, paths)
    return hashlib.sha256("".join([first, *others]).encode()).hexdigest() if others else first


def derived(source: Source, problem: Problem) -> Source:
    """The derivatives of a set as a network gets them.

    Args:
        source: as it is stored.
        problem: its differences are taken in the data, or of summaries.

    """
    if problem.delta_theta is not None and problem.of_summaries:
        return sources.complete(source)
    return tangents(source, problem)


def tangents(source: Source, problem: Problem) -> Source:
    """The source with tangents, by differences in the data where it has shifted simulations."""
    if source.counts is None:
        return source
    return sources.differenced(source, simulator.weights_of_points(problem))


def check_finite(source: Source, path: str | Path, remedy: str) -> None:
    """Read a whole source, a piece at a time, to see that its numbers are finite.

    Args:
        source: of simulations.
        path: where they lie, and
        remedy: what to do about it, for the error.

    Raises:
        InputError: some are not; it names the file, what is wrong, how often, and where first.

    """
    for name in ("fiducial", "derivative"):
        bad = [
            index
            for start, piece in pieces(source, name, PIECE)
            for index in start + not_finite(piece)
        ]
        if bad:
            raise InputError(
                f"{path}: expected finite numbers in {name}, found NaN or infinity in {len(bad)} "
                f"of {len(getattr(source, name))} simulations, the first at index {bad[0]}"
                f"{source.at(name, bad[0])}; {remedy}"
            )


@contextlib.contextmanager
def _referred(reference: Any, problem: Problem) -> Iterator[Source]:
    """The simulations of a user's file that a reference means."""
    given = _given(reference)
    with open_users(given, problem) as source:
        for part, key in (("fiducial", "n_s_of_file"), ("derivative", "n_d_of_file")):
            found, expected = len(getattr(source, part)), reference.attrs[key]
            if found != expected:
                raise InputError(
                    f"{set_in_words(given)}: expected {expected} in "
                    f"{dataset_names(problem)[part]} as when it was checked, found {found}; run "
                    "snakemake again to check it anew"
                )
        yield sources.select(source, reference["rows"][:]) if "rows" in reference else source
