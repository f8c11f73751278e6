"""What is wrong with a configuration as far as only jax, or the user's own problem and data, can tell; nothing is simulated."""

from collections.abc import Mapping
from pathlib import Path

from imnn_core import architecture, devices, optimisers, problems, sets, simulators
from imnn_core.config import Config
from imnn_core.errors import InputError


def faults(settings: Config, problem: Mapping, observed: str | None = None) -> list[str]:
    """Faults of a checked configuration's optimisers, problem and networks, a line each.

    Args:
        settings: the configuration.
        problem: arguments of `problems.build`.
        observed: path to the observed data, which are looked at where they are there already.

    """
    devices.only_cpu()  # a user's file may compute something when it is imported
    lines = optimisers.faults(settings.fits)
    try:
        built = problems.build(**problem)
        if settings.files is None:
            simulators.check(built)
        simulators.check_likelihood(built)
        built.closed_form()
        if observed is not None and Path(observed).exists():
            sets.read_observed(observed, built)
    except InputError as error:
        return [*lines, *str(error).splitlines()]
    if settings.simulations == "on_the_fly" and built.numpy:
        lines.append("simulations: expected draw, since a numpy simulator can't be compiled into the fit, found on_the_fly")
    for name, recipe in settings.fits.items():
        if recipe.n_summaries < built.n_params:
            lines.append(f"fits.{name}.n_summaries: expected at least n_params = {built.n_params}, found {recipe.n_summaries}")
        try:
            architecture.build(recipe, built)
        except InputError as error:
            lines.append(f"fits.{name}.{error}")
    return lines
