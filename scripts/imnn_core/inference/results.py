"""Files of posteriors: samples, exact ones, and how they compare with simulations."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from imnn_core.inference.diagnostics import Each
from imnn_core.problems.prior import Prior, prior_of
from imnn_core.store import hdf5


class Exact(NamedTuple):
    """Exact posteriors of n observations.

    mean, sd: (n, n_params). log_evidence: (n,). log_likelihood: at the true parameters, (n,), NaN
    where these are not known. accurate: whether the grid was fine enough, (n,).
    index: number of each in its set, rising, (n,).
    """

    mean: np.ndarray
    sd: np.ndarray
    log_evidence: np.ndarray
    log_likelihood: np.ndarray
    accurate: np.ndarray
    index: np.ndarray


class Posterior(NamedTuple):
    """Samples by one method, with what they were made from.

    theta: (n_obs, n, n_params). weights: (n_obs, n). state: arrays of the method. prior: of the
    parameters. about: plain values, by whom and from what.
    """

    theta: np.ndarray
    weights: np.ndarray
    state: dict[str, np.ndarray]
    prior: Prior
    about: dict[str, Any]


def write_posterior(
    path: str | Path, prior: Prior, samples: Any, state: Mapping[str, Any], about: dict
) -> None:
    """Write samples (see `methods.Samples`) with the state of their method."""
    texts = {"about": json.dumps(about), "prior": json.dumps(prior.plain())}
    names = {"names": list(prior.names)}
    with hdf5.writing(path, "posterior", texts | names) as file:
        file["theta"], file["weights"] = samples.theta, samples.weights
        for name, array in state.items():
            file[f"state/{name}"] = array


def read_posterior(path: str | Path) -> Posterior:
    """Read what `write_posterior` wrote.

    Raises:
        InputError: the file was changed, or is another one.

    """
    with hdf5.opened(path, "posterior") as file, hdf5.as_input_errors(path):
        prior = json.loads(file.attrs["prior"])
        state = {name: array[()] for name, array in file.get("state", {}).items()}
        return Posterior(
            file["theta"][:],
            file["weights"][:],
            state,
            prior_of(list(file.attrs["names"]), prior["prior"], prior["within"]),
            json.loads(file.attrs["about"]),
        )


def write_exact(
    path: str | Path,
    observed: Exact | None,
    calibration: Exact | None,
    why_not: str,
    theta: np.ndarray | None = None,
) -> None:
    """Write exact posteriors, with samples (n_obs, n, n_params) of those of the observations."""
    with hdf5.writing(path, "exact", {"why_not": why_not}) as file:
        for name, of in (("observed", observed), ("calibration", calibration)):
            for key, array in of._asdict().items() if of is not None else ():
                file[f"{name}/{key}"] = array
        if theta is not None:
            file["theta"] = theta


def read_exact(path: str | Path) -> tuple[Exact | None, Exact | None, np.ndarray | None]:
    """Exact posteriors of observations and for calibration, and samples of the former.

    None stands for what is not known. Raises InputError as `read_posterior`.
    """
    with hdf5.opened(path, "exact") as file, hdf5.as_input_errors(path):
        found = [
            Exact(*(file[f"{name}/{key}"][:] for key in Exact._fields)) if name in file else None
            for name in ("observed", "calibration")
        ]
        return *found, file["theta"][:] if "theta" in file else None


class Calibration(NamedTuple):
    """How posteriors by one method compare with the parameters of n simulations.

    each: ranks, means, widths and TARP's fractions. log_q: ln of the density at the true
    parameters, (n,), NaN where the method has none. log_prior: ln of the prior's, (n,). exact: of
    the same simulations, or None. theta: the true parameters, (n, n_params). about: plain values.
    """

    each: Each
    log_q: np.ndarray
    log_prior: np.ndarray
    theta: np.ndarray
    exact: Exact | None
    about: dict[str, Any]


def write_calibration(path: str | Path, found: Calibration) -> None:
    """Write a calibration to an HDF5 file."""
    with hdf5.writing(path, "calibration", {"about": json.dumps(found.about)}) as file:
        for key, array in found.each._asdict().items():
            file[f"each/{key}"] = array
        for key in ("log_q", "log_prior", "theta"):
            file[key] = getattr(found, key)
        for key, array in found.exact._asdict().items() if found.exact is not None else ():
            file[f"exact/{key}"] = array


def read_calibration(path: str | Path) -> Calibration:
    """Read what `write_calibration` wrote; raises InputError as `read_posterior`."""
    with hdf5.opened(path, "calibration") as file, hdf5.as_input_errors(path):
        each = Each(*(file[f"each/{key}"][:] for key in Each._fields))
        exact = None
        if "exact" in file:
            exact = Exact(*(file[f"exact/{key}"][:] for key in Exact._fields))
        arrays = (file[key][:] for key in ("log_q", "log_prior", "theta"))
        return Calibration(each, *arrays, exact, json.loads(file.attrs["about"]))
