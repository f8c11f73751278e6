"""Keys of a run: types, ranges, defaults and descriptions. Imports no jax."""

from typing import Annotated, Any, Literal

from imnn_core.config import consistency
from imnn_core.config.bounds import MOST_AXES, MOST_PARAMETERS
from imnn_core.config.files import Files, differences_of
from imnn_core.config.listed import Listed
from imnn_core.config.network import DeepSet
from imnn_core.config.posterior import Posterior
from imnn_core.config.problem import FILES, PROBLEMS, ProblemSchema, is_file
from imnn_core.config.recipe import Optimiser, Recipe
from imnn_core.config.simulate import Simulate
from imnn_core.config.types import (
    Count,
    Model,
    Name,
    Parameter,
    Path,
    Real,
    Seed,
    Several,
    Step,
    counted,
    not_bool,
)
from imnn_core.store.wording import nearest
from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)


def _shipped(problem: Any) -> ProblemSchema | None:
    return PROBLEMS.get(problem) if isinstance(problem, str) else None


def _how(simulations: Any) -> str:
    return "drawn" if isinstance(simulations, str) else "files"


class Figures(Model):
    """Style and file formats of figures."""

    formats: list[Literal["svg", "png", "pdf"]] = Field(
        ["svg", "png"],
        description="File formats of each figure. SVG is always added, because the report shows "
        "it.",
    )

    @field_validator("formats")
    @classmethod
    def _each_once(cls, formats: list[str]) -> list[str]:
        return list(dict.fromkeys(formats))

    style: Path = Field(
        "config/figures.mplstyle",
        description="A style file of matplotlib: width, fonts, colours of recipes, resolution. "
        "It is applied to matplotlib's defaults; the settings of your own machine "
        "are ignored.",
    )


class Config(Model):
    """A run: one problem, its simulations, and the recipes that are fitted to them."""

    run: Name = Field(
        "gaussian",
        description="Name of the run. Its results go into `results/<run>/`. Names of runs and of "
        "recipes contain letters, digits, `_`, `.` and `-`, and do not begin with "
        "`.` or `-`.",
    )
    problem: str = Field(
        "gaussian",
        description="`gaussian`, `exponential_rate` or `gaussian_field`, see below; or a Python "
        "file with a problem of your own; or `files`, if simulations in files are "
        "all that you have.",
    )
    names: list[Parameter] | None = Field(
        None,
        min_length=1,
        max_length=MOST_PARAMETERS,
        description="Names of the parameters, only for `problem: files`.",
    )
    theta_fid: list[Real] | None = Field(
        None,
        max_length=MOST_PARAMETERS,
        description="Fiducial parameters, at which F is maximised. If null, those of the problem.",
    )
    input_shape: list[Count] | None = Field(
        None,
        min_length=1,
        max_length=MOST_AXES,
        description="Shape of one simulation. If null, that of the problem.",
    )
    simulations: Annotated[
        Annotated[Literal["draw", "on_the_fly"], Tag("drawn")] | Annotated[Files, Tag("files")],
        Discriminator(_how),
    ] = Field(
        "draw",
        description="`draw`: the simulator draws all sets, once. `on_the_fly`: a new training "
        "set is drawn in every iteration and never stored. Or a mapping of files, "
        "see below.",
    )
    derivative: Literal["exact", "finite_difference", "finite_difference_of_summaries"] = Field(
        "exact",
        description="The derivative by the parameters. `exact`: JAX differentiates the "
        "simulator. `finite_difference`: differences of simulations with the same seeds at "
        "shifted parameters, taken in the data. `finite_difference_of_summaries`: the same, taken "
        "after the network: for discrete simulations, such as counts, and for seeds "
        "that do not match; with steps that are small beside the parameters' errors.",
    )
    delta_theta: list[Step] | None = Field(
        None,
        max_length=MOST_PARAMETERS,
        description="For finite differences, an entry for each parameter: the distance between "
        "two values around theta_fid, or a list of offsets from theta_fid, such as "
        "`[0.1, 0.2, 0.4]`.",
    )
    seeds: list[Seed] = Field(
        [1, 2, 3],
        min_length=1,
        description="Each seed (32 bits) has its own set of simulations and one fit of each "
        "recipe.",
    )
    n_s: Count = Field(
        1000,
        description="Number of simulations at theta_fid in the training set, and also in the "
        "validation set.",
    )
    n_d: Several = Field(
        1000, description="How many of them have derivatives by the parameters. At most n_s."
    )
    n_test: Count = Field(
        50000,
        description="Number of simulations in the test set, all with derivatives. Only this set "
        "gives the published |F|.",
    )
    n_monte_carlo: Several = Field(
        100000,
        description="Number of simulations for the Monte-Carlo estimate of F, which is compared "
        "with the analytic F.",
    )
    simulate: Simulate = Field(Simulate(), description="How simulations are drawn; see below.")
    observed: Path | None = Field(
        None,
        description="A file with observed data: `observed` of shape (*input_shape) or (n, "
        "*input_shape) in HDF5 or npz, or an npy file. Each fit compresses the data "
        "and estimates the parameters.",
    )
    compress: dict[Name, Listed] = Field(
        {},
        max_length=1000,
        description="Files of simulations that each fit compresses, by names of your own: a file, "
        "a pattern, a folder, a list of these, or a mapping, see below. `compressed/<name>.h5` "
        "beside each fit has the summaries and the estimates, in the order of the input.",
    )
    refine: counted(0, 100) = Field(
        0,
        description="How many times the run is repeated with theta_fid at the estimate from "
        "`observed`: `refined-1`, ….",
    )
    posterior: Posterior | None = Field(
        None,
        description="Posteriors of the parameters from each fit's summaries of `observed`, or "
        "else of a test simulation, and their calibration; see below. If null, none.",
    )
    checkpoint_minutes: Annotated[float, Field(gt=0, le=1e6), BeforeValidator(not_bool)] = Field(
        5.0,
        description="Minutes between two checkpoints of a fit. An interrupted fit goes on from "
        "its checkpoint. A change reruns nothing.",
    )
    gpu_memory: (
        Literal["on_demand"] | Annotated[float, Field(gt=0, le=1), BeforeValidator(not_bool)]
    ) = Field(
        "on_demand",
        description="Memory that a job takes of each GPU. `on_demand`: as much as it needs; the "
        "rest is left to other jobs. Or a fraction, which is taken at the start and "
        "is a little faster. A change reruns nothing.",
    )
    figures: Figures = Field(
        Figures(), description="How figures are drawn. A change redraws them and reruns no fit."
    )
    fits: dict[Name, Recipe] = Field(
        {
            "mlp": Recipe(),
            "deep_set": Recipe(
                network=DeepSet(), optimiser=Optimiser(learning_rate=3.0e-3), patience=100
            ),
        },
        min_length=1,
        max_length=1000,
        description="The recipes, each under its own name.",
    )

    @field_validator("problem")
    @classmethod
    def _is_problem(cls, problem: str) -> str:
        if problem in PROBLEMS or problem == FILES or is_file(problem):
            return problem
        known = [*PROBLEMS, FILES]
        raise ValueError(
            f"expected {', '.join(known)}, or a Python file such as "
            f"my_problem.py{nearest(problem, known)}"
        )

    @model_validator(mode="before")
    @classmethod
    def _problems_own(cls, values: Any) -> Any:
        """Fill in what a problem of this project, or the names of files, tell."""
        if not isinstance(values, dict):
            return values
        known, names, own = _shipped(values.get("problem", "gaussian")), values.get("names"), {}
        if known:
            names = known.names
            own = {
                key: list(getattr(known, key))
                for key in ("theta_fid", "input_shape")
                if values.get(key) is None
            }
        return values | own | differences_of(values, names)

    @model_validator(mode="after")
    def _consistent(self) -> "Config":
        found = list(consistency.faults(self))
        if found:
            raise ValueError("\n".join(found))
        return self

    @property
    def files(self) -> Files | None:
        """The files of simulations, or None."""
        return self.simulations if isinstance(self.simulations, Files) else None

    @property
    def named_offsets(self) -> bool:
        """Whether delta_theta is that of the names of files, in their order."""
        offsets = self.files and self.files.offsets
        return bool(offsets) and self.delta_theta == list(offsets.values())

    @property
    def parameters(self) -> list[str] | None:
        """Names of the parameters; None if only the user's file has them."""
        return list(PROBLEMS[self.problem].names) if self.problem in PROBLEMS else self.names
