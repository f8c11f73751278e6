"""What a configuration may be made of: numbers, texts, lists and mappings, of a sensible size.

YAML gives more than that: dates, bytes, values that hold themselves, or each other 2**40 times.
Imports no jax.
"""

import math
from collections.abc import Sequence
from numbers import Number
from typing import Any

from imnn_core.store.wording import of_keys, shown

MOST = 10**6  # values, each counted as often as it is seen
DEEPEST = 50  # levels
NAMED = 4  # levels of keys by which a value that is too large is named
BITS = 1000  # of a whole number, which a float can then take


class _Refused:
    """In place of a value that was refused: whoever refuses it again need not say so."""

    def __repr__(self):
        return "…"


REFUSED = _Refused()


def _children(node: Any) -> list:
    return list(node.values() if isinstance(node, dict) else node)


def _size(node: Any, level: int, known: dict[int, float]) -> float:
    """How many values a value holds, itself among them; infinity, if it is too deep."""
    if not isinstance(node, dict | list | tuple):
        return 1
    if level > DEEPEST:
        return math.inf
    if id(node) not in known:
        known[id(node)] = math.inf  # of one that holds itself
        known[id(node)] = 1 + sum(_size(child, level + 1, known) for child in _children(node))
    return known[id(node)]


def _fault(value: Any) -> str | None:
    """What was expected of a value that is neither list nor mapping; None if it is fine."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return "text in UTF-8"
        return "text without null characters" if "\0" in value else None
    if isinstance(value, int) and value.bit_length() > BITS:
        return "a number of at most 300 digits"
    if value is None or isinstance(value, Number):
        return None
    return "a number, text, a list or a mapping (what is in quotes is text)"


def is_of_offsets(where: Sequence[Any]) -> bool:
    """Whether the keys of this mapping are offsets of simulations, which may be numbers."""
    return len(where) == 4 and where[0] == "simulations" and where[2] == "shifted"


def _of_number(key: Any) -> Any:
    """The text of a key that is a number; any other key as it is."""
    is_number = isinstance(key, int | float) and not isinstance(key, bool)
    return repr(key) if is_number and not _fault(key) else key


def checked(values: Any) -> tuple[Any, list[str]]:
    """A copy of a configuration with REFUSED for what it may not be made of, and a line for each.

    Args:
        values: as YAML has them.

    """
    lines, sizes = [], {}

    def refuse(where, expected, found):
        lines.append(f"{of_keys(where)}: expected {expected}, found {found}")
        return REFUSED

    def walk(node, where):
        if not isinstance(node, dict | list | tuple):
            expected = _fault(node)
            return refuse(where, expected, _found(node)) if expected else node
        if _size(node, 0, sizes) > MOST:
            inner = [child for child in _children(node) if _size(child, 1, sizes) > MOST]
            if not isinstance(node, dict) or not inner or len(where) >= NAMED:
                return refuse(where, f"at most {MOST} values, {DEEPEST} levels deep", "more")
        if not isinstance(node, dict):
            return [walk(item, [*where, i]) for i, item in enumerate(node)]
        found = {}
        for key, item in node.items():
            name = _of_number(key) if is_of_offsets(where) else key
            if isinstance(name, str) and name in found:
                refuse([*where, key], "each offset once", "it twice")
            elif isinstance(name, str) and not _fault(name):
                found[name] = walk(item, [*where, name])
            else:
                refuse(
                    [*where, key], _fault(key) or "text (a number in quotes is text)", _found(key)
                )
        return found

    return walk(values, []), lines


def _found(value: Any) -> str:
    """A value in a message; of a large number, which Python does not write, its size."""
    if isinstance(value, int) and value.bit_length() > BITS:
        return f"one of {int(value.bit_length() * math.log10(2)) + 1}"
    return shown(value)
