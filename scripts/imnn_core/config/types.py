"""Types of the configuration's values: names, numbers, and the base model. Imports no jax."""

import contextlib
import math
from collections.abc import Iterator
from typing import Annotated, Any

from imnn_core.config.bounds import (
    LARGEST,
    LONGEST,
    MOST,
    MOST_LAYERS,
    MOST_OFFSETS,
    SMALLEST,
    fault_of_parameter,
)
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema


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


def _is_parameter(name: str) -> str:
    if expected := fault_of_parameter(name):
        raise ValueError(f"expected {expected}")
    return name


def single(value: float) -> float:
    """Refuse what is infinite, or 0, in float32 and not here."""
    if math.isfinite(value) and (abs(value) > LARGEST or 0 < abs(value) < SMALLEST):
        raise ValueError(f"expected 0, or a number between {SMALLEST} and {LARGEST} (float32)")
    return value


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
    return value


def finite(value: Any) -> Any:
    """Refuse numbers that are not finite, at any depth of an argument."""
    for number in _numbers_in(value):
        if not math.isfinite(number):
            raise ValueError("expected finite numbers")
    return value


def for_jax(value: Any) -> Any:
    """Refuse numbers that jax can't take, at any depth of an argument."""
    for number in _numbers_in(finite(value)):
        largest = MOST if isinstance(number, int) else LARGEST
        if abs(number) > largest:
            raise ValueError(f"expected numbers of at most {largest}")
    return value


def _numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, int | float):
        yield value
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _numbers_in(item)


def _step(value: Any) -> float | list[float]:
    """A step of finite differences: a distance, or a list of offsets."""
    expected = "expected a number > 0, or a list of offsets other than 0"
    value = numbers(value)
    many = value if isinstance(value, list) else [value]
    if not many or any(isinstance(x, bool) or not isinstance(x, int | float) for x in many):
        raise ValueError(expected)
    if len(many) > MOST_OFFSETS:
        raise ValueError(f"expected at most {MOST_OFFSETS} offsets")
    many = [single(finite(x)) for x in many]
    if isinstance(value, list):
        if len({0, *many}) <= len(many):
            raise ValueError(f"{expected} and different from each other")
        return [float(offset) for offset in many]
    if value <= 0:
        raise ValueError(expected)
    return float(value)


Name = Annotated[str, AfterValidator(_is_name)]
Path = Annotated[str, Field(min_length=1)]
Parameter = Annotated[str, AfterValidator(_is_parameter)]
Real = Annotated[float, BeforeValidator(not_bool), AfterValidator(single)]


def counted(least: int, most: int = MOST) -> Any:
    """The type of a number of things, from the least to the most that is possible."""
    return Annotated[int, Field(ge=least, le=most), BeforeValidator(not_bool)]


Count = counted(1)
Several = counted(2)  # with a standard error
CountOrZero = counted(0)
Layers = Annotated[list[Count], Field(max_length=MOST_LAYERS)]
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
