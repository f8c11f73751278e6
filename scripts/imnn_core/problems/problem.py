"""A problem: a simulator with its parameters, and what is known exactly about it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from imnn_core.config.bounds import (
    MOST,
    MOST_AXES,
    MOST_PARAMETERS,
    fault_of_label,
    fault_of_parameter,
)
from imnn_core.problems import stencils
from imnn_core.problems.numbered import Parameters
from imnn_core.store.errors import InputError, in_a_line
from imnn_core.store.wording import shortened, shown


@dataclass(frozen=True, eq=False)
class Problem:
    """A simulator and its fiducial parameters.

    simulator: (key, theta) -> d (*input_shape) in JAX, differentiable by theta (n_params,); with
        ``numpy`` a plain function of a numpy.random.Generator and an array theta. None where
        simulations are files.
    theta_fid: fiducial parameters, (n_params,), float64.
    names: of the parameters, (n_params,).
    input_shape: of one simulation.
    log_likelihood: (theta, d) -> ln p(d | theta) in JAX, or None where it is not known.
    fisher: theta -> F (n_params, n_params), or None where it is not known.
    networks: further kinds of networks for `network: {kind: …}`, by name: a pair (init, apply), or
        a function (n_summaries, **settings) -> (init, apply), with init (key, input_shape) ->
        weights and apply (weights, d) -> x.
    symbols: the names for figures and report, in TeX; the names themselves, if None.
    numpy: whether the simulator is a numpy function, which JAX can neither compile nor
        differentiate.
    delta_theta: steps of finite differences, (n_params,), each a distance around theta_fid or a
        list of offsets from it; None for exact derivatives. The configuration sets it.
    of_summaries: whether differences are taken of summaries, after the network, and not in the
        data. The configuration sets it.
    from_files: whether simulations were drawn elsewhere. The configuration sets it.
    prior: from which each simulation has parameters of its own, which a set holds in place of
        derivatives; None: all have theta_fid. See `over`.
    name: as in the configuration.

    Raises:
        InputError: a part is not what it should be; a line each.

    """

    simulator: Callable | None
    theta_fid: Sequence[float]
    names: Sequence[str]
    input_shape: Sequence[int]
    log_likelihood: Callable | None = None
    fisher: Callable | None = None
    networks: Mapping[str, Any] = field(default_factory=dict)
    symbols: Sequence[str] | None = None
    numpy: bool = False
    delta_theta: Sequence[stencils.Step] | None = None
    of_summaries: bool = False
    from_files: bool = False
    prior: Parameters | None = None
    name: str = ""

    def __post_init__(self):
        for key in ("theta_fid", "names", "input_shape", "delta_theta"):
            value = getattr(self, key)
            if hasattr(value, "tolist"):  # an array, of numpy or of jax
                object.__setattr__(self, key, np.asarray(value).tolist())
        found = list(self._faults())
        if found:
            raise InputError(*found)
        plain = {
            "theta_fid": np.asarray(self.theta_fid, np.float64),
            "names": tuple(self.names),
            "input_shape": tuple(int(n) for n in self.input_shape),
            "networks": dict(self.networks),
            "symbols": tuple(
                [
                    f"${symbol}$" if "$" not in symbol and set(symbol) & set("\\_^") else symbol
                    for symbol in self.symbols
                ]
                if self.symbols
                else [name.replace("$", r"\$") for name in self.names]
            ),
            "delta_theta": None
            if self.delta_theta is None
            else [
                float(step) if np.ndim(step) == 0 else [float(offset) for offset in step]
                for step in self.delta_theta
            ],
        }
        for key, value in plain.items():
            object.__setattr__(self, key, value)

    def _faults(self):
        names = self.names
        if (
            isinstance(names, str)
            or not names
            or not all(isinstance(name, str) and name for name in names)
        ):
            yield f"names: expected a list of the parameters' names, found {shown(names)}"
            return
        if len(names) > MOST_PARAMETERS:
            yield f"names: expected at most {MOST_PARAMETERS}, found {len(names)}"
            return
        for name in names:
            if expected := fault_of_parameter(name):
                yield f"names: expected {expected}, found {shown(name)}"
        if len(set(names)) < len(names):
            yield f"names: expected each name once, found {shown(list(names))}"
        if not _are_numbers(self.theta_fid) or len(self.theta_fid) != len(names):
            expected = f"{len(names)} finite numbers ({shortened(', '.join(names))})"
            yield f"theta_fid: expected {expected}, found {shown(self.theta_fid)}"
        if self.delta_theta is not None and not _are_steps(self.delta_theta, len(names)):
            expected = (
                f"{len(names)} numbers > 0 ({shortened(', '.join(names))}), or lists of offsets"
            )
            yield f"delta_theta: expected {expected}, found {shown(self.delta_theta)}"
        shape = self.input_shape
        whole = isinstance(shape, Sequence) and all(
            isinstance(n, Integral) and n > 0 for n in shape
        )
        if not whole or not shape:
            expected = "the shape of one simulation, such as (10,)"
            yield f"input_shape: expected {expected}, found {shown(shape)}"
        elif len(shape) > MOST_AXES or max(shape) > MOST:
            expected = f"at most {MOST_AXES} axes, of at most {MOST} numbers each"
            yield f"input_shape: expected {expected}, found {shown(shape)}"
        for key in ("simulator", "log_likelihood", "fisher"):
            value = getattr(self, key)
            if value is not None and not callable(value):
                yield f"{key}: expected a function, found {shown(value)}"
        if not isinstance(self.numpy, bool | np.bool_):
            yield f"numpy: expected True or False, found {shown(self.numpy)}"
        if self.symbols is not None:
            symbols = self.symbols
            if isinstance(symbols, str) or not all(isinstance(each, str) for each in symbols):
                yield f"symbols: expected a list of texts, found {shown(symbols)}"
                return
            if len(symbols) != len(names):
                found = len(symbols)
                yield f"symbols: expected {len(names)}, one for each parameter, found {found}"
            for symbol in symbols:
                if expected := fault_of_label(symbol):
                    yield f"symbols: expected {expected}, found {shown(symbol)}"
        if not isinstance(self.networks, Mapping):
            yield f"networks: expected a mapping of names to networks, found {shown(self.networks)}"

    def closed_form(self) -> np.ndarray | None:
        """F at theta_fid in closed form, (n_params, n_params), or None where it is not known.

        Raises:
            InputError: ``fisher`` gives no symmetric matrix of this shape, or not finite numbers.

        """
        if self.fisher is None:
            return None
        try:
            F = np.asarray(self.fisher(self.theta_fid), np.float64)
        except Exception as error:  # whatever the user's function raises
            raise InputError(
                f"problem {self.name!r}: fisher could not be called: {in_a_line(error)}"
            ) from None
        if (
            F.shape != (self.n_params, self.n_params)
            or not np.isfinite(F).all()
            or not np.allclose(F, F.T)
        ):
            raise InputError(
                f"problem {self.name!r}: expected of fisher a symmetric matrix of shape "
                f"{(self.n_params, self.n_params)}, found {shown(F.tolist())}"
            )
        return F

    @property
    def n_params(self) -> int:
        """Number of parameters."""
        return len(self.names)

    @property
    def columns(self) -> list[tuple[int, float]]:
        """Parameter and offset of each simulation at shifted parameters, in stored order."""
        return stencils.columns_of(self.delta_theta)

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Shape of what is stored beside one simulation: its tangents, or those at shifted theta.

        From a prior, its theta.
        """
        if self.prior is not None:
            return (self.n_params,)
        if self.delta_theta is None:
            return (*self.input_shape, self.n_params)
        if stencils.is_pairs(self.delta_theta):
            return (2, self.n_params, *self.input_shape)
        return (len(self.columns), *self.input_shape)

    @property
    def has_tangents(self) -> bool:
        """Whether a network gets tangents, and not simulations at shifted parameters."""
        return self.delta_theta is None or not self.of_summaries

    @property
    def derivative_shape(self) -> tuple[int, ...]:
        """Shape of what a network gets: one simulation's tangents, or its shifted simulations."""
        return (*self.input_shape, self.n_params) if self.has_tangents else self.stored_shape

    def over(self, prior: Parameters) -> "Problem":
        """The problem whose simulations have parameters from a prior."""
        return replace(self, prior=prior, delta_theta=None, of_summaries=False)

    def with_half_steps(self) -> "Problem":
        """The problem with half of each step."""
        halves = [(np.asarray(step) / 2).tolist() for step in self.delta_theta]
        return replace(self, delta_theta=halves)


def _are_numbers(value) -> bool:
    """Whether these are finite numbers in one row."""
    return isinstance(value, Sequence) and all(
        isinstance(item, Real) and math.isfinite(item) for item in value
    )


def _are_steps(value, n_params: int) -> bool:
    """Whether these are steps of finite differences: distances, or lists of different offsets."""
    if not isinstance(value, Sequence) or len(value) != n_params:
        return False
    for step in value:
        if isinstance(step, Sequence):
            if not _are_numbers(step) or not step or len({0, *step}) <= len(step):
                return False
        elif not _are_numbers([step]) or step <= 0:
            return False
    return True
