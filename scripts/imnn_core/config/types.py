"""Types of the configuration's values: names, numbers, and the base model. Imports no jax."""

import contextlib
import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

LONGEST = 100  # characters of a name; most file systems allow 255 bytes, endings included


def _is_name(text: str) -> str:
    """Check that a name can be a folder of the results and a wildcard of Snakemake."""
    if (
        not text
        or text[0] in ".-"
        or not all(c.isascii() and (c.isalnum() or c in "_.-") for c in text)
    ):
        raise ValueError(
            "expected a name of letters, digits, '_', '.' and '-' that begins with neither '.' "
            "nor '-'"
        )
    if len(text) > LONGEST:
        raise ValueError(f"expected a name of at most {LONGEST} letters")
    return text


def not_bool(value: Any) -> Any:
    """Refuse YAML's `yes` and `on`, which pydantic would read as the number 1."""
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


def numbers(value: Any) -> Any:
    """Turn texts such as YAML's `1e-3` into numbers, at any depth."""
    if isinstance(value, dict):
        return {key: numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [numbers(item) for item in value]
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"expected finite numbers, found {value}")
    return value


def _step(value: Any) -> float | list[float]:
    """A step of finite differences: a distance, or a list of offsets."""
    expected = "expected a number > 0, or a list of offsets other than 0"
    with contextlib.suppress(TypeError):
        value = numbers(value)
    many = value if isinstance(value, list) else [value]
    if not many or any(isinstance(x, bool) or not isinstance(x, int | float) for x in many):
        raise ValueError(expected)
    if isinstance(value, list):
        if len({0, *many}) <= len(many):
            raise ValueError(f"{expected} and different from each other")
        return [float(offset) for offset in many]
    if value <= 0:
        raise ValueError(expected)
    return float(value)


Name = Annotated[str, AfterValidator(_is_name)]
Real = Annotated[float, BeforeValidator(not_bool)]
Count = Annotated[int, Field(ge=1), BeforeValidator(not_bool)]
Several = Annotated[int, Field(ge=2), BeforeValidator(not_bool)]  # with a standard error
CountOrZero = Annotated[int, Field(ge=0), BeforeValidator(not_bool)]
Step = Annotated[
    Any,
    BeforeValidator(_step),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "array", "items": {"type": "number"}, "minItems": 1},
            ]
        }
    ),
]
Seed = Annotated[int, Field(ge=0, lt=2**32), BeforeValidator(not_bool)]


class Model(BaseModel):
    """Base of all parts of the configuration: refuses unknown keys and infinities."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)
