"""Summaries of simulations from the prior and of the observation: what posteriors are made from."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from imnn_core.data.failures import too_many
from imnn_core.data.sources import Source, pieces
from imnn_core.fitted import finite
from imnn_core.fitted.compressor import Compressor
from imnn_core.problems.prior import Prior, prior_of
from imnn_core.store import hdf5
from imnn_core.store.errors import InputError
from imnn_core.store.sizes import PIECE
from imnn_core.store.wording import shown

KIND = "summaries"


class Set(NamedTuple):
    """Simulations as a fit sees them; of an observation theta is not known, and has no rows.

    theta: (n, n_params). x: summaries, (n, n_summaries). estimates: (n, n_params).
    index: number of each in its set, of which failed ones are left out, (n,).
    """

    theta: np.ndarray
    x: np.ndarray
    estimates: np.ndarray
    index: np.ndarray

    def rows(self, which: Any) -> "Set":
        """Some of them."""
        return Set(*(array[which] for array in self))


class Summaries(NamedTuple):
    """Of one fit.

    prior: of the parameters.
    simulated, calibration, observed: sets; empty ones where nothing was drawn.
    about: plain values: names, symbols, theta_fid, covariance, why_not, is_observed, n_failed.
    """

    prior: Prior
    simulated: Set
    calibration: Set
    observed: Set
    about: Mapping[str, Any]

    @property
    def theta_fid(self) -> np.ndarray:
        """Fiducial parameters, (n_params,)."""
        return np.array(self.about["theta_fid"])

    @property
    def covariance(self) -> np.ndarray:
        """F^-1 of the test set, (n_params, n_params)."""
        return np.array(self.about["covariance"])

    def whitened(self, estimates: np.ndarray) -> np.ndarray:
        """Estimates in units of their bounds, so that the squared distance is d^T F d."""
        return estimates @ np.linalg.cholesky(np.linalg.inv(self.covariance))


def nothing(n_params: int, n_summaries: int) -> Set:
    """No simulations."""
    return Set(*(np.empty((0, n)) for n in (n_params, n_summaries, n_params)), np.empty(0, int))


def of_source(
    compressor: Compressor,
    source: Source,
    where: str,
    allowed: float,
    add: Callable[[int], None] = lambda n: None,
) -> Set:
    """Summaries of simulations with their parameters, block by block.

    Args:
        compressor: of the fit.
        source: "fiducial" are the simulations, "derivative" their parameters.
        where: they come from, for errors.
        allowed: the share that may not be finite, or may have no finite summaries.
        add: is told how many more are done.

    Raises:
        InputError: more fail; the first is told with its parameters.

    """
    n, p = len(source.fiducial), len(compressor.names)
    sets, failed = [nothing(p, compressor.n_summaries)], []
    for start, d in pieces(source, "fiducial", PIECE):
        theta = np.empty((len(d), p), source.derivative.dtype)
        source.read("derivative", start, theta)
        x = compressor.summaries(d, where).astype(np.float64)
        is_there = np.isfinite(d.reshape(len(d), -1)).all(axis=1)
        fine = is_there & np.isfinite(x).all(axis=1)
        for i in np.flatnonzero(~fine):
            what = "summaries" if is_there[i] else "numbers"
            failed.append(
                f"no finite {what} of simulation {start + i} at theta = {shown(theta[i].tolist())}"
            )
        theta, x = theta[fine].astype(np.float64), x[fine]
        index = start + np.flatnonzero(fine)
        sets.append(Set(theta, x, compressor.estimates_of(x), index))
        add(len(d))
    if len(failed) > allowed * n:
        raise InputError(f"{where}: {too_many(allowed, len(failed), n, failed[0])}")
    return Set(*map(np.concatenate, zip(*sets, strict=True)))


def of_observed(compressor: Compressor, observed: np.ndarray, where: str) -> Set:
    """Summaries of observed data, (n_obs, *input_shape).

    Raises:
        InputError: they are not finite.

    """
    x = compressor.summaries(observed, where)
    finite.check(x, "summaries", observed, compressor, where, "observed simulation")
    x = x.astype(np.float64)
    theta = np.empty((len(x), 0))
    return Set(theta, x, compressor.estimates_of(x), np.arange(len(x)))


def write(path: str | Path, found: Summaries, attributes: Mapping[str, Any]) -> None:
    """Write summaries to an HDF5 file."""
    about = {"prior": json.dumps(found.prior.plain()), "about": json.dumps(found.about)}
    with hdf5.writing(path, KIND, {**about, **attributes}) as file:
        for name in ("simulated", "calibration", "observed"):
            for key, array in getattr(found, name)._asdict().items():
                file[f"{name}/{key}"] = array


def read(path: str | Path) -> Summaries:
    """Read what `write` wrote.

    Raises:
        InputError: the file was changed, or is another one.

    """
    with hdf5.opened(path, KIND) as file, hdf5.as_input_errors(path):
        sets = [
            Set(*(file[f"{name}/{key}"][:] for key in Set._fields))
            for name in ("simulated", "calibration", "observed")
        ]
        about, prior = json.loads(file.attrs["about"]), json.loads(file.attrs["prior"])
    return Summaries(prior_of(about["names"], prior["prior"], prior["within"]), *sets, about)
