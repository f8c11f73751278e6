"""Faults of a configuration that only jax, or the user's own problem and data, can tell.

Nothing is simulated.
"""

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path

from imnn_core.config.run import Config
from imnn_core.data import arrays
from imnn_core.data.links import is_regular
from imnn_core.data.reading import open_file
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
    """Faults of a configuration's optimisers, problem and networks, a line each.

    The second result is the problem; None where it has a fault.

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
            simulator.check_steps(built)
        simulator.check_likelihood(built)
        built.closed_form()
        if observed is not None and Path(observed).exists():
            arrays.read_observed(observed, built)
    except InputError as error:
        return [*lines, *error.lines], None
    lines += styles.faults_of_symbols(built.symbols)
    if settings.simulations == "on_the_fly" and built.numpy:
        lines.append(
            "simulations: expected draw, since a numpy simulator can't be compiled into the fit, "
            "found on_the_fly"
        )
    for name, recipe in settings.fits.items():
        if recipe.of(built.n_params).n_summaries < built.n_params:
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
    """Bytes of a user's file of simulations in float32; 0 if it is broken, see `check_files`."""
    try:
        with open_file(path) as found:
            return sum(4 * math.prod(array.shape) for array in found.arrays.values())
    except InputError:
        return 0


def _is_npz(path: str) -> bool:
    return is_regular(path) and zipfile.is_zipfile(path)


def sizes(settings: Config, problem: Problem, files: Mapping[str, str]) -> requests.Sizes:
    """Sizes on which the memory of the run's jobs depends.

    Args:
        settings: the configuration, without faults.
        problem: its problem.
        files: the user's files of simulations, by set, if there are any.

    """
    shape = problem.input_shape
    n_derivatives = math.prod(problem.stored_shape) // math.prod(shape)
    if files:
        n_bytes = {path: _bytes_of_file(path) for path in files.values()}
        fractions = settings.files.fractions
        parts = {"training": 1 - sum(fractions.values()), "validation": 1, "test": 1} | fractions
        sets = {
            split: math.ceil(parts[split] * n_bytes[files.get(split, files["training"])])
            for split in settings.files.splits
        }
        npz = max((n_bytes[path] for path in n_bytes if _is_npz(path)), default=0)
        return requests.Sizes(shape, n_derivatives, sets, npz)
    n = dict.fromkeys(("training", "validation"), (settings.n_s, settings.n_d))
    n["test"] = (settings.n_test, settings.n_test)
    if settings.simulations == "on_the_fly":
        n["training"] = (0, 0)
    sets = {split: requests.bytes_of_set(shape, n_derivatives, *n[split]) for split in n}
    return requests.Sizes(shape, n_derivatives, sets)
