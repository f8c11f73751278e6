"""Optax's optimisers and schedules by name, with their arguments, from a configuration."""

import functools
import inspect
import types
from typing import Any

import jax
import jax.numpy as jnp
import optax
from imnn_core.store.errors import InputError
from imnn_core.store.wording import nearest, shortened, shown

# Weights to try an optimiser on, by shapes alone: no backend starts and nothing is computed.
WEIGHTS = {"w": jax.ShapeDtypeStruct((2, 2), jnp.float32)}


def _key(kind: str) -> str:
    """The key that holds the name of an optimiser or a schedule."""
    return "name" if kind == "optimiser" else kind


def _shown(arguments: dict) -> str:
    return shortened(", ".join(f"{name} = {shown(value)}" for name, value in arguments.items()))


def _words(error: Exception) -> str:
    """The first line of what a library says, or the error's type if it says nothing."""
    return shortened(str(error).strip().partition("\n")[0]) or type(error).__name__


def _call(kind: str, function_name: str, arguments: dict, where: str) -> Any:
    """optax.<function_name>(**arguments); an InputError names the wrong key below ``where``."""
    function = getattr(optax, function_name)
    parameters = inspect.signature(function).parameters
    for name in arguments:
        if name not in parameters:
            raise InputError(
                f"{where}{name}: {kind} {function_name!r} has no such "
                f"argument{nearest(name, parameters)}; it takes {', '.join(parameters)}"
            )
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in arguments:
            raise InputError(
                f"{where}{name}: {kind} {function_name!r} needs this argument, found none"
            )
    try:
        return function(**arguments)
    except Exception as error:  # whatever optax raises, it raises for these arguments
        raise InputError(
            f"{where}{_key(kind)}: {function_name!r} refuses {_shown(arguments)}: {_words(error)}"
        ) from None


def build_schedules(value: Any, where: str = "") -> Any:
    """The value at the key ``where``, with schedules for mappings that have a key `schedule`."""
    if isinstance(value, list | tuple):
        return [build_schedules(item, f"{where}{i}.") for i, item in enumerate(value)]
    if not isinstance(value, dict) or "schedule" not in value:
        return value
    known = [
        name
        for name in dir(optax)
        if name.endswith(("_schedule", "_schedules")) or name == "exponential_decay"
    ]
    arguments = {
        name: build_schedules(item, f"{where}{name}.")
        for name, item in value.items()
        if name != "schedule"
    }
    name = value["schedule"]
    if name not in known:
        raise InputError(
            f"{where}schedule: expected a schedule of optax, found {shown(name)}"
            f"{nearest(name, known)}"
        )
    return _call("schedule", name, arguments, where)


@functools.cache
def _optimiser_names() -> list[str]:
    """Names of optax's optimisers: of its functions those that take a learning rate."""
    functions = {
        name: f
        for name, f in vars(optax).items()
        if isinstance(f, types.FunctionType | functools.partial)
    }
    takes_rate = [
        name for name, f in functions.items() if "learning_rate" in inspect.signature(f).parameters
    ]
    return [name for name in takes_rate if not name.startswith(("_", "scale_by_"))]


def build(name: str, **arguments: Any) -> optax.GradientTransformation:
    """One of optax's optimisers.

    Args:
        name: its name in optax.
        **arguments: its own; a mapping with the key `schedule` stands for a schedule of optax with
            the mapping's other keys as arguments.

    Raises:
        InputError: an unknown optimiser or argument, a missing or refused one, or an optimiser that
            needs more than gradients (a line search, for instance).

    """
    if name not in _optimiser_names():
        raise InputError(
            "name: expected an optimiser of optax, found "
            f"{shown(name)}{nearest(name, _optimiser_names())}"
        )
    optimiser = _call(
        "optimiser",
        name,
        {key: build_schedules(value, f"{key}.") for key, value in arguments.items()},
        "",
    )

    def one_step(weights):
        return optimiser.update(weights, optimiser.init(weights), weights)

    try:
        jax.eval_shape(one_step, WEIGHTS)
    except Exception as error:
        raise InputError(
            f"name: {name!r} cannot take a step from gradients and {_shown(arguments)}: "
            f"{_words(error)}"
        ) from None
    return optimiser


def faults(fits: dict) -> list[str]:
    """Faults of the optimisers of a configuration's recipes, a line each."""
    lines, states, known = [], {}, {}
    for name, recipe in fits.items():
        settings = recipe.optimiser.model_dump()
        key = repr(settings)
        try:
            if key not in known:
                known[key] = jax.eval_shape(build(**settings).init, WEIGHTS)
            states[name] = known[key]
        except InputError as error:
            lines.append(f"fits.{name}.optimiser.{error}")
    for name, recipe in fits.items():
        start = recipe.continue_from
        if name in states and start in states and states[name] != states[start]:
            lines.append(
                f"fits.{name}.optimiser: expected a state of the same parts as in {start!r}, "
                "which this fit continues, found others; a schedule in place of a number has a "
                "part of its own (constant_schedule is a number as a schedule)"
            )
    return lines
