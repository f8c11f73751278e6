"""Pydantic's errors about a configuration, in this project's words."""

from types import UnionType
from typing import Any, Union, get_args, get_origin

from imnn_core.store.wording import nearest

# What is expected, by pydantic's types of errors, whose own messages are for programmers.
EXPECTED = (
    dict.fromkeys(["int_type", "int_parsing", "int_from_float"], "a whole number")
    | dict.fromkeys(["float_type", "float_parsing"], "a number")
    | dict.fromkeys(["bool_type", "bool_parsing"], "true or false")
    | dict.fromkeys(["dict_type", "model_type"], "a mapping")
    | {
        "list_type": "a list",
        "string_type": "text (a number in quotes is text)",
        "too_short": "at least one entry",
    }
)


def _walk(model: Any, location: tuple) -> tuple[list, Any]:
    """The keys of a location as a user wrote them, and the type that the last one is in.

    Pydantic's locations have the tags of unions as well.
    """
    keys, above = [], model
    for part in location:
        above = model
        fields = getattr(model, "model_fields", None)
        if fields is None and get_origin(model) in (Union, UnionType):
            of_tag = {
                member.__metadata__[0].tag: member.__origin__
                for member in get_args(model)
                if hasattr(member, "__metadata__")
            }
            if part in of_tag:
                model = of_tag[part]
                continue
        keys.append(part)
        if fields is not None:
            model = fields[part].annotation if part in fields else None
        else:
            model = (get_args(model) or [None])[-1]  # of a mapping of names to models, or a list
    return keys, above


def _in_a_line(key: str) -> str:
    """A key with its line breaks and control characters escaped."""
    return key if key.isprintable() else repr(key)[1:-1]


def _line(error: dict, model: Any) -> str:
    """One of pydantic's errors in one line: key, what was expected, what was found."""
    kind, found = error["type"], error["input"]
    keys, above = _walk(model, error["loc"])
    key = ".".join(_in_a_line(str(part)) for part in keys if part != "[key]")
    if kind == "extra_forbidden":
        return f"{key}: unknown key{nearest(keys[-1], above.model_fields)}"
    if kind == "union_tag_invalid":
        tags, found = error["ctx"]["expected_tags"], error["ctx"]["tag"]
        near = nearest(found, tags.replace("'", "").split(", "))
        return f"{key}.kind: expected {tags.replace(', ', ' or ')}, found {found!r}{near}"
    if kind == "missing":
        return f"{key}: expected a value, found none"
    message = error["msg"].removeprefix("Value error, ")
    if kind in EXPECTED:
        return f"{key}: expected {EXPECTED[kind]}, found {found!r}"
    if isinstance(found, dict) and kind == "value_error":  # its text names the keys
        return "\n".join(f"{key}: {line}" if key else line for line in message.splitlines())
    message = message.replace("Input should be", "expected")
    choices = error.get("ctx", {}).get("expected", "").replace(" or ", ", ").split(",")
    near = nearest(found, [name for choice in choices if (name := choice.strip(" '"))])
    return f"{key}: {message}, found {found!r}{near}"


def lines(errors: list[dict], model: Any) -> list[str]:
    """One line per fault.

    Args:
        errors: of pydantic's ValidationError.
        model: the pydantic model that raised it.

    """
    return [line for error in errors for line in _line(error, model).splitlines()]
