"""Sets of simulations as a configuration names them: a file each, or files for each array.

What names a set is plain: a path, or a mapping {fiducial, derivative, shifted}, see `config.files`.
Imports no jax, no h5py.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from imnn_core.data import named_files

Given = str | Mapping[str, Any]
PARTS = ("fiducial", "derivative", "shifted")
MOST_INPUTS = 100  # files of a set that Snakemake looks at; their content counts in any case


def plain(given: Any) -> Given:
    """What names a set, where it may be a model of the configuration or a path."""
    if hasattr(given, "model_dump"):
        given = given.model_dump()
    return given if isinstance(given, Mapping) else str(given)


def _is_array(given: Any) -> bool:
    """Whether this names one array, and not an array for each parameter and offset."""
    return not isinstance(given, Mapping) or not isinstance(given.get("files", {}), Mapping)


def arrays_of(given: Given) -> Iterator[tuple[tuple[str, ...], named_files.Given]]:
    """What names each array of a mapping, with its keys: `fiducial`, or shifted, Mnu, 0.1."""
    for part in PARTS:
        if (of_part := given.get(part)) is None:
            continue
        if _is_array(of_part):
            yield (part,), of_part
        else:
            for name, offsets in of_part.items():
                yield from (((part, name, key), each) for key, each in offsets.items())


def name_of(keys: tuple[str, ...]) -> str:
    """The name of an array: `shifted/Mnu/0.1`, whatever way the offset is written."""
    part, *rest = keys
    return "/".join([part, rest[0], repr(float(rest[1]))]) if rest else part


def found(given: Any, place: Callable[[str], str]) -> Given:
    """The same with other paths, see `named_files.found`."""
    given = plain(given)
    if not isinstance(given, Mapping):
        return place(given)
    result = {}
    for keys, each in arrays_of(given):
        inner = result
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[keys[-1]] = named_files.found(each, place)
    return result


def set_in_words(given: Given) -> str:
    """A set in a message: its file, or the files of its fiducial simulations."""
    return named_files.in_words(given["fiducial"]) if isinstance(given, Mapping) else str(given)


def of_key(key: str, line: str, given: Given) -> str:
    """A line about a set with its key in the configuration; that of an array begins with its own.

    Args:
        key: of the set.
        line: of an error.
        given: what names the set.

    """
    return f"{key}.{line}" if isinstance(given, Mapping) else f"{key}: {line}"


def files_of(given: Given) -> Iterator[tuple[str, str, str | None]]:
    """Each file of a set with the key of its array, behind a dot, and the name of its dataset.

    Raises:
        InputError: see `named_files.paths_of`.

    """
    if not isinstance(given, Mapping):
        yield "", str(given), None
        return
    for keys, each in arrays_of(given):
        dataset = each.get("dataset") if isinstance(each, Mapping) else None
        where = ".".join(keys)
        yield from ((f".{where}", path, dataset) for path in named_files.paths_of(each, where))


def entries_of(given: Given) -> list[str]:
    """All paths, patterns and folders that name a set."""
    if not isinstance(given, Mapping):
        return [str(given)]
    named = (entry for _, each in arrays_of(given) for entry in named_files.entries(each))
    return list(dict.fromkeys(named))
