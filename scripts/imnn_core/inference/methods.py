"""The methods: from summaries to samples of the posterior at some observations.

Each has two functions: `infer` gets what the others need once, a state of plain arrays; `sample`
takes observations by that state. Their arguments are those of `Task`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from imnn_core.config.posterior import MOST, n_accepted
from imnn_core.evaluation.weighted import effective
from imnn_core.inference import gaussian, neural, rejection
from imnn_core.inference.summaries import Set, Summaries
from imnn_core.store.errors import InputError

State = Mapping[str, np.ndarray]


class Samples(NamedTuple):
    """Weighted samples of the posterior of each observation.

    theta: (n_obs, n, n_params). weights: (n_obs, n).
    facts: plain numbers by observation, (n_obs,) each, such as epsilon.
    """

    theta: np.ndarray
    weights: np.ndarray
    facts: dict[str, np.ndarray]

    @property
    def effective(self) -> np.ndarray:
        """Number of independent samples that they are worth, (n_obs,)."""
        return effective(self.weights)


class Task(NamedTuple):
    """What a method is given.

    found: summaries of simulations from the prior. settings: `posterior:` of the configuration.
    words: of the random stream. show: (done, all, text) draws a bar.
    """

    found: Summaries
    settings: Mapping[str, Any]
    words: tuple[int, ...]
    show: Callable[[int, int, str], None] = lambda done, n, text: None


def of_gaussian(task: Task, state: State, observed: Set, words: tuple[int, ...]) -> Samples:
    """N(estimate, F^-1) times the prior."""
    n, found = task.settings["n_samples"], task.found
    draws = gaussian.sample(observed.estimates, found.covariance, found.prior, n, words)
    return Samples(draws.theta, draws.weights, {})


def of_rejection(task: Task, state: State, observed: Set, words: tuple[int, ...]) -> Samples:
    """The simulations whose estimates are nearest, in units of their bounds."""
    found, n = task.found, len(task.found.simulated.x)
    n_kept = task.settings["rejection"]["n_accepted"] or n_accepted(n)
    if n_kept * MOST > n or not n_kept:
        raise InputError(
            f"posterior: rejection keeps {n_kept} simulations (rejection.n_accepted): expected at "
            f"least {MOST} times as many simulations from the prior, found {n}; fewer kept ones "
            "would be the prior, not the posterior"
        )
    s, at = (found.whitened(each.estimates) for each in (found.simulated, observed))
    kept = rejection.posterior(found.simulated.theta, s, at, n_kept)
    return Samples(kept.theta, kept.weights, {"epsilon": kept.epsilon})


def trained(task: Task) -> neural.Neural:
    """The network of `neural`."""
    given, found = task.settings["neural"], task.found
    settings = neural.Settings(
        n_components=given["n_components"],
        hidden=tuple(given["hidden"]),
        ensemble=given["ensemble"],
    )
    simulated = found.simulated
    return neural.train(simulated.theta, simulated.x, found.prior, task.words, settings, task.show)


def of_neural(task: Task, state: State, observed: Set, words: tuple[int, ...]) -> Samples:
    """The density that the network gives."""
    network = neural.of_arrays(state, task.found.prior)
    theta = network.sample(observed.x, task.settings["n_samples"], words)
    return Samples(theta, np.ones(theta.shape[:2]), {})


def log_density(
    method: str, task: Task, state: State, theta: np.ndarray, observed: Set
) -> np.ndarray | None:
    """Log-density q(theta | observation), (n_obs, p) -> (n_obs,); None where it is unknown."""
    found = task.found
    if method == "gaussian":
        return gaussian.log_density(theta, observed.estimates, found.covariance, found.prior)[0]
    if method == "neural":
        network = neural.of_arrays(state, found.prior)
        return network.log_density(theta[:, None], observed.x)[:, 0]
    return None


SAMPLE = {"gaussian": of_gaussian, "rejection": of_rejection, "neural": of_neural}
