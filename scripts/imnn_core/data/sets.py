"""Sets of simulations in files: drawn by this project, or references to a user's own files."""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from imnn_core.data import sources
from imnn_core.data.arrays import open_users, source_of
from imnn_core.data.dataset_names import dataset_names
from imnn_core.data.reading import OF_YOUR_OWN, of_hdf5, plain
from imnn_core.data.sources import Source, pieces
from imnn_core.problems import Problem, simulator, stencils
from imnn_core.problems.precision import not_finite
from imnn_core.problems.simulations import Simulations
from imnn_core.store.errors import InputError
from imnn_core.store.files import check_room, make_again
from imnn_core.store.hdf5 import as_input_errors, opened, writing
from imnn_core.store.wording import of_shape

PIECE = 2**23  # bytes that are checked at a time


def _attribute(problem: Problem) -> Any:
    """The steps of finite differences as an attribute; lists of offsets as text."""
    steps = problem.delta_theta
    return steps if steps is None or stencils.is_pairs(steps) else json.dumps(steps)


def _identity(problem: Problem, seed: int, split: str) -> dict[str, Any]:
    """Attributes by which a set of simulations is known."""
    steps = {} if problem.delta_theta is None else {"delta_theta": _attribute(problem)}
    return {
        "problem": problem.name,
        "names": list(problem.names),
        "theta_fid": problem.theta_fid,
        "seed": seed,
        "split": split,
        **steps,
    }


def write_simulations(
    path: str | Path,
    pieces: Iterable[Simulations],
    problem: Problem,
    *,
    n_s: int,
    n_d: int,
    seed: int,
    split: str,
) -> None:
    """Write one split of one seed, piece by piece as it is drawn.

    Datasets: fiducial (n_s, *input_shape); derivative (n_d, *input_shape, n_params), or shifted
    (n_d, 2, n_params, *input_shape) or (n_d, n_columns, *input_shape). Each lies in one stretch of
    the file: fits read consecutive rows, which HDF5 does more slowly from a dataset in chunks, of
    whatever size.

    Raises:
        InputError: the disk is full.

    """
    names = dataset_names(problem)
    shapes = {
        "fiducial": (n_s, *problem.input_shape),
        "derivative": (n_d, *problem.stored_shape),
    }
    with writing(path, "simulations", _identity(problem, seed, split)) as file:
        written = dict.fromkeys(names, 0)
        for piece in pieces:
            if not len(file):
                for part, name in names.items():
                    file.create_dataset(name, shapes[part], getattr(piece, part).dtype)
                check_room(path, sum(dataset.nbytes for dataset in file.values()))
            for part, name in names.items():
                array = getattr(piece, part)
                file[name][written[part] : written[part] + len(array)] = array
                written[part] += len(array)


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
        checked: the path to the `file`, its `n_s` and `n_d`, and a `digest` of its numbers.
        rows_of_file: numbers of the split's simulations in it, rising; all, if None.

    """
    sizes = {
        "file": str(checked["file"]),
        "n_s_of_file": checked["n_s"],
        "n_d_of_file": checked["n_d"],
    }
    sizes["digest"] = checked[
        "digest"
    ]  # so that a reference changes with the numbers that it means
    with writing(path, "reference", _identity(problem, seed, split) | sizes) as file:
        if rows_of_file is not None:
            file["rows"] = rows_of_file


@contextlib.contextmanager
def open_simulations(
    path: str | Path,
    problem: Problem,
    *,
    seed: int,
    split: str,
    n_s: int | None = None,
    n_d: int | None = None,
    as_stored: bool = False,
) -> Iterator[Source]:
    """One split of one seed, to be read by rows while the context lasts.

    Its derivatives are tangents, or with `of_summaries` simulations at shifted parameters.

    The whole file is read once, to see that it is as it was written; of a reference the file that
    it means, to see that its numbers are finite.

    Args:
        n_s, n_d: simulations and derivatives that are expected in it; as many as there are, if
            None.
        as_stored: whether to leave simulations at shifted parameters as they are.

    Raises:
        InputError: the file was cut off or changed, has other shapes, or comes from another
            problem, theta_fid, seed or split than asked for; a user's holds NaN or infinities; and
            of ``Source.read``: it has become shorter, or can't be read any more.

    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(opened(path, "simulations", "reference"))
        with as_input_errors(path):
            for name, value in (
                _identity(problem, seed, split) | {"delta_theta": _attribute(problem)}
            ).items():
                found, value = plain(file.attrs.get(name)), plain(value)
                if found != value:
                    raise InputError(
                        f"{path}: expected {name} = {value} as in the config, found {found}; "
                        f"{make_again(path)}"
                    )
            is_reference = file.attrs["kind"] == "reference"
            if is_reference:
                source = stack.enter_context(_referred(file, problem))
            else:
                names, remedy = dataset_names(problem), make_again(path)
                arrays = {name: of_hdf5(file[name], path, name, remedy) for name in names.values()}
                source = source_of(arrays, names, problem)
            expected = {
                "fiducial": (n_s, problem.input_shape),
                "derivative": (n_d, problem.stored_shape),
            }
            for part, (n, shape) in expected.items():
                found = getattr(source, part).shape
                if found != (found[0] if n is None else n, *shape):
                    name = dataset_names(problem)[part]
                    shown = of_shape("n" if n is None else n, *shape)
                    raise InputError(
                        f"{path}: expected {name} of shape {shown}, found {found}; "
                        f"{make_again(path)}"
                    )
            if is_reference:
                check_finite(source, file.attrs["file"], OF_YOUR_OWN)
        yield source if as_stored else derived(source, problem)


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
                f"of {len(getattr(source, name))} simulations, the first at index {bad[0]}; "
                f"{remedy}"
            )


@contextlib.contextmanager
def _referred(reference: Any, problem: Problem) -> Iterator[Source]:
    """The simulations of a user's file that a reference means."""
    with open_users(reference.attrs["file"], problem) as source:
        for part, key in (("fiducial", "n_s_of_file"), ("derivative", "n_d_of_file")):
            found, expected = len(getattr(source, part)), reference.attrs[key]
            if found != expected:
                raise InputError(
                    f"{reference.attrs['file']}: expected {expected} in "
                    f"{dataset_names(problem)[part]} as when it was checked, found {found}; run "
                    "snakemake again to check it anew"
                )
        yield sources.select(source, reference["rows"][:]) if "rows" in reference else source
