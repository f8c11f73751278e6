"""What posteriors begin from: simulations from the prior, and the observation."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from imnn_core.data import arrays, sets
from imnn_core.data.listed import open_listed
from imnn_core.data.sources import Source
from imnn_core.problems import Problem, simulations
from imnn_core.store.errors import InputError

WHERE = "posterior.simulations"


@contextlib.contextmanager
def opened(
    paths: Sequence[str],
    given: Mapping[str, Any] | None,
    problem: Problem,
    seed: int,
    split: str,
    takes_float32: bool,
) -> Iterator[Source]:
    """Simulations ("fiducial") and their parameters ("derivative").

    Args:
        paths: to parts that were drawn here.
        given: names a user's files of `theta` and `d`, in place of parts; or None.
        problem: over the prior.
        seed, split: of the parts.
        takes_float32: see `open_listed`.

    Raises:
        InputError: files that don't go together, or can't be read.

    """
    if given is None:
        with sets.open_simulations(
            paths, problem, seed=seed, split=split, as_stored=True
        ) as source:
            yield source
        return
    with (
        open_listed(given["theta"], (problem.n_params,), f"{WHERE}.theta") as theta,
        open_listed(
            given["d"], problem.input_shape, f"{WHERE}.d", takes_float32=takes_float32
        ) as d,
    ):
        if d.shape[0] != theta.shape[0]:
            raise InputError(
                f"{WHERE}: expected as many simulations as parameters, found d of "
                f"{d.shape[0]} and theta of {theta.shape[0]}"
            )
        yield in_files(theta, d)


class Observed(NamedTuple):
    """Where the data lie whose posterior is asked for.

    path: to observed data; None, if a test simulation stands in for them.
    test: paths of the test set of a seed.
    """

    path: str | None
    test: Sequence[str]
    seed: int


def observed_of(inputs: Any, seed: int) -> Observed:
    """From a job's inputs, and the seed of the test set among them."""
    return Observed(inputs.get("observed"), list(inputs.get("test", [])), seed)


def observations(where: Observed, problem: Problem) -> tuple[np.ndarray, str]:
    """Observations (n_obs, *input_shape), and what to call them in errors.

    Raises:
        InputError: see `arrays.read_observed`.

    """
    if where.path is not None:
        return arrays.read_observed(where.path, problem), f"observed ({where.path})"
    with sets.open_simulations(
        where.test, problem, seed=where.seed, split="test", as_stored=True
    ) as source:
        d = np.empty((1, *problem.input_shape), source.fiducial.dtype)
        source.read("fiducial", 0, d)
    return d, "test simulation 0"


def held_out(n: int, n_calibration: int, seed: int) -> np.ndarray:
    """Which of a user's n simulations test the posteriors, by the seed, (n,) of bool."""
    words = simulations.words_of(simulations.seed_key(seed, "calibration"))
    chosen = np.random.default_rng(words).permutation(n)[:n_calibration]
    which = np.zeros(n, bool)
    which[chosen] = True
    return which


def in_files(theta: Any, d: Any) -> Source:
    """The source of two arrays in files, see `data.reading.Array`."""
    arrays = {"fiducial": d, "derivative": theta}
    shapes = (jax.ShapeDtypeStruct(each.shape, each.dtype) for each in arrays.values())
    return Source(*shapes, lambda name, start, out: arrays[name].read(start, out))
