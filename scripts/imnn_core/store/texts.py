"""Texts, JSON and SVG files that are written whole, with a checksum beside them."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from imnn_core.store.errors import InputError
from imnn_core.store.files import read, writing
from imnn_core.store.wording import make_again, shortened, shown


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, values: dict) -> None:
    """Write a JSON file whole or not at all.

    Raises:
        InputError: it would have a number that is not finite, which JSON has no word for.

    """
    for place, number in _not_finite(values):
        raise InputError(f"{path}: expected finite numbers to write, found {number} in {place}")
    write_text(path, json.dumps(values, indent=2, allow_nan=False) + "\n")


def _not_finite(values: Any, place: str = "") -> Iterator[tuple[str, float]]:
    """Places in a tree of values, such as `splits.test[0]`, of numbers that are not finite."""
    if isinstance(values, float) and not math.isfinite(values):
        yield place, values
    elif isinstance(values, dict):
        for key, value in values.items():
            yield from _not_finite(value, f"{place}.{key}" if place else str(key))
    elif isinstance(values, list | tuple):
        for i, value in enumerate(values):
            yield from _not_finite(value, f"{place}[{i}]")


def read_json(path: str | Path) -> dict:
    """Read a JSON file that this project wrote.

    Raises:
        InputError: it is missing, not whole, or no mapping.

    """
    try:
        found = json.loads(read(path))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: expected a whole JSON file, found: {error}; {make_again(path)}"
        ) from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected a mapping, found {shown(found)}; {make_again(path)}")
    return found


def read_svg(path: str | Path) -> bytes:
    """Read an SVG file that this project wrote.

    Raises:
        InputError: it is missing or not whole.

    """
    content = read(path)
    try:
        found = ElementTree.fromstring(content).tag.rpartition("}")[2]
    except (ValueError, LookupError, ElementTree.ParseError) as error:
        found = str(error)
    if found != "svg":
        raise InputError(
            f"{path}: expected a whole SVG file, found: {shortened(found)}; {make_again(path)}"
        )
    return content
