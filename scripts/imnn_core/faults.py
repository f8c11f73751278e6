"""What pydantic found wrong in a configuration, in this project's words."""

from typing import Any, get_args

from imnn_core.names import nearest

# Pydantic's types of errors in this project's words, where its own are those of a programmer.
EXPECTED = (
    dict.fromkeys(["int_type", "int_parsing", "int_from_float"], "a whole number")
    | dict.fromkeys(["float_type", "float_parsing"], "a number")
    | dict.fromkeys(["bool_type", "bool_parsing"], "true or false")
    | dict.fromkeys(["dict_type", "model_type"], "a mapping")
    | {"list_type": "a list", "string_type": "text (a number in quotes is text)", "too_short": "at least one entry"}
)


def _known_keys(model: Any, location: tuple) -> list[str]:
    """The keys that were possible where an unknown one was found."""
    for part in location[:-1]:
        fields = getattr(model, "model_fields", None)
        model = fields[part].annotation if fields else get_args(model)[-1]  # the latter of a mapping of names to models
    return list(model.model_fields)


def _line(error: dict, model: Any) -> str:
    """One fault that pydantic found, in one line: key, what was expected, what was found."""
    location, kind, found = error["loc"], error["type"], error["input"]
    key = ".".join(str(part) for part in location if part != "[key]")
    if kind == "extra_forbidden":
        return f"{key}: unknown key{nearest(location[-1], _known_keys(model, location))}"
    if kind == "missing":
        return f"{key}: expected a value, found none"
    message = error["msg"].removeprefix("Value error, ")
    if kind in EXPECTED:
        return f"{key}: expected {EXPECTED[kind]}, found {found!r}"
    if isinstance(found, dict) and kind == "value_error":  # a fault between keys, which its text names
        return "\n".join(f"{key}: {line}" if key else line for line in message.splitlines())
    message = message.replace("Input should be", "expected")
    choices = error.get("ctx", {}).get("expected")
    near = nearest(found, [c.strip(" '") for c in choices.replace(" or ", ", ").split(",")]) if choices else ""
    return f"{key}: {message}, found {found!r}{near}"


def lines(errors: list[dict], model: Any) -> list[str]:
    """One line per fault.

    Args:
        errors: of pydantic's ValidationError.
        model: that refused the values.

    """
    return [line for error in errors for line in _line(error, model).splitlines()]
