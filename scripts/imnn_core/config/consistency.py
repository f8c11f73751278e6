"""Faults between the keys of a configuration, each of which is right by itself. Imports no jax."""

from collections.abc import Iterator
from typing import Any

from imnn_core.config.network import NETWORKS
from imnn_core.config.problem import FILES, PROBLEMS, is_file
from imnn_core.store.wording import nearest


def faults(config: Any) -> Iterator[str]:
    """A line for each fault of a `run.Config`."""
    for of_part in (_of_problem, _of_simulations, _of_derivatives, _of_fits):
        yield from of_part(config)


def _of_problem(config):
    if config.problem == FILES:
        if config.files is None:
            yield f"simulations: expected files, as `problem: files` says, found {config.simulations!r}"
        for key in ("names", "theta_fid", "input_shape"):
            if getattr(config, key) is None:
                yield f"{key}: expected a value, since `problem: files` has none of its own, found none"
    elif config.names is not None:
        yield f"names: expected none, since the problem has its own, found {config.names}"
    names = config.parameters
    if names is None:
        return
    if len(set(names)) < len(names):
        yield f"names: expected each name once, found {names}"
    for key in ("theta_fid", "delta_theta"):
        value = getattr(config, key)
        if value is not None and len(value) != len(names):
            yield f"{key}: expected {len(names)} numbers ({', '.join(names)}), found {len(value)}"
    if config.problem not in PROBLEMS:
        return
    halves = [step / 2 for step in config.delta_theta or [0] * len(names)]
    for name, value, bound, half in zip(
        names, config.theta_fid, PROBLEMS[config.problem].lower_bounds, halves, strict=False
    ):
        if bound is not None and value <= bound:
            yield f"theta_fid: expected {name} > {bound:g}, found {value:g}"
        elif bound is not None and value - half <= bound:
            yield f"delta_theta: expected {name} > {bound:g} at theta_fid - delta_theta / 2, found {value - half:g}"


def _of_simulations(config):
    sizes = config.model_fields_set & {"n_s", "n_d", "n_test"}
    if config.files is None and config.n_d > config.n_s:
        yield f"n_d: expected at most n_s = {config.n_s}, found {config.n_d}"
    if config.files is not None:
        for key in sorted(sizes):
            found = getattr(config, key)
            yield f"{key}: expected none, since the files of `simulations` say how many there are, found {found}"
    repeated = sorted({seed for seed in config.seeds if config.seeds.count(seed) > 1})
    if repeated:
        yield f"seeds: expected each seed once, found {', '.join(map(str, repeated))} more than once"
    if config.refine and config.observed is None:
        yield f"refine: expected 0 without `observed`, from which the estimates come, found {config.refine}"
    if config.refine and config.files is not None:
        yield f"refine: expected 0 with files of simulations, which are at one theta_fid, found {config.refine}"


def _of_derivatives(config):
    if config.derivative == "exact" and config.delta_theta is not None:
        yield f"delta_theta: expected none unless `derivative: finite_difference`, found {config.delta_theta}"
    if config.derivative == "finite_difference" and config.delta_theta is None:
        yield "delta_theta: expected a distance for each parameter with `derivative: finite_difference`, found none"


def _of_fits(config):
    names = config.parameters
    widest = max(config.fits, key=lambda name: config.fits[name].n_summaries)
    fewest = config.fits[widest].n_summaries + 3
    for key in ("n_s", "n_test") if config.files is None else ():
        if getattr(config, key) < fewest:
            yield f"{key}: expected at least n_summaries + 3 = {fewest} (of fits.{widest}), found {getattr(config, key)}"
    for name, recipe in config.fits.items():
        where = f"fits.{name}"
        if names is not None and recipe.n_summaries < len(names):
            yield f"{where}.n_summaries: expected at least n_params = {len(names)}, found {recipe.n_summaries}"
        kind = recipe.network.kind
        if kind not in NETWORKS and not is_file(config.problem):
            near = nearest(kind, NETWORKS)
            yield f"{where}.network.kind: expected {' or '.join(map(repr, NETWORKS))}, found {kind!r}{near}"
        if config.simulations == "on_the_fly":
            if not recipe.validation:
                yield f"{where}.validation: expected true with `simulations: on_the_fly`, found false"
            if recipe.augment is not None:
                yield f"{where}.augment: expected null with `simulations: on_the_fly`, found {recipe.augment!r}"
        if (
            config.files is not None
            and recipe.validation
            and "validation" not in config.files.splits
        ):
            yield f"{where}.validation: expected false, or validation simulations by a file or a fraction, found true"
        if recipe.continue_from is not None:
            yield from _of_continuing(config, name, recipe)


def _of_continuing(config, name, recipe):
    where, parent = f"fits.{name}.continue_from", recipe.continue_from
    if parent not in config.fits:
        yield f"{where}: expected one of the fits {', '.join(config.fits)}, found {parent!r}{nearest(parent, config.fits)}"
        return
    ancestors = [name]
    while parent in config.fits:
        if parent in ancestors:
            circle = " -> ".join([*ancestors, parent])
            yield f"{where}: expected a chain of fits with a beginning, found the circle {circle}"
            return
        ancestors.append(parent)
        parent = config.fits[parent].continue_from
    start = config.fits[recipe.continue_from]
    for key in ("n_summaries", "network", "standardise", "validation", "averaging"):
        if getattr(recipe, key) != getattr(start, key):
            yield (
                f"fits.{name}.{key}: expected the same as in {recipe.continue_from!r}, which this "
                f"fit continues; found {getattr(recipe, key)!r} in place of "
                f"{getattr(start, key)!r}"
            )
    if recipe.whiten:
        parent = recipe.continue_from
        yield f"fits.{name}.whiten: expected false, since this fit begins with the weights of {parent!r}, found true"
    if recipe.optimiser.name != start.optimiser.name:
        yield (
            f"fits.{name}.optimiser.name: expected {start.optimiser.name!r} as in "
            f"{recipe.continue_from!r}, whose optimiser state this fit continues; found "
            f"{recipe.optimiser.name!r}"
        )
