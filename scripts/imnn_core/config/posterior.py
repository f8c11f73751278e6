"""Posteriors of the parameters: priors, methods and their settings. Imports no jax."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from imnn_core.config import prior as priors
from imnn_core.config.bounds import MOST_PARAMETERS
from imnn_core.config.listed import Listed
from imnn_core.config.prior import Density
from imnn_core.config.problem import FILES, PROBLEMS
from imnn_core.config.types import (
    Count,
    CountOrZero,
    Layers,
    Model,
    Parameter,
    counted,
    not_bool,
)
from imnn_core.store.wording import shown
from pydantic import BeforeValidator, Field, field_validator

METHODS = ("gaussian", "rejection", "pmc", "neural")
# Simulations that rejection keeps: at least, one of so many, and at most one of so many.
LEAST, SHARE, MOST = 200, 1000, 10
OF_SIMULATIONS = ("rejection", "neural")  # methods that need simulations from the prior
Share = Annotated[float, Field(ge=0, lt=1), BeforeValidator(not_bool)]
Positive = Annotated[float, Field(gt=0, le=1), BeforeValidator(not_bool)]


class FromPrior(Model):
    """Simulations that exist, at parameters from the prior."""

    theta: Listed = Field(description="Their parameters, (n, n_params), in the order of `names`.")
    d: Listed = Field(description="The simulations, (n, *input_shape), in the same order.")


class Rejection(Model):
    """Settings of `rejection`."""

    n_accepted: Count | None = Field(
        None,
        description="How many of the simulations are kept: those whose estimates are nearest to "
        "the observation's, in units of its bounds. If null, a thousandth of them, at least 200 "
        "and at most a tenth.",
    )


class PMC(Model):
    """Settings of `pmc`, population Monte Carlo."""

    n_particles: counted(100) = Field(4000, description="Particles of a population.")
    quantile: Annotated[float, Field(gt=0, lt=1), BeforeValidator(not_bool)] = Field(
        0.25, description="Of the distances of one population: the largest distance of the next."
    )
    acceptance: Positive = Field(
        0.01, description="The share of accepted simulations below which no further step is made."
    )
    n_simulations: Count = Field(
        1000000, description="Simulations in all of one posterior, at most."
    )
    n_steps: Count = Field(30, description="Steps, at most.")
    n_calibration: CountOrZero = Field(
        0,
        description="Simulations by which it is calibrated, each of which needs a population "
        "Monte Carlo of its own.",
    )


class Neural(Model):
    """Settings of `neural`, neural posterior estimation by a mixture density network."""

    n_components: counted(1, 1000) = Field(8, description="Gaussians in the mixture.")
    hidden: Layers = Field([64, 64], description="Widths of the hidden layers.")
    ensemble: counted(1, 100) = Field(
        4, description="Networks that are trained from different weights; their mean is taken."
    )


class Posterior(Model):
    """Posteriors of the parameters from the summaries of each fit."""

    prior: Annotated[dict[Parameter, Density], Field(min_length=1, max_length=MOST_PARAMETERS)] = (
        Field(
            description="The density of each parameter: `{uniform: [low, high]}`, `{log_uniform: "
            "[low, high]}`, `{normal: [mean, sd]}`, `{half_normal: sd}` or `{truncated: [mean, sd, "
            "low, high]}`, a normal one between bounds. theta_fid lies inside."
        )
    )
    methods: list[Literal["gaussian", "rejection", "pmc", "neural"]] = Field(
        ["gaussian", "rejection", "neural"],
        min_length=1,
        description="`gaussian`: N(estimate, F^-1) times the prior. `rejection`: the nearest of "
        "the simulations. `pmc`: population Monte Carlo. `neural`: a mixture density network.",
    )
    n_simulations: counted(100) = Field(
        100000, description="Simulations from the prior, of each seed."
    )
    n_calibration: CountOrZero = Field(
        1000,
        description="Further simulations from the prior by which each method is tested. If 0, "
        "none is.",
    )
    n_samples: counted(100) = Field(20000, description="Samples of each posterior.")
    failures: Share = Field(
        0.0,
        description="The share of simulations from the prior that may fail. They are left out: "
        "the posterior is 0 where all fail.",
    )
    simulations: FromPrior | None = Field(
        None,
        description="Simulations that exist, in place of those that the simulator would draw: "
        "`{theta: FILES, d: FILES}`. n_calibration of them are kept for the tests.",
    )
    refine_by: Literal["gaussian", "rejection", "pmc", "neural"] | None = Field(
        None,
        description="The method whose posterior's mean becomes theta_fid of the next refinement. "
        "If null, the estimates do.",
    )
    truncate: bool = Field(
        False,
        description="Whether the prior of a refinement is cut to a box around the posterior of "
        "the run before, so that all simulations lie where they are needed.",
    )
    rejection: Rejection = Field(Rejection(), description="Settings of `rejection`; see below.")
    pmc: PMC = Field(PMC(), description="Settings of `pmc`; see below.")
    neural: Neural = Field(Neural(), description="Settings of `neural`; see below.")

    @field_validator("methods")
    @classmethod
    def _each_once(cls, methods: list[str]) -> list[str]:
        return [each for each in METHODS if each in methods]

    @property
    def draws(self) -> bool:
        """Whether simulations from the prior are drawn."""
        of_methods = set(self.methods) & set(OF_SIMULATIONS)
        return self.simulations is None and bool(of_methods or self.n_calibration)


def n_accepted(n: int) -> int:
    """How many of n simulations rejection keeps unless told otherwise."""
    return min(max(LEAST, n // SHARE), n // MOST)


def faults(config: Any) -> Iterator[tuple[str, str, str]]:
    """Tuples (key, what was expected, what was found) for each fault of a `run.Config`."""
    posterior = config.posterior
    if posterior is None:
        return
    names, theta_fid = config.parameters, config.theta_fid
    if names is not None and theta_fid is not None and len(theta_fid) == len(names):
        yield from priors.faults(posterior.prior, names, theta_fid)
    if config.problem in PROBLEMS:
        for name, bound in zip(names, PROBLEMS[config.problem].lower_bounds, strict=True):
            low, _ = priors.support_of(posterior.prior.get(name, {"uniform": [0.0, 1.0]}))
            if bound is not None and low < bound:
                expected = f"nothing below {bound:g}, which the simulator can't take"
                yield f"posterior.prior.{name}", expected, f"densities from {low:g} on"
    if config.problem == FILES:
        if "pmc" in posterior.methods:
            yield "posterior.methods", "no pmc without a simulator", "pmc"
        if posterior.draws:
            expected = "simulations of the prior, {theta: FILES, d: FILES}, without a simulator"
            yield (
                "posterior.simulations",
                f"{expected}, or only `gaussian` and n_calibration: 0",
                ("none"),
            )
    if posterior.refine_by and posterior.refine_by not in posterior.methods:
        expected = f"one of the methods {', '.join(posterior.methods)}"
        yield "posterior.refine_by", expected, shown(posterior.refine_by)
    if posterior.truncate and not config.refine:
        yield "posterior.truncate", "false without `refine`", "true"
    if posterior.truncate and posterior.methods == ["gaussian"]:
        expected = "a method that learns from simulations, since a Gaussian may be too narrow a box"
        yield "posterior.methods", expected, shown(posterior.methods)
    if posterior.truncate and posterior.simulations is not None:
        yield "posterior.truncate", "false with simulations that exist", "true"
    pmc = posterior.pmc
    least = math.ceil(pmc.n_particles / pmc.quantile)
    if "pmc" in posterior.methods and pmc.n_simulations < least:
        expected = f"at least n_particles / quantile = {least}, for the first population"
        yield "posterior.pmc.n_simulations", expected, pmc.n_simulations
    n = posterior.rejection.n_accepted
    if "rejection" in posterior.methods and posterior.simulations is None:
        kept = n or n_accepted(posterior.n_simulations) or 1
        if kept * MOST > posterior.n_simulations:
            expected = f"at least {MOST} times the {kept} that rejection keeps"
            yield "posterior.n_simulations", expected, posterior.n_simulations
