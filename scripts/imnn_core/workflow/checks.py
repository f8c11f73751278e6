"""Faults of a configuration that only jax, or the user's own problem and data, can tell.

Nothing is simulated.
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping

from imnn_core.config import prior as priors
from imnn_core.config.network import NETWORKS
from imnn_core.config.run import Config
from imnn_core.data import arrays, named_files
from imnn_core.data.listed import open_listed
from imnn_core.data.named_sets import Given
from imnn_core.data.sets_given import open_given
from imnn_core.figures import styles
from imnn_core.gradient import devices
from imnn_core.networks import architecture
from imnn_core.problems import Problem, load, simulator
from imnn_core.problems.prior import prior_of
from imnn_core.store.errors import InputError
from imnn_core.training import optimisers
from imnn_core.workflow import requests, room

OF_THETA = "posterior.simulations.theta"  # whose rows are parameters
BUILT = 50  # networks of this project, a tenth of a second each


def _lines_of(check: Callable, *arguments, **settings) -> list[str]:
    """The lines of the InputError that a check raises, if any."""
    try:
        check(*arguments, **settings)
    except InputError as error:
        return error.lines
    return []


def _of_style(path: str) -> list[str]:
    if not os.path.isfile(path):
        return [f"figures.style: expected a file, found none at {path}"]

    def used():
        with styles.style(path):
            pass  # it can be drawn in

    return [f"figures.style: {line}" for line in _lines_of(used)]


def _of_networks(settings: Config, built: Problem, available: int) -> Iterator[str]:
    """Faults of the recipes' networks; of equal ones one is built.

    Of those of this project only the first few, since `room` knows their shapes.
    """
    known, n_built = {}, 0
    for name, recipe in settings.fits.items():
        recipe = recipe.of(built.n_params)
        if recipe.n_summaries < built.n_params:
            yield (
                f"fits.{name}.n_summaries: expected at least n_params = {built.n_params}, found "
                f"{recipe.n_summaries}"
            )
        key = repr((recipe.network, recipe.n_summaries, recipe.whiten or recipe.linear))
        is_own = recipe.network.kind not in NETWORKS
        if key not in known and (is_own or n_built < BUILT):
            known[key], n_built = [], n_built + (not is_own)
            try:
                network = architecture.build(recipe, built)
                n = architecture.n_weights(network, built.input_shape)
                known[key] += room.of_weights("network", n, available)
            except InputError as error:
                known[key] += error.lines
        yield from (f"fits.{name}.{line}" for line in known.get(key, []))


def faults(
    settings: Config,
    problem: Mapping,
    observed: str | None = None,
    style: str | None = None,
    available: int = room.ON_A_CLUSTER,
    is_made: bool = True,
    compress: Mapping[str, Given] | None = None,
) -> tuple[list[str], Problem | None]:
    """Faults of a configuration's optimisers, problem, networks and files, a line each.

    The second result is the problem; None where it has a fault.

    Args:
        settings: the configuration.
        problem: arguments of `load.build`.
        observed: path to the observed data, which are looked at where they are there already.
        style: path to matplotlib's settings; not looked at, if None.
        available: bytes of memory.
        is_made: whether a rule of another workflow may make the observed data that are not there.
        compress: names the files that are compressed, by their keys; not looked at, if None.

    """
    devices.only_cpu()  # a user's file may compute something when it is imported
    lines = _of_style(style) if style is not None else []
    if observed is not None and not os.path.exists(observed) and not is_made:
        lines.append(f"observed: expected a file, found none at {observed}")
    lines += optimisers.faults(settings.fits)
    if settings.parameters is not None:  # before anything is built
        n_params = len(settings.parameters)
        if found := room.faults(settings, settings.input_shape, n_params, available):
            return [*lines, *found], None
    try:
        built = load.build(**problem)
    except InputError as error:
        return [*lines, *error.lines], None
    if found := room.faults(settings, built.input_shape, built.n_params, available):
        return [*lines, *found], None
    of_problem = []
    if settings.files is None:
        of_problem += _lines_of(simulator.check, built) or _lines_of(simulator.check_steps, built)
    of_problem += _lines_of(simulator.check_likelihood, built) + _lines_of(built.closed_form)
    if observed is not None and os.path.exists(observed):
        of_problem += _lines_of(arrays.read_observed, observed, built)
    of_problem += _of_prior(settings, built)
    for key, given in (compress or {}).items():
        lines += _lines_of(_opened, given, built, key)
    lines += of_problem
    lines += styles.faults_of_symbols(built.symbols)
    if settings.simulations == "on_the_fly" and built.numpy:
        lines.append(
            "simulations: expected draw, since a numpy simulator can't be compiled into the fit, "
            "found on_the_fly"
        )
    lines += _of_networks(settings, built, available)
    return lines, None if of_problem else built


def _opened(given: Given, problem: Problem, key: str) -> None:
    """Open files that are compressed; those that are not there may be made by a rule."""
    shape = (problem.n_params,) if key == OF_THETA else problem.input_shape
    if all(map(os.path.exists, named_files.paths_of(given, key))):
        with open_listed(given, shape, key):
            pass


def _of_prior(settings: Config, problem: Problem) -> Iterator[str]:
    """Faults of a prior that only the problem tells."""
    if settings.posterior is None:
        return
    spec = settings.posterior.prior
    found = list(priors.faults(spec, problem.names, problem.theta_fid))
    if settings.parameters is None:  # else told already
        yield from (f"{key}: expected {expected}, found {what}" for key, expected, what in found)
    simulates = settings.posterior.draws or "pmc" in settings.posterior.methods
    if simulates and problem.simulator is not None and not found:
        over = problem.over(prior_of(problem.names, spec))
        yield from _lines_of(simulator.check_prior, over)


def _bytes_of_set(given: Given, problem: Problem) -> tuple[int, int]:
    """Bytes of a user's simulations in float32, and of what is read into memory whole.

    0, 0 of broken files, see `check_files`.
    """
    try:
        with open_given(given, problem) as found:
            n = sum(math.prod(array.shape) for array in found.arrays.values())
            return 4 * n, found.n_loaded
    except InputError:
        return 0, 0


def sizes(settings: Config, problem: Problem, files: Mapping[str, Given]) -> requests.Sizes:
    """Sizes on which the memory of the run's jobs depends.

    Args:
        settings: the configuration, without faults.
        problem: its problem.
        files: what names the user's simulations, by set, if there are any.

    """
    shape = problem.input_shape
    n_derivatives = math.prod(problem.stored_shape) // math.prod(shape)
    if files:
        found = {split: _bytes_of_set(given, problem) for split, given in files.items()}
        fractions = settings.files.fractions
        parts = {"training": 1 - sum(fractions.values()), "validation": 1, "test": 1} | fractions
        sets = {
            split: math.ceil(parts[split] * found.get(split, found["training"])[0])
            for split in settings.files.splits
        }
        npz = max(loaded for _, loaded in found.values())
        return requests.Sizes(shape, n_derivatives, sets, npz)
    n = dict.fromkeys(("training", "validation"), (settings.n_s, settings.n_d))
    n["test"] = (settings.n_test, settings.n_test)
    if settings.simulations == "on_the_fly":
        n["training"] = (0, 0)
    sets = {split: requests.bytes_of_set(shape, n_derivatives, *n[split]) for split in n}
    return requests.Sizes(shape, n_derivatives, sets)
