"""Neural posterior estimation: q(theta | x), trained on simulations from the prior.

Parameters become z = Phi^-1(P(theta)), with P the prior's distribution function: N(0, 1) under the
prior, without bounds, and with no heavy tails at a hard edge. Summaries become normal scores. A
network of the scores gives the mixture of Gaussians q(z | s), and

    q(theta | x) = q(z | s) p(theta) / N(z; 0, 1).

Source: Bishop 1994 (mixture density networks); Papamakarios & Murray 2016, arXiv:1605.06376.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from imnn_core.inference import mixture, normal_scores
from imnn_core.inference.mixture import Settings
from imnn_core.inference.standard import theta_of
from imnn_core.problems.prior import Prior
from imnn_core.store.errors import InputError
from scipy.special import ndtri

__all__ = ["Neural", "Settings", "of_arrays", "train"]
Show = Callable[[int, int, str], None]  # epochs done, at most, a line
FURTHEST = 8.0  # |z|: a share of 1e-15 of the prior lies beyond
AT_ONCE = 2**15  # densities that are calculated at once


class Neural:
    """A posterior density for any summaries.

    prior: of the parameters.
    scores: maps of the summaries, (n_summaries,).
    members: weights of each network of the ensemble; the density is their mean.
    report: how training went.
    """

    def __init__(
        self,
        prior: Prior,
        scores: list[normal_scores.Scores],
        members: list[mixture.Weights],
        report: dict[str, Any],
    ):
        """Args: see the class."""
        self.prior, self.scores, self.members, self.report = prior, scores, members, report

    def _mixtures(self, x):
        """The mixture at summaries (n_obs, n_summaries) of each member."""
        if np.ndim(x) != 2 or x.shape[1] != len(self.scores):
            raise InputError(f"x: expected {len(self.scores)} summaries, found shape {np.shape(x)}")
        if not np.isfinite(x).all():
            raise InputError("x: expected finite summaries, found others")
        s, p = scores_of(x, self.scores), len(self.prior.names)
        return [mixture.of_summaries(_doubled(weights), s, p, np) for weights in self.members]

    def sample(self, x: np.ndarray, n: int, seed: int | Sequence[int]) -> np.ndarray:
        """Draws from the posterior, within the prior's bounds: (n_obs, n, n_params).

        Args:
            x: summaries, (n_obs, n_summaries).
            n: draws for each.
            seed: of the random numbers. Draws depend on it, the place and the summaries.

        """
        mixtures = self._mixtures(x)
        theta = np.empty((len(x), n, len(self.prior.names)))
        for i in range(len(x)):
            rng = np.random.default_rng([*np.atleast_1d(seed), i])
            which = rng.integers(len(mixtures), size=n) if len(mixtures) > 1 else np.zeros(n, int)
            z = theta[i]
            for member, of in enumerate(mixtures):
                its = which == member
                z[its] = mixture.draw(of, rng, i, int(its.sum()))
            theta[i] = parameters_of_scores(z, self.prior)
        return theta

    def log_density(self, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Log-density ln q(theta | x), normalised in theta; -inf outside of the prior: (n_obs, m).

        Args:
            theta: parameters, (n_obs, m, n_params).
            x: summaries, (n_obs, n_summaries).

        """
        mixtures, (n_obs, m, _) = self._mixtures(x), theta.shape
        log_q, columns = np.empty((n_obs, m)), min(m, AT_ONCE)
        rows = max(1, AT_ONCE // max(1, columns))
        for a in range(0, n_obs, rows):
            block = [mixture.Mixture(*(array[a : a + rows] for array in of)) for of in mixtures]
            for b in range(0, m, columns):
                part = slice(a, a + rows), slice(b, b + columns)
                log_q[part] = self._log_density(theta[part], block)
        return log_q

    def _log_density(self, theta, mixtures):
        z = scores_of_parameters(theta, self.prior)
        each = [mixture.log_density(of, z, np) for of in mixtures]
        log_q = mixture.log_sum(np.stack(each, -1), np) - math.log(len(each))
        log_normal = -0.5 * (z**2).sum(-1) - 0.5 * z.shape[-1] * math.log(2 * math.pi)
        return log_q - log_normal + self.prior.log_density(theta)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that it consists of but the prior, flat, by name."""
        found = {}
        for i, of in enumerate(self.scores):
            found |= {f"scores{i}": np.array([of.centre, of.scale]), f"scores{i}.knots": of.knots}
        for i, weights in enumerate(self.members):
            found |= {f"member{i}.{name}": array for name, array in weights.items()}
        report = {
            f"report.{name}": np.asarray(value, np.float64) for name, value in self.report.items()
        }
        return found | report


def of_arrays(arrays: Mapping[str, np.ndarray], prior: Prior) -> Neural:
    """The same as the one that gave the arrays, to the bit."""

    def numbered(word):
        i = 0
        while any(name.startswith(f"{word}{i}.") for name in arrays):
            yield i
            i += 1

    def below(word):
        return {
            name[len(word) :]: np.asarray(a) for name, a in arrays.items() if name.startswith(word)
        }

    scores = [
        normal_scores.Scores(
            *map(float, arrays[f"scores{i}"]), np.asarray(arrays[f"scores{i}.knots"])
        )
        for i in numbered("scores")
    ]
    members = [below(f"member{i}.") for i in numbered("member")]
    return Neural(prior, scores, members, {k: v.tolist() for k, v in below("report.").items()})


def train(
    theta: np.ndarray,
    x: np.ndarray,
    prior: Prior,
    seed: int | Sequence[int],
    settings: Settings = Settings(),  # noqa: B008 (a NamedTuple does not change)
    show: Show = lambda done, n, text: None,
) -> Neural:
    """The posterior that is trained on simulations.

    Args:
        theta: drawn from the prior, (n, n_params).
        x: summaries of simulations there, (n, n_summaries).
        prior: of the parameters.
        seed: of the first weights, and of the order of simulations.
        settings: see `Settings`.
        show: is called with epochs done, epochs at most, and a line, after each epoch.

    Raises:
        InputError: shapes that do not match, numbers that are not finite, too few simulations,
            parameters outside of the prior, a constant summary.

    """
    from imnn_core.inference import training

    theta, x = np.asarray(theta, np.float64), np.asarray(x, np.float64)
    _check(theta, x, prior)
    began = time.monotonic()
    scores = [normal_scores.learnt(x[:, i], f"summary {i}") for i in range(x.shape[1])]
    s, z = scores_of(x, scores), scores_of_parameters(theta, prior)
    members, reports = [], []
    for member in range(settings.ensemble):

        def show_member(done, n, text, member=member):
            show(member * n + done, settings.ensemble * n, text)

        weights, report = training.trained(
            s, z, [*np.atleast_1d(seed), member], settings, show_member
        )
        members.append(weights)
        reports.append(report)
    return Neural(prior, scores, members, _summary(reports, time.monotonic() - began))


def _summary(reports, seconds):
    """What all members have in common, in plain numbers."""
    best = [int(np.argmin(report["held_out_loss"])) for report in reports]
    pairs = list(zip(reports, best, strict=True))
    return {
        "epochs": [len(report["held_out_loss"]) for report in reports],
        "best_epoch": [i + 1 for i in best],
        "training_loss": [report["training_loss"][i] for report, i in pairs],
        "held_out_loss": [report["held_out_loss"][i] for report, i in pairs],
        "seconds": seconds,
    }


def _check(theta, x, prior):
    """Raises InputError for what can't be trained on."""
    p = len(prior.names)
    if theta.ndim != 2 or x.ndim != 2 or len(theta) != len(x) or theta.shape[1] != p:
        raise InputError(
            f"simulations: expected theta (n, {p}) and x (n, n_summaries), "
            f"found {theta.shape} and {x.shape}"
        )
    least = 20 * (p + x.shape[1])
    if len(x) < least:
        raise InputError(f"simulations: expected at least {least}, found {len(x)}")
    for name, array in (("theta", theta), ("x", x)):
        if not np.isfinite(array).all():
            n = int((~np.isfinite(array).all(1)).sum())
            raise InputError(f"{name}: expected finite numbers, found others in {n} rows")
    outside = int((~np.isfinite(prior.log_density(theta))).sum())
    if outside:
        raise InputError(f"theta: expected values within the prior, found {outside} rows outside")


def scores_of(x: np.ndarray, scores: list[normal_scores.Scores]) -> np.ndarray:
    """Normal scores of summaries, (n, n_summaries) -> (n, n_summaries)."""
    columns = [normal_scores.applied(of, x[:, i]) for i, of in enumerate(scores)]
    return np.stack(columns, axis=1)


def scores_of_parameters(theta: np.ndarray, prior: Prior) -> np.ndarray:
    """Scores z = Phi^-1(P(theta)), (…, n_params) -> (…, n_params)."""
    return np.clip(ndtri(prior.cdf(theta)), -FURTHEST, FURTHEST)


def parameters_of_scores(z: np.ndarray, prior: Prior) -> np.ndarray:
    """The inverse of `scores_of_parameters`, within the prior's bounds for any z."""
    return theta_of(prior, np.clip(z, -FURTHEST, FURTHEST))


def _doubled(weights):
    return {name: array.astype(np.float64) for name, array in weights.items()}
