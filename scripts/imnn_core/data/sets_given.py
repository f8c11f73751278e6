"""A set of simulations, opened: one file of arrays, or arrays in any number of files."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from imnn_core.data import listing, named_files
from imnn_core.data.listing import Layout, Listing
from imnn_core.data.named_sets import Given, arrays_of, name_of, plain
from imnn_core.data.one_array import ATTRIBUTES
from imnn_core.data.reading import Opened, open_file
from imnn_core.problems import Problem
from imnn_core.store.errors import InputError
from imnn_core.store.wording import shown


def layout_of(keys: tuple[str, ...], problem: Problem) -> Layout:
    """What an array should be.

    Args:
        keys: `fiducial`, `derivative` or `shifted`; of one offset's also the parameter and it.
        problem: of the simulations.

    """
    shape, part = problem.input_shape, keys[0]
    if part == "derivative":
        return Layout((*shape, problem.n_params), ("derivative",), ("n_params",), at_end=True)
    if len(keys) > 1:
        return Layout(shape, ("/".join(keys), "shifted"))
    if part == "shifted":
        return Layout((2, problem.n_params, *shape), ("shifted",), ("sides", "n_params"))
    return Layout(shape, ("fiducial",))


@contextlib.contextmanager
def open_given(given: Given, problem: Problem) -> Iterator[Opened]:
    """What is in the files of a set, as if they were one file with all arrays in our order.

    Few files are open at a time. Arrays have the names `fiducial`, `derivative`, `shifted`, or
    `shifted/PARAMETER/OFFSET`.

    Args:
        given: a path to one file, or a mapping {fiducial, derivative or shifted}, in which files
            are named as in `config.files`.
        problem: of the simulations.

    Raises:
        InputError: a file can't be read, or is not like the others; a line each, which begins with
            the key of the array, if there is a mapping.

    """
    given = plain(given)
    if not isinstance(given, Mapping):
        with open_file(given) as found:
            yield found
        return
    listings, lines = {}, []
    with contextlib.ExitStack() as stack:
        for keys, each in arrays_of(given):
            where = ".".join(keys)
            try:
                opened = listing.opened(each, layout_of(keys, problem), where)
                listings[keys] = stack.enter_context(opened)
                lines += listings[keys].faults()
            except InputError as error:
                lines += error.lines
        lines += _shared(listings)
        attributes, of_attributes = _attributes(listings)
        lines += of_attributes
        if lines:
            raise InputError(*lines)
        arrays = {name_of(keys): each.array() for keys, each in listings.items()}
        of_npz = sum(
            listing.OPEN * max(piece.n_bytes_loaded for piece in each.pieces)
            for each in listings.values()
        )
        yield Opened(arrays, attributes, {}, [*arrays], False, is_named=True, of_npz=of_npz)


def _shared(listings: Mapping[tuple, Listing]) -> Iterator[str]:
    """Arrays of which another key has the same files."""
    seen = {}
    for keys, each in listings.items():
        for piece in each.pieces:
            key = named_files.place_of(piece.path), piece.name
            if key in seen:
                yield (
                    f"{'.'.join(keys)} ({piece.path}): expected other simulations than those of "
                    f"{seen[key]}, found the same file"
                )
                break
            seen[key] = ".".join(keys)


def _attributes(listings: Mapping[tuple, Listing]) -> tuple[dict[str, Any], list[str]]:
    """What files say of themselves, and a line for each that says something else than others.

    Files of one offset say nothing: their theta is another.
    """
    found, lines = {}, []
    for keys, each in listings.items():
        for piece in each.pieces if len(keys) == 1 else ():
            for name in ATTRIBUTES:
                if name not in piece.attributes:
                    continue
                value = piece.attributes[name]
                first, path = found.setdefault(name, (value, piece.path))
                if value != first:
                    lines.append(
                        f"{'.'.join(keys)} ({piece.path}): expected {name} = {shown(first)} as in "
                        f"{path}, found {shown(value)}"
                    )
    return {name: value for name, (value, _) in found.items()}, named_files.few(lines)
