"""Faults between the keys of a configuration, each of which is valid by itself. Imports no jax."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from imnn_core.config import posterior
from imnn_core.config.files import SPLITS
from imnn_core.config.listed import PARAMETERS, SIDES, entries, fault_of_axes
from imnn_core.config.network import NETWORKS
from imnn_core.config.problem import FILES, PROBLEMS, is_file
from imnn_core.store.wording import nearest, shortened, shown

FURTHER = {"derivative": (PARAMETERS,), "shifted": (SIDES, PARAMETERS)}  # axes of arrays

MOST_PARTS = 10_000  # of a set: each is a job and a file
MOST_IN_A_CHAIN = 50  # fits, each of which continues the one before: Snakemake follows all at once


def faults(config: Any) -> Iterator[str]:
    """A line for each fault of a `run.Config`."""
    for of_part in (
        _of_problem,
        _of_simulations,
        _of_sets,
        _of_derivatives,
        posterior.faults,
        _of_fits,
    ):
        for key, expected, found in of_part(config):
            yield f"{key}: expected {expected}, found {found}"


def _of_problem(config):
    """Tuples (key, what was expected, what was found), as from the functions below."""
    if config.problem == FILES:
        if config.files is None:
            yield "simulations", "files, as `problem: files` says", shown(config.simulations)
        for key in ("names", "theta_fid", "input_shape"):
            if getattr(config, key) is None:
                yield key, "a value, since `problem: files` has none of its own", "none"
    elif config.names is not None:
        yield "names", "none, since the problem has its own", shown(config.names)
    names = config.parameters
    if names is None:
        return
    if len(set(names)) < len(names):
        yield "names", "each name once", shown(names)
    for key, what in (("theta_fid", "numbers"), ("delta_theta", "entries")):
        value = getattr(config, key)
        if value is not None and len(value) != len(names):
            yield key, f"{len(names)} {what} ({shortened(', '.join(names))})", len(value)
    if config.problem not in PROBLEMS:
        return
    lowest = [
        -step / 2 if isinstance(step, float) else min(step)
        for step in config.delta_theta or [0.0] * len(names)
    ]
    for name, value, bound, offset in zip(
        names, config.theta_fid, PROBLEMS[config.problem].lower_bounds, lowest, strict=False
    ):
        if bound is not None and value <= bound:
            yield "theta_fid", f"{name} > {bound:g}", f"{value:g}"
        elif bound is not None and value + offset <= bound and config.files is None:
            where = "at theta_fid - delta_theta / 2"
            yield "delta_theta", f"{name} > {bound:g} {where}", f"{value + offset:g}"


def _of_simulations(config):
    if config.files is None and config.n_d > config.n_s:
        yield "n_d", f"at most n_s = {config.n_s}", config.n_d
    most = max(config.n_s, config.n_test)
    n_per_part = config.simulate.n_per_part
    if config.files is None and n_per_part and most > MOST_PARTS * n_per_part:
        fewest = -(-most // MOST_PARTS)
        expected = f"at least {fewest}, for at most {MOST_PARTS} parts of a set"
        yield "simulate.n_per_part", expected, n_per_part
    if config.files is not None:
        for key in sorted(config.model_fields_set & {"n_s", "n_d", "n_test"}):
            why = "since the files of `simulations` say how many there are"
            yield key, f"none, {why}", getattr(config, key)
    repeated = sorted(seed for seed, n in Counter(config.seeds).items() if n > 1)
    if repeated:
        found = shortened(", ".join(map(str, repeated)))
        yield "seeds", "each seed once", f"{found} more than once"
    paths = [("observed", config.observed), ("figures.style", config.figures.style)]
    if config.files is not None:
        given = [(f"simulations.{each}", getattr(config.files, each)) for each in SPLITS]
        paths += [(key, path) for key, path in given if isinstance(path, str)]
        for split, of_set in config.files.sets.items():
            for key, listed in of_set.listed():
                paths += [(f"simulations.{split}.{key}", path) for path in entries(listed)]
    for name, listed in config.compress.items():
        paths += [(f"compress.{name}", path) for path in entries(listed)]
    for key, path in paths:
        if path and {"{", "}"} & set(path):
            expected = "a path without braces, which Snakemake takes for wildcards"
            yield key, expected, shown(path)
    if config.refine and config.observed is None:
        yield "refine", "0 without `observed`, from which the estimates come", config.refine
    if config.refine and config.files is not None:
        why = "which were simulated at one theta_fid"
        yield "refine", f"0 with files of simulations, {why}", config.refine


def _of_sets(config):
    """Of arrays in files of their own: parameters, offsets, axes, and what the config says."""
    n_grid = None if config.input_shape is None else len(config.input_shape)
    for name, listed in config.compress.items():
        axes = getattr(listed, "axes", None)
        if axes and (expected := fault_of_axes(axes, n_grid, ())):
            yield f"compress.{name}.axes", expected, shown(axes)
    for split, given in config.files.sets.items() if config.files else ():
        where, offsets = f"simulations.{split}", given.offsets
        for key, listed in given.listed():
            further = FURTHER.get(key, ())
            axes = getattr(listed, "axes", None)
            if axes and (expected := fault_of_axes(axes, n_grid, further)):
                yield f"{where}.{key}.axes", expected, shown(axes)
        is_exact = config.derivative == "exact"
        if given.derivative is not None and not is_exact:
            yield f"{where}.derivative", f"none with `derivative: {config.derivative}`", "files"
        if given.shifted is not None and is_exact:
            expected = f"a finite difference, as {where}.shifted says"
            yield "derivative", expected, shown(config.derivative)
        if offsets is None:
            continue
        names = config.parameters or list(offsets)
        for name in offsets:
            if name not in names:
                expected = f"one of the parameters {shortened(', '.join(names))}"
                yield f"{where}.shifted", expected, f"{shown(name)}{nearest(name, names)}"
        for name in names:
            if name not in offsets:
                yield f"{where}.shifted.{name}", "files of each parameter at its offsets", "none"
        if offsets.keys() == set(names) and config.delta_theta is not None:
            yield from _of_offsets(config, where, offsets, names)


def _of_offsets(config, where, offsets, names):
    if config.parameters is None and not config.named_offsets:
        return  # only the problem knows which entry is of which parameter
    for i, (name, step) in enumerate(zip(names, config.delta_theta, strict=False)):
        wanted = sorted([-step / 2, step / 2] if isinstance(step, float) else step)
        close = len(wanted) == len(offsets[name]) and all(
            math.isclose(a, b, rel_tol=1e-9) for a, b in zip(wanted, offsets[name], strict=True)
        )
        if not close:
            expected = f"the offsets {wanted}, as delta_theta.{i} or another set has them"
            yield f"{where}.shifted.{name}", expected, shown(offsets[name])


def _of_derivatives(config):
    key, differences = "delta_theta", f"`derivative: {config.derivative}`"
    if config.derivative == "exact" and config.delta_theta is not None:
        yield key, "none unless `derivative: finite_difference`", shown(config.delta_theta)
    is_named = config.files is not None and config.files.offsets  # whose faults are told already
    if config.derivative != "exact" and config.delta_theta is None and not is_named:
        yield key, f"a distance for each parameter with {differences}", "none"


def _of_fits(config):
    names = config.parameters
    n_summaries = {name: recipe.n_summaries or 1 for name, recipe in config.fits.items()}
    if names is not None:
        n_summaries = {name: each.of(len(names)).n_summaries for name, each in config.fits.items()}
    widest = max(n_summaries, key=n_summaries.get)
    fewest = n_summaries[widest] + 3
    for key in ("n_s", "n_test") if config.files is None else ():
        if getattr(config, key) < fewest:
            expected = f"at least n_summaries + 3 = {fewest} (of fits.{widest})"
            yield key, expected, getattr(config, key)
    for name, recipe in config.fits.items():
        where = f"fits.{name}"
        if names is not None and n_summaries[name] < len(names):
            yield f"{where}.n_summaries", f"at least n_params = {len(names)}", recipe.n_summaries
        kind = recipe.network.kind
        if kind not in NETWORKS and not is_file(config.problem):
            expected = " or ".join(map(repr, NETWORKS))
            yield f"{where}.network.kind", expected, f"{shown(kind)}{nearest(kind, NETWORKS)}"
        if config.simulations == "on_the_fly":
            if not recipe.validation:
                yield f"{where}.validation", "true with `simulations: on_the_fly`", "false"
            if recipe.augment is not None:
                expected = "null with `simulations: on_the_fly`"
                yield f"{where}.augment", expected, repr(recipe.augment)
        given = config.files.splits if config.files else ["validation"]
        if recipe.validation and "validation" not in given:
            expected = "false, or validation simulations by a file or a fraction"
            yield f"{where}.validation", expected, "true"
        if recipe.continue_from is not None:
            yield from _of_continuing(config, name, recipe)


def _of_continuing(config, name, recipe):
    where, parent = f"fits.{name}", recipe.continue_from
    if parent not in config.fits:
        expected = f"one of the fits {shortened(', '.join(config.fits))}"
        yield f"{where}.continue_from", expected, f"{shown(parent)}{nearest(parent, config.fits)}"
        return
    ancestors = {name: None}  # in their order
    while parent in config.fits:
        if parent in ancestors:
            circle = shortened(" -> ".join([*ancestors, parent]))
            expected = "a chain of fits with a beginning"
            yield f"{where}.continue_from", expected, f"the circle {circle}"
            return
        ancestors[parent] = None
        parent = config.fits[parent].continue_from
    if len(ancestors) > MOST_IN_A_CHAIN:
        expected = f"at most {MOST_IN_A_CHAIN} fits in a chain"
        yield f"{where}.continue_from", expected, f"{len(ancestors)} of them"
        return
    parent = recipe.continue_from
    start = config.fits[parent]
    for key in ("n_summaries", "network", "standardise", "linear", "validation", "averaging"):
        if getattr(recipe, key) != getattr(start, key):
            expected = (
                f"the same as in {parent!r}, which this fit continues, {shown(getattr(start, key))}"
            )
            yield f"{where}.{key}", expected, shown(getattr(recipe, key))
    if recipe.whiten:
        expected = f"false, since this fit begins with the weights of {parent!r}"
        yield f"{where}.whiten", expected, "true"
    if recipe.optimiser.name != start.optimiser.name:
        why = f"as in {parent!r}, whose optimiser state this fit continues"
        expected = f"{shown(start.optimiser.name)} {why}"
        yield f"{where}.optimiser.name", expected, shown(recipe.optimiser.name)
