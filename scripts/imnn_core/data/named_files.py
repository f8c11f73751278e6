"""Files that a configuration names by paths, patterns, folders and lists. Imports no jax, no h5py.

What names an array is plain: a text, a list of texts, or a mapping {files, dataset, axes}.
"""

import glob
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from imnn_core.config.listed import entries
from imnn_core.store.errors import InputError
from imnn_core.store.wording import shortened

ENDINGS = (".npy", ".npz", ".h5", ".hdf5", ".hdf", ".he5")  # of files of arrays in a folder

Given = str | Sequence[str] | Mapping[str, Any]


def plain(given: Any) -> Given:
    """What names an array, where it may be a model of the configuration or a path."""
    if hasattr(given, "model_dump"):
        return given.model_dump()
    return str(given) if isinstance(given, Path) else given


def naturally(path: str) -> tuple:
    """The key of the natural order: numbers by value, sim_2 before sim_10."""
    parts = re.split(r"([0-9]+)", path)  # texts and digits in turn
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], path


def is_pattern(entry: str) -> bool:
    """Whether this is a pattern, and not a file or folder of this very name."""
    return glob.has_magic(entry) and not os.path.lexists(entry)


def of_entry(entry: str) -> list[str]:
    """Paths of a pattern or of a folder in natural order; the path itself otherwise."""
    if is_pattern(entry):
        found = [path for path in glob.glob(entry, recursive=True) if not os.path.isdir(path)]
    elif os.path.isdir(entry):
        found = [
            os.path.join(entry, name)
            for name in os.listdir(entry)
            if name.lower().endswith(ENDINGS)
            and not name.startswith(".")
            and not os.path.isdir(os.path.join(entry, name))
        ]
    else:
        return [entry]
    return sorted(found, key=naturally)


def paths_of(given: Any, where: str = "") -> list[str]:
    """Paths of all files that are named, in order: lists as listed, the rest in natural order.

    Args:
        given: a path, a pattern, a folder, a list of these, or a mapping with `files`.
        where: the key of the configuration, for errors.

    Raises:
        InputError: a pattern or a folder without files; or a file that is named twice.

    """
    paths, lines = [], []
    for entry in entries(given):
        found = of_entry(entry)
        if not found:
            kind = "of that pattern" if is_pattern(entry) else f"in it ({', '.join(ENDINGS)})"
            lines.append(f"{_at(where, entry)}: expected files {kind}, found none")
        paths += found
    lines += [
        f"{_at(where, path)}: expected each file once, found it twice" + other
        for path, other in _twice(paths)
    ]
    if lines:
        raise InputError(*few(lines, where))
    return paths


def _at(where: str, path: str) -> str:
    return f"{where} ({path})" if where else path


def _twice(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    seen = {}
    for path in paths:
        key = place_of(path)
        if key in seen:
            yield path, "" if seen[key] == path else f", also as {seen[key]}"
        seen.setdefault(key, path)


def place_of(path: str) -> Any:
    """By which a file is known, whatever leads to it."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return os.path.abspath(path)
    return found.st_dev, found.st_ino


def few(lines: Sequence[str], where: str = "", most: int = 10) -> list[str]:
    """The first of many lines, and how many more there are."""
    more = f"{where}: " * bool(where) + f"found {len(lines) - most} more faults like these"
    return [*lines[:most], more] if len(lines) > most else list(lines)


def in_words(given: Any) -> str:
    """The files of an array in a message: one name, or the first and how many more are named."""
    first, *others = entries(given)
    more = f" and {len(others)} more" if others else ""
    return shortened(first) + more


def found(given: Any, place: Callable[[str], str]) -> Given:
    """The same with other paths.

    Args:
        given: see `entries`.
        place: of a path, a pattern or a folder.

    """
    given = plain(given)
    if isinstance(given, Mapping):
        return {**given, "files": found(given["files"], place)}
    return place(given) if isinstance(given, str) else [place(each) for each in given]
