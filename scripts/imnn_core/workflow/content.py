"""What is in a user's files of simulations, as digests, whatever their times of modification.

A run that is handed on without its files has their digests instead, and the names of those of
patterns and folders. Imports no jax.
"""

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imnn_core.data import named_files, named_sets
from imnn_core.data.named_sets import Given
from imnn_core.store.errors import InputError
from imnn_core.workflow.digest import content_digest, settings_digest


@functools.cache
def _of_content(path: str, stamp: tuple) -> str | None:
    """Digest of a file, which is read once by a process as long as its stamp is the same."""
    return content_digest(path)


def _digest(path: str) -> str | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return _of_content(path, (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev))


def of_file(path: str, datasets: Sequence[str] = ()) -> str:
    """Digest of a file and of those to which it links.

    Args:
        path: to any file.
        datasets: whose links count, besides those of a set of simulations.

    """
    from imnn_core.data import links  # and with it h5py, only where there is such a file

    others = [other for name in (None, *datasets) for other in links.others(path, name)]
    return settings_digest([_digest(each) for each in (path, *dict.fromkeys(others))])


def _is_missing(entry: str) -> bool:
    return not any(os.path.lexists(path) for path in named_files.of_entry(entry))


def _entries(given: Given) -> Iterator[tuple[str, list[str]]]:
    """Each path, pattern and folder of a set's arrays, with the names of its datasets."""
    found = {}
    for _, each in named_sets.arrays_of(given):
        for entry in named_files.entries(each):
            names = found.setdefault(entry, [])
            if isinstance(each, Mapping) and each.get("dataset"):
                names.append(each["dataset"])
    return iter(found.items())


def of_entries(given: Given, known: Mapping[str, Any]) -> dict[str, Any]:
    """Digest of each file, or of each pattern and folder with the names of its files.

    Args:
        given: what names a set.
        known: what this function has returned of files that are not here.

    """
    if not isinstance(given, Mapping):
        return {given: known[given] if given in known and _is_missing(given) else of_file(given)}
    found = {}
    for entry, datasets in _entries(given):
        if entry in known and _is_missing(entry):
            found[entry] = known[entry]
            continue
        paths = named_files.of_entry(entry)
        digest = settings_digest([of_file(path, datasets) for path in paths])
        found[entry] = digest if paths == [entry] else {"digest": digest, "files": paths}
    return found


def of_set(given: Given, known: Mapping[str, Any]) -> str:
    """Digest of a set's files, and of how arrays lie in them; their names do not count.

    See `of_entries` for the arguments.
    """
    digests = {
        entry: found["digest"] if isinstance(found, Mapping) else found
        for entry, found in of_entries(given, known).items()
    }
    if not isinstance(given, Mapping):
        return digests[given]
    return settings_digest(named_sets.found(given, digests.__getitem__))


def of_array(given: named_files.Given, known: Mapping[str, Any]) -> str:
    """The same of one array, see `config.listed.Listed`."""
    return of_set({"fiducial": named_files.plain(given)}, known)


def inputs_of(given: Given, known: Mapping[str, Any]) -> list[str]:
    """Paths that Snakemake looks at: a set's files, unless they are many.

    See `of_entries` for the arguments.
    """
    if not isinstance(given, Mapping):
        return [given]
    paths = []
    for entry, _ in _entries(given):
        if entry in known and _is_missing(entry) and isinstance(known[entry], Mapping):
            paths += known[entry]["files"]
        else:
            paths += named_files.of_entry(entry)
    paths = list(dict.fromkeys(path for path in paths if not {"{", "}"} & set(path)))
    return paths if len(paths) <= named_sets.MOST_INPUTS else []


def to_open(
    named: Mapping[str, Any], known: Mapping[str, Any], is_made: bool = True, arrays: bool = False
) -> tuple[list[tuple], list[str]]:
    """Files to open, see `trial.faults`, and a line for each that is not there, or named wrongly.

    Args:
        named: what names sets, by their keys in the configuration.
        known: see `of_entries`.
        is_made: whether a rule of another workflow may make files that are not there. One of many,
            which Snakemake does not look at, must be there in any case.
        arrays: whether each is one array, and not a set.

    """
    files, lines = [], []
    for key, given in named.items():
        as_set = {"fiducial": given} if arrays else given
        if all(entry in known and _is_missing(entry) for entry in named_sets.entries_of(as_set)):
            continue
        try:
            found = list(_files_of(key, given, arrays))
        except InputError as error:
            lines += error.lines
            continue
        files += found
        if not (is_made and inputs_of(as_set, known)):
            missing = [(at, path) for at, path, *_ in found if not os.path.lexists(path)]
            lines += named_files.few(
                [f"{at}: expected a file, found none at {path}" for at, path in missing], key
            )
    return files, lines


def _files_of(key: str, given: Any, is_array: bool) -> Iterator[tuple]:
    """Files of a set or of an array: the key, the path, and of arrays the dataset's name."""
    if is_array:
        dataset = given.get("dataset") if isinstance(given, Mapping) else None
        yield from ((key, path, dataset) for path in named_files.paths_of(given, key))
    elif isinstance(given, Mapping):
        try:
            of_set = list(named_sets.files_of(given))
        except InputError as error:
            raise InputError(
                *(named_sets.of_key(key, line, given) for line in error.lines)
            ) from None
        yield from ((key + of_array, path, dataset) for of_array, path, dataset in of_set)
    else:
        yield key, given
