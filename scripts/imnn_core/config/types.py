"""What values of the configuration's keys may be: names, numbers, and what all its parts share. Imports no jax."""

import contextlib
import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

LONGEST = (
    100  # letters of a name: most file systems take 255 bytes, the project's endings among them
)


def _is_name(text: str) -> str:
    """A folder's name: one that cannot climb out of the results, and that Snakemake's wildcards and file systems take."""
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
    """YAML's `yes` and `on` are truth values, which pydantic would read as the number 1."""
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


def numbers(value: Any) -> Any:
    """YAML reads `1e-3` as text; what reads as a number is one, at any depth."""
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


Name = Annotated[str, AfterValidator(_is_name)]
Real = Annotated[float, BeforeValidator(not_bool)]
Count = Annotated[int, Field(ge=1), BeforeValidator(not_bool)]
Several = Annotated[int, Field(ge=2), BeforeValidator(not_bool)]  # with a standard error
CountOrZero = Annotated[int, Field(ge=0), BeforeValidator(not_bool)]
Seed = Annotated[int, Field(ge=0, lt=2**32), BeforeValidator(not_bool)]


class Model(BaseModel):
    """What all parts of the configuration share: unknown keys and infinities are faults."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)
