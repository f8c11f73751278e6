"""Load a fit from its file."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
from imnn_core.config.network import NETWORKS
from imnn_core.config.recipe import Recipe
from imnn_core.fitted import measured
from imnn_core.fitted.compressor import Compressor
from imnn_core.networks import architecture, inputs
from imnn_core.networks.kinds import Network
from imnn_core.problems import Problem
from imnn_core.problems.from_file import from_file
from imnn_core.store import fits, hdf5
from imnn_core.store.errors import InputError
from imnn_core.store.files import make_again
from imnn_core.store.wording import shortened, without_remedy

TOLERANCE = 1e-3  # of the summaries' standard deviation: another network, and no rounding
OF_A_FIT = ("names", "theta_fid", "input_shape", "dtype", "recipe")  # attributes


def load(
    path: str | Path,
    fit: str | None = None,
    seed: int | None = None,
    problem: str | Path | Problem | None = None,
) -> Compressor:
    """The compressor of a fit.

    Args:
        path: of `fit.h5`, of the folder that it lies in, or of a run such as `results/gaussian`.
        fit, seed: which one of a run; not needed where there is one.
        problem: the Python file of the problem, or the problem itself. It is needed where the
            network is the user's own, and its code is executed; else it is not used.

    Raises:
        InputError: there is no such fit, it was cut off or changed, or is of an older version; its
            network is the user's own and no problem is given, or gives other summaries than when
            it was fitted.

    """
    path = find(Path(path), fit, seed)
    return of_files(path, path.with_name("information.json"), problem)


def find(path: Path, fit: str | None, seed: int | None) -> Path:
    """The file of a fit, by its path, its folder, or a run with the names of fit and seed.

    Raises:
        InputError: there is none, or more than one.

    """
    if not path.exists():
        raise InputError(f"{path}: expected a fit's file or a run's folder, found nothing there")
    if not path.is_dir():
        if fit is not None or seed is not None:
            raise InputError(f"{path}: expected a run's folder beside fit and seed, found a file")
        return path
    if (path / "fit.h5").is_file() and fit is None and seed is None:
        return path / "fit.h5"
    names = ("*" if fit is None else fit, "seed-*" if seed is None else f"seed-{seed}")
    is_there = {
        each.parent.relative_to(path / "fits"): each for each in path.glob("fits/*/seed-*/fit.h5")
    }
    found = [each for there, each in is_there.items() if there.match("/".join(names))]
    if len(found) == 1:
        return found[0]
    known = shortened(", ".join(sorted(map(str, is_there)))) or "none"
    asked = ", ".join(
        f"{key}={value!r}" for key, value in (("fit", fit), ("seed", seed)) if value is not None
    )
    raise InputError(
        f"{path}: expected one fit{' of ' * bool(asked)}{asked}, found {len(found)}; those that "
        f"are there: {known}"
    )


def of_files(
    path_to_fit: str | Path,
    path_to_information: str | Path,
    problem: str | Path | Problem | None = None,
) -> Compressor:
    """The compressor of a fit, with what was measured of it; see `load`."""
    path = Path(path_to_fit)
    attributes = _attributes(path)
    missing = [name for name in OF_A_FIT if name not in attributes]
    if missing:
        raise InputError(
            f"{path}: expected the attributes {', '.join(OF_A_FIT)}, found no "
            f"{', '.join(missing)}, as in fits of an older version; {make_again(path)}"
        )
    recipe = Recipe(**json.loads(attributes["recipe"]))
    built = _problem(path, attributes, recipe, problem)
    dtype = np.dtype(attributes["dtype"])
    standing = inputs.of_fit(path)
    for array in standing.arrays().values():
        measured.kept(array)
    with jax.enable_x64(dtype == np.float64):
        network = inputs.before(architecture.build(recipe, built), standing)
        like = jax.eval_shape(lambda: network.init(jax.random.key(0), built.input_shape))
        weights = fits.read_fit(path, {recipe.evaluated: like})[0][recipe.evaluated]
    found = measured.of_fit(Path(path_to_information), path, built.names)
    compressor = Compressor(
        path=path,
        names=built.names,
        theta_fid=measured.kept(built.theta_fid),
        input_shape=built.input_shape,
        n_summaries=recipe.n_summaries,
        recipe=MappingProxyType(recipe.model_dump()),
        provenance=MappingProxyType(_provenance(path, attributes)),
        dtype=dtype,
        inputs=standing,
        n_at_once=recipe.n_per_device,
        _apply=partial(_applied, network, weights, dtype),
        _measured=found,
        _again=(of_files, (path.resolve(), Path(path_to_information).resolve(), problem)),
    )
    _check(compressor)
    return compressor


def _attributes(path: Path) -> Mapping[str, Any]:
    """What a fit's file says of it.

    Raises:
        InputError: it is none, or is not whole. What to do about that its owner knows.

    """
    try:
        return fits.read_fit(path, {})[3]
    except InputError as error:
        raise InputError(*map(without_remedy, error.lines)) from None


def _applied(network: Network, weights: Any, dtype: np.dtype, d: jax.Array) -> jax.Array:
    return network.apply(weights, d).astype(dtype)


def _problem(path: Path, attributes: Mapping, recipe: Recipe, given: Any) -> Problem:
    """The problem as far as a network needs it."""
    known = {
        "theta_fid": attributes["theta_fid"],
        "names": list(attributes["names"]),
        "input_shape": list(attributes["input_shape"]),
    }
    kind = recipe.network.kind
    if kind in NETWORKS:
        return Problem(simulator=None, name=attributes["problem"], **known)
    if given is None:
        raise InputError(
            f"{path}: expected the problem's Python file, since network {kind!r} is the problem's "
            f"own, found none given: load(…, problem={attributes['problem_file']!r}); or take "
            "compressor.stablehlo beside the fit, which needs no code"
        )
    found = given if isinstance(given, Problem) else from_file(given)
    for key, value in (("names", found.names), ("input_shape", found.input_shape)):
        if list(value) != known[key]:
            raise InputError(
                f"{path}: expected a problem with {key} = {known[key]}, found {list(value)}"
            )
    return replace(found, theta_fid=known["theta_fid"])


def _provenance(path: Path, attributes: Mapping) -> dict[str, Any]:
    """Where a fit comes from."""
    versions = {name: attributes[name] for name in hdf5.provenance() if name in attributes}
    told = ("problem", "problem_file", "seed", "n_s", "n_d", "commit", "device")
    found = {name: attributes[name] for name in told if attributes.get(name) not in (None, "")}
    made_from = json.loads(attributes["made_from"])
    return found | {
        "versions": versions,
        "made_from": made_from,
        "checksum": hdf5.checksum(path),
    }


def _check(compressor: Compressor) -> None:
    """See that the network gives the summaries that it gave when it was fitted."""
    probe = fits.read_arrays(compressor.path, "probe")
    x, deviation = compressor(probe["d"]).astype(np.float64), probe["deviation"]
    away = np.abs(x - probe["x"]) / np.where(deviation > 0, deviation, 1)
    # What is not finite, as after a fit that went wrong, has no difference to be judged by.
    both = np.isfinite(x) & np.isfinite(probe["x"])
    most = away[both].max(initial=0)
    if (np.isfinite(x) != np.isfinite(probe["x"])).any() or most > TOLERANCE:
        raise InputError(
            f"{compressor.path}: expected the summaries of the fit of its first simulations, found "
            f"others, by up to {most:.2g} standard deviations: the network's code has changed "
            "since the fit; take the code as it was, or compressor.stablehlo beside the fit, which "
            "has it inside"
        )
