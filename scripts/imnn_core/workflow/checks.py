"""What is wrong with a configuration as far as only jax, or the user's own problem and data, can tell; nothing is simulated."""

import math
from collections.abc import Mapping
from pathlib import Path

from imnn_core.config.run import Config
from imnn_core.data import arrays
from imnn_core.figures import styles
from imnn_core.gradient import devices
from imnn_core.networks import architecture
from imnn_core.problems import Problem, load, simulator
from imnn_core.store.errors import InputError
from imnn_core.training import optimisers
from imnn_core.workflow import requests


def faults(
    settings: Config, problem: Mapping, observed: str | None = None
) -> tuple[list[str], Problem | None]:
    """Faults of a checked configuration's optimisers, problem and networks, a line each; and the problem, if it is without.

    Args:
        settings: the configuration.
        problem: arguments of `load.build`.
        observed: path to the observed data, which are looked at where they are there already.

    """
    devices.only_cpu()  # a user's file may compute something when it is imported
    lines = optimisers.faults(settings.fits)
    try:
        built = load.build(**problem)
        if settings.files is None:
            simulator.check(built)
        simulator.check_likelihood(built)
        built.closed_form()
        if observed is not None and Path(observed).exists():
            arrays.read_observed(observed, built)
    except InputError as error:
        return [*lines, *str(error).splitlines()], None
    lines += styles.faults_of_symbols(built.symbols)
    if settings.simulations == "on_the_fly" and built.numpy:
        lines.append(
            "simulations: expected draw, since a numpy simulator can't be compiled into the fit, "
            "found on_the_fly"
        )
    for name, recipe in settings.fits.items():
        if recipe.n_summaries < built.n_params:
            lines.append(
                f"fits.{name}.n_summaries: expected at least n_params = {built.n_params}, found "
                f"{recipe.n_summaries}"
            )
        try:
            architecture.build(recipe, built)
        except InputError as error:
            lines.append(f"fits.{name}.{error}")
    return lines, built


def _bytes_of_file(path: str) -> int:
    """Of a user's file of simulations, in float32; 0 where it can't be read, of which `check_files` says what is wrong."""
    if whole := requests.bytes_of_npz(path):
        return whole
    try:
        with arrays.open_arrays(path) as (found, _):
            return sum(
                4 * math.prod(array.shape) for array in found.values() if hasattr(array, "dtype")
            )
    except InputError:
        return 0


def sizes(settings: Config, problem: Problem, files: Mapping[str, str]) -> requests.Simulations:
    """What the memory of the run's jobs depends on.

    Args:
        settings: the configuration, without faults.
        problem: its own.
        files: the user's files of simulations, by set, if there are.

    """
    shape, n_derivatives = (
        problem.input_shape,
        problem.n_params * (1 if problem.delta_theta is None else 2),
    )
    if files:
        fractions = dict(settings.files.fractions)
        fractions["training"] = 1 - sum(fractions.values())
        paths = {split: files.get(split, files["training"]) for split in settings.files.splits}
        parts = {
            split: 1 if split in files and split != "training" else fractions[split]
            for split in paths
        }
        bytes_of_sets = {
            split: math.ceil(parts[split] * _bytes_of_file(path)) for split, path in paths.items()
        }
        whole = {split: requests.bytes_of_npz(path) for split, path in paths.items()}
        return requests.Simulations(shape, n_derivatives, bytes_of_sets, whole)
    drawn = {"training": (settings.n_s, settings.n_d), "validation": (settings.n_s, settings.n_d)}
    drawn["test"] = (settings.n_test, settings.n_test)
    if settings.simulations == "on_the_fly":
        drawn["training"] = (0, 0)
    bytes_of_sets = {
        split: requests.bytes_of_set(shape, n_derivatives, *n) for split, n in drawn.items()
    }
    return requests.Simulations(shape, n_derivatives, bytes_of_sets, dict.fromkeys(drawn, 0))
