"""Densities of priors, as a configuration names them. Imports no jax."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from imnn_core.config.types import Real
from imnn_core.store.wording import shown
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

# What the numbers of each kind of density are.
NUMBERS = {
    "uniform": ("low", "high"),
    "log_uniform": ("low", "high"),
    "normal": ("mean", "sd"),
    "half_normal": ("sd",),
    "truncated": ("mean", "sd", "low", "high"),
}
FORMS = {
    kind: f"{{{kind}: [{', '.join(numbers)}]}}" if len(numbers) > 1 else f"{{{kind}: {numbers[0]}}}"
    for kind, numbers in NUMBERS.items()
}


def _one_number(given: Any) -> Any:
    """A density whose one number stands without brackets, as with brackets."""
    if isinstance(given, Mapping):
        return {
            kind: [numbers] if isinstance(numbers, int | float | str) else numbers
            for kind, numbers in given.items()
        }
    raise ValueError(f"expected a density, such as {FORMS['uniform']}")


def _is_density(density: dict[str, list[float]]) -> dict[str, list[float]]:
    """Check that this is one density with its numbers."""
    if len(density) != 1 or not set(density) <= set(NUMBERS):
        raise ValueError(f"expected one density of {', '.join(FORMS.values())}")
    ((kind, numbers),) = density.items()
    if len(numbers) != len(NUMBERS[kind]):
        raise ValueError(f"expected {FORMS[kind]}")
    of = dict(zip(NUMBERS[kind], numbers, strict=True))
    if of.get("sd", 1) <= 0:
        raise ValueError(f"expected sd > 0 in {FORMS[kind]}")
    if "low" in of and of["low"] >= of["high"]:
        raise ValueError(f"expected low < high in {FORMS[kind]}")
    if kind == "log_uniform" and of["low"] <= 0:
        raise ValueError(f"expected low > 0 in {FORMS[kind]}")
    if kind == "truncated":
        mean, sd, low, high = numbers
        if low > mean + 8 * sd or high < mean - 8 * sd:
            raise ValueError("expected bounds within eight sd of the mean")
    return density


def _of_length(n: int) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "number"}, "minItems": n, "maxItems": n}


def _form(numbers: tuple[str, ...]) -> dict[str, Any]:
    """JSON schema of a density's numbers; one alone needs no brackets."""
    of = _of_length(len(numbers))
    return {"anyOf": [{"type": "number"}, of]} if len(numbers) == 1 else of


Density = Annotated[
    dict[str, list[Real]],
    BeforeValidator(_one_number),
    AfterValidator(_is_density),
    WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
            "properties": {kind: _form(numbers) for kind, numbers in NUMBERS.items()},
        }
    ),
]


def support_of(density: Mapping[str, list[float]]) -> tuple[float, float]:
    """Between which parameters a density is not 0."""
    ((kind, numbers),) = density.items()
    of = dict(zip(NUMBERS[kind], numbers, strict=True))
    if kind == "half_normal":
        return 0.0, float("inf")
    return of.get("low", float("-inf")), of.get("high", float("inf"))


def faults(prior: Mapping, names: Any, theta_fid: Any) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a prior for these parameters: key, what was expected, what was found."""
    where = "posterior.prior"
    if set(prior) != set(names):
        missing = [name for name in names if name not in prior]
        if missing:
            yield where, f"a density for each parameter ({', '.join(names)})", shown([*prior])
        for name in set(prior) - set(names):
            yield f"{where}.{name}", f"one of the parameters {', '.join(names)}", shown(name)
        return
    for name, value in zip(names, theta_fid, strict=False):
        low, high = support_of(prior[name])
        if not low < value < high:
            yield f"{where}.{name}", f"theta_fid = {value:g} inside", f"{low:g} to {high:g}"
