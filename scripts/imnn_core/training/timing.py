"""How long an iteration of a fit takes, on simulations of which there are few as yet."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

import jax
import numpy as np
from imnn_core.compression import inputs_of
from imnn_core.config.recipe import Recipe
from imnn_core.data import sources
from imnn_core.data.sources import Source
from imnn_core.problems import Problem
from imnn_core.training import fitter as fitters
from imnn_core.training import loop

MOST, BYTES = 20_000, 2**26  # simulations of a set that is made, and bytes of it
SECONDS = 3.0  # of iterations that are timed
# Of a recipe, what changes no iteration's time.
ANY = ("strength", "closeness", "patience", "min_iterations", "max_iterations", "weights")
ANY += ("report_every", "continue_from")


class Timing(NamedTuple):
    """What an iteration took.

    seconds: of one, on sets of the full size. compiling: seconds before the first one.
    share: of the full size, that the sets had which were timed; times are over it.
    flow: "resident" or "streamed".
    """

    seconds: float
    compiling: float
    share: float
    flow: str


class _Enough(Exception):
    """Iterations have been timed for long enough."""


def kind_of(recipe: Recipe) -> str:
    """What recipes have in common whose iterations take the same time."""
    return repr({key: value for key, value in recipe.model_dump().items() if key not in ANY})


def repeated(source: Source, n_s: int, n_d: int) -> Source:
    """A set of n_s simulations, n_d with derivatives, from fewer: each comes again and again."""
    rows = {}
    for name in ("fiducial", "derivative"):
        of_part = getattr(source, name)
        rows[name] = np.empty(of_part.shape, of_part.dtype)
        source.read(name, 0, rows[name])

    def read(name, start, out):
        out[:] = rows[name][(start + np.arange(len(out))) % len(rows[name])]

    def of(name, n):
        return jax.ShapeDtypeStruct((n, *rows[name].shape[1:]), rows[name].dtype)

    return Source(of("fiducial", n_s), of("derivative", n_d), read)


def at_random(problem: Problem, n: int) -> Source:
    """Numbers in the shape of n simulations as a network gets them."""
    rng = np.random.default_rng(0)
    shapes = ((n, *problem.input_shape), (n, *problem.derivative_shape))
    return sources.in_memory(*(rng.standard_normal(shape, np.float32) for shape in shapes))


def measure(
    recipe: Recipe,
    problem: Problem,
    source: Source,
    sizes: tuple[int, int],
    n_bytes: int,
    on_the_fly: bool,
    seed: int,
    seconds: float = SECONDS,
) -> Timing:
    """Begin a fit as a full run would, and stop it after some iterations.

    Args:
        recipe: of the fit, its n_summaries known.
        problem: of the simulations.
        source: a few simulations as a network gets them, more than n_summaries + 2.
        sizes: n_s and n_d of the sets of the full run.
        n_bytes: of these sets, by which `data: auto` decides.
        on_the_fly: whether training simulations are drawn anew in every iteration.
        seed: of the weights.
        seconds: of iterations that are timed.

    Raises:
        InputError: the fit can't begin, or its loss or gradient is not finite.

    """
    row = max(1, sum(part.dtype.itemsize * int(np.prod(part.shape[1:])) for part in source[:2]))
    share = min(1.0, MOST / sizes[0], max(BYTES / row, recipe.n_per_device) / sizes[0])
    n_s, n_d = (max(2, round(share * n)) for n in sizes)
    inputs, _ = inputs_of.of_set(recipe, problem, source)
    fitter = fitters.build(recipe, problem, n_bytes, on_the_fly, inputs)
    of_set = repeated(source, n_s, n_d)
    given = {"training": sources.on_the_fly(n_s, n_d) if on_the_fly else of_set}
    given |= {"validation": of_set} if recipe.validation else {}
    began, ends, reported = time.perf_counter(), [], []

    def keep(state, rows):
        ends.append((time.perf_counter(), len(rows)))
        if len(ends) > 1 and ends[-1][0] - ends[0][0] > seconds:
            raise _Enough

    with fitter.data(**given) as data, suppress(_Enough):
        loop.fit(
            fitter.engine,
            fitter.optimiser,
            fitter.first_state(seed, fitter.measured(data["training"], seed, 0)),
            data["training"],
            data.get("validation"),
            fitter.settings,
            lambda progress: reported.append((progress.seconds, len(progress.history))),
            fitter.augment(seed),
            keep,
        )
    (first, _), (last, _) = ends[0], ends[-1]
    n = sum(n for _, n in ends[1:])
    each = (last - first) / n if n else reported[0][0] / reported[0][1]
    flow = "resident" if fitter.engine.fused else "streamed"
    return Timing(each / share, max(0.0, first - began - each), share, flow)


def distinct(fits: Mapping[str, Recipe]) -> dict[str, list[str]]:
    """Names of fits whose iterations take the same time, by the first of them."""
    found: dict[str, list[str]] = {}
    for name, recipe in fits.items():
        found.setdefault(kind_of(recipe), []).append(name)
    return {names[0]: names for names in found.values()}
