"""Population Monte Carlo for observations one after another, each gone on with if interrupted."""

import logging
from pathlib import Path
from typing import Any

import jax
import numpy as np
from imnn_core.inference import pmc
from imnn_core.inference.methods import Samples, Task
from imnn_core.inference.simulating import Estimates
from imnn_core.inference.summaries import Set
from imnn_core.problems.simulations import words_of
from imnn_core.store import hdf5
from imnn_core.store.errors import InputError
from imnn_core.store.files import remove

log = logging.getLogger("imnn")


def settings_of(given: dict[str, Any]) -> pmc.Settings:
    """Settings of the method from those of the configuration."""
    return pmc.Settings(
        n_particles=given["n_particles"],
        quantile=given["quantile"],
        batch=min(10_000, max(100, given["n_particles"])),
        smallest_acceptance=given["acceptance"],
        most_simulations=given["n_simulations"],
        most_steps=given["n_steps"],
    )


def of_observations(
    task: Task,
    simulate: Estimates,
    observed: Set,
    key: jax.Array,
    path: str | Path | None,
    first: int = 0,
) -> Samples:
    """Samples of the posterior of each observation.

    Args:
        task: see there.
        simulate: at parameters, see `simulating`.
        observed: estimates are taken.
        key: of the random stream, of which each observation has one of its own by its number.
        path: beside which the state after each step is kept, so that an interrupted job goes on;
            None to keep nothing.
        first: number of the first observation.

    """
    found, settings = task.found, settings_of(task.settings["pmc"])
    at, populations = found.whitened(observed.estimates), []
    for i, x in enumerate(at):
        own = jax.random.fold_in(key, first + i)
        words = tuple(words_of(own))

        def scaled(theta, number, own=own):
            return found.whitened(simulate(own, theta, number))

        kept = None if path is None else Path(f"{path}.pmc-{i}.unfinished")
        made_from = repr((settings, x.tolist(), found.prior.plain(), words))
        population = pmc.run(
            scaled,
            found.prior,
            x,
            words,
            settings,
            resume=_kept(kept, made_from),
            save=lambda state, kept=kept, made=made_from: _keep(kept, made, state),
        )
        log.info("pmc: ended, since %s", pmc.reason_to_stop(population, settings))
        populations.append(population)
    for i in range(len(at)) if path is not None else ():
        remove(f"{path}.pmc-{i}.unfinished")
    facts = {
        "epsilon": [each.epsilon[-1] for each in populations],
        "acceptance": [each.acceptance[-1] for each in populations],
        "n_simulations": [each.n_simulations[-1] for each in populations],
        "n_steps": [len(each.epsilon) for each in populations],
    }
    return Samples(
        np.stack([each.theta for each in populations]),
        np.stack([each.weights for each in populations]),
        {name: np.array(values) for name, values in facts.items()},
    )


def _keep(path: Path | None, made_from: str, state: pmc.Population) -> None:
    if path is None:
        return
    with hdf5.writing(path, "pmc", {"made_from": made_from}) as file:
        for name, array in state._asdict().items():
            file[name] = array


def _kept(path: Path | None, made_from: str) -> pmc.Population | None:
    """The state of an interrupted job of the same settings and observation."""
    if path is None or not path.exists():
        return None
    try:
        with hdf5.opened(path, "pmc") as file:
            if file.attrs["made_from"] != made_from:
                return None
            state = pmc.Population(*(file[name][:] for name in pmc.Population._fields))
    except InputError as error:
        log.info("warning: %s; begun anew", error)
        return None
    log.info("pmc: goes on after step %d", len(state.epsilon))
    return state
