"""Pydantic's errors about a configuration, in this project's words."""

from collections import Counter
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from imnn_core.config.plain import REFUSED
from imnn_core.store.wording import nearest, of_keys, shown

# What is expected, by pydantic's types of errors, whose own messages are for programmers.
EXPECTED = (
    dict.fromkeys(["int_type", "int_parsing", "int_from_float"], "a whole number")
    | dict.fromkeys(["float_type", "float_parsing"], "a number")
    | dict.fromkeys(["bool_type", "bool_parsing"], "true or false")
    | dict.fromkeys(["dict_type", "model_type"], "a mapping")
    | {
        "int_parsing_size": "a number of at most 300 digits",
        "list_type": "a list",
        "string_type": "text (a number in quotes is text)",
        "string_too_short": "at least one letter",
        "too_short": "at least one entry",
    }
)
FEW = 10  # entries of one list, or unknown keys of one mapping, that have a line each


class _Fault(NamedTuple):
    """Keys as a user wrote them, what is wrong, and what was found in their place."""

    keys: tuple
    what: str
    found: str = ""


def _members(model: Any) -> list:
    """The types of a union, without None; none, if it is no union."""
    if get_origin(model) not in (Union, UnionType):
        return []
    return [member for member in get_args(model) if member is not type(None)]


def _inner(model: Any) -> Any:
    """A type without what is written round it, and the one type of which there may be none."""
    while True:
        if get_origin(model) is Annotated:
            model = get_args(model)[0]
        elif len(members := _members(model)) == 1:
            model = members[0]
        else:
            return model


def _walk(model: Any, location: tuple) -> tuple[list, Any]:
    """The keys of a location as a user wrote them, and the type that the last one is in.

    Pydantic's locations have the members of unions as well: tags, or types in words.
    """
    keys, above = [], model
    for part in location:
        above = model = _inner(model)
        fields = getattr(model, "model_fields", None)
        if members := _members(model):
            of_tag = {
                each.tag: member
                for member in members
                for each in getattr(member, "__metadata__", ())
                if hasattr(each, "tag")
            }
            model = of_tag.get(part)
            continue
        keys.append(part)
        if fields is not None:
            model = fields[part].annotation if part in fields else None
        else:
            model = (get_args(model) or [None])[-1]  # of a mapping of names to models, or a list
    return [key for key in keys if key != "[key]"], _inner(above)


def _faults(error: dict, model: Any) -> list[_Fault]:
    """What one of pydantic's errors says."""
    kind, found = error["type"], error["input"]
    keys, above = _walk(model, error["loc"])
    if found is REFUSED:
        return []
    if kind == "extra_forbidden":
        return [_Fault(keys, f"unknown key{nearest(keys[-1], above.model_fields)}")]
    if kind == "union_tag_invalid":
        tags, found = error["ctx"]["expected_tags"], error["ctx"]["tag"]
        near = nearest(found, tags.replace("'", "").split(", "))
        what = f"expected {tags.replace(', ', ' or ')}"
        return [_Fault([*keys, "kind"], what, shown(found) + near)]
    if kind == "missing":
        return [_Fault(keys, "expected a value", "none")]
    message = error["msg"].removeprefix("Value error, ")
    if kind in EXPECTED:
        return [_Fault(keys, f"expected {EXPECTED[kind]}", shown(found))]
    if kind == "too_long":
        most, length = error["ctx"]["max_length"], error["ctx"]["actual_length"]
        return [_Fault(keys, f"expected at most {most} entries", str(length or len(found)))]
    if isinstance(found, dict) and " found " in message:  # of several keys, which it names
        return [_Fault(keys, line) for line in message.splitlines()]
    message = message.replace("Input should be", "expected")
    choices = error.get("ctx", {}).get("expected", "").replace(" or ", ", ").split(",")
    near = nearest(found, [name for choice in choices if (name := choice.strip(" '"))])
    return [_Fault(keys, message, shown(found) + near)]


def lines(errors: list[dict], model: Any) -> list[str]:
    """One line per fault: key, what was expected, what was found.

    Args:
        errors: of pydantic's ValidationError.
        model: the pydantic model that raised it.

    """
    found: dict[tuple, _Fault] = {}
    of_parents = Counter()
    for error in errors:
        for fault in _faults(error, model):
            key = of_keys(fault.keys)
            if fault.found and (before := found.get((key, ""))):  # the next member of a union
                other = fault.what.removeprefix("expected ")
                found[key, ""] = before._replace(
                    what=f"{before.what} or {other}",
                    found=max(before.found, fault.found, key=len),  # the one with the nearest
                )
                continue
            last = fault.keys[-1] if fault.keys else None
            if error["type"] == "extra_forbidden" or isinstance(last, int):
                parent = of_keys(fault.keys[:-1])
                of_parents[parent] += 1
                if of_parents[parent] > FEW:
                    continue
            found[key, "" if fault.found else fault.what] = fault
    told = []
    for (key, _), (_, what, value) in found.items():
        line = f"{what}, found {value}" if value else what
        told.append(f"{key}: {line}" if key else line)
    return told + [
        f"{parent}: expected other entries, found {n - FEW} more faults like these"
        for parent, n in of_parents.items()
        if n > FEW
    ]
