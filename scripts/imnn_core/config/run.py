"""The configuration of a run: types, ranges, defaults and a sentence per key. Imports no jax."""

from typing import Annotated, Any, Literal

from imnn_core.config import consistency
from imnn_core.config.network import DeepSet
from imnn_core.config.problem import FILES, PROBLEMS, Files, is_file
from imnn_core.config.recipe import Optimiser, Recipe
from imnn_core.config.types import Count, CountOrZero, Model, Name, Real, Seed, not_bool
from imnn_core.store.wording import nearest
from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator


def _how(simulations: Any) -> str:
    return "drawn" if isinstance(simulations, str) else "files"


class Figures(Model):
    """How figures are drawn and in what formats."""

    formats: list[Literal["svg", "png", "pdf"]] = Field(
        ["svg", "png"],
        description="Files of each figure. SVG is always among them, since the report shows it.",
    )

    @field_validator("formats")
    @classmethod
    def _each_once(cls, formats: list[str]) -> list[str]:
        return list(dict.fromkeys(formats))

    style: str = Field(
        "config/figures.mplstyle",
        description="matplotlib's settings: width, fonts, colours of recipes, resolution. They "
        "stand over its defaults, so that the settings of your own machine don't "
        "count.",
    )


class Config(Model):
    """A run: one problem, its simulations, and the recipes that are fitted to them."""

    run: Name = Field(
        "gaussian",
        description="Name of the run; its results go into `results/<run>/`. Names, of recipes "
        "too, are of letters, digits, `_`, `.` and `-`, and begin with neither `.` "
        "nor `-`.",
    )
    problem: str = Field(
        "gaussian",
        description="`gaussian`, `exponential_rate` or `gaussian_field`, see below; or a Python "
        "file with a problem of your own; or `files`, where nothing is known but "
        "simulations in files.",
    )
    names: list[str] | None = Field(
        None, min_length=1, description="Of the parameters, for `problem: files` alone."
    )
    theta_fid: list[Real] | None = Field(
        None,
        description="Fiducial parameters, at which F is maximised. The problem's own, if null.",
    )
    input_shape: list[Count] | None = Field(
        None, min_length=1, description="Shape of one simulation. The problem's own, if null."
    )
    simulations: Annotated[
        Annotated[Literal["draw", "on_the_fly"], Tag("drawn")] | Annotated[Files, Tag("files")],
        Discriminator(_how),
    ] = Field(
        "draw",
        description="`draw`: the simulator draws all sets, once. `on_the_fly`: the training set "
        "is drawn anew in every iteration and never stored. Or a mapping of files, "
        "see below.",
    )
    derivative: Literal["exact", "finite_difference"] = Field(
        "exact",
        description="By the parameters: `exact`, by JAX through the simulator; or "
        "`finite_difference`, after the network, of simulations with the same seeds "
        "at theta_fid ± delta_theta / 2.",
    )
    delta_theta: list[Annotated[Real, Field(gt=0)]] | None = Field(
        None,
        description="For `finite_difference`, the distance of the two values of each parameter.",
    )
    seeds: list[Seed] = Field(
        [1, 2, 3],
        min_length=1,
        description="One set of simulations, and one fit of each recipe, per seed (32 bits).",
    )
    n_s: Count = Field(
        1000, description="Simulations at theta_fid in the training set; as many for validation."
    )
    n_d: Count = Field(
        1000, description="How many of them have derivatives by the parameters; at most n_s."
    )
    n_test: Count = Field(
        50000,
        description="Simulations, all with derivatives, in the test set, which alone gives the "
        "published |F|.",
    )
    n_monte_carlo: Annotated[int, Field(ge=2), BeforeValidator(not_bool)] = Field(
        100000,
        description="Simulations for the Monte-Carlo estimate that stands beside the analytic F.",
    )
    observed: str | None = Field(
        None,
        description="A file with observed data, `observed` (*input_shape) or (n, *input_shape) "
        "in HDF5 or npz, or npy: each fit compresses them and estimates the "
        "parameters.",
    )
    refine: CountOrZero = Field(
        0,
        description="How many times the run is repeated with theta_fid at the estimate from "
        "`observed`, as `refined-1`, ….",
    )
    checkpoint_minutes: Annotated[float, Field(gt=0), BeforeValidator(not_bool)] = Field(
        5.0,
        description="How often a fit saves its state, to go on from there if it is interrupted. "
        "A change makes nothing anew.",
    )
    gpu_memory: (
        Literal["on_demand"] | Annotated[float, Field(gt=0, le=1), BeforeValidator(not_bool)]
    ) = Field(
        "on_demand",
        description="Of each GPU: `on_demand`, as much as it comes to, which leaves the rest to "
        "other jobs on it; or a fraction that is taken at once, which is a little "
        "faster. A change makes nothing anew.",
    )
    figures: Figures = Field(
        Figures(), description="How figures are drawn. A change draws them anew, and fits nothing."
    )
    fits: dict[Name, Recipe] = Field(
        {
            "mlp": Recipe(),
            "deep_set": Recipe(
                network=DeepSet(), optimiser=Optimiser(learning_rate=3.0e-3), patience=100
            ),
        },
        min_length=1,
        description="The recipes, each under a name of its own.",
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
        """With theta_fid and input_shape of a problem that ships with the project filled in."""
        if isinstance(values, dict) and (
            known := PROBLEMS.get(str(values.get("problem", "gaussian")))
        ):
            own = {
                key: list(getattr(known, key))
                for key in ("theta_fid", "input_shape")
                if values.get(key) is None
            }
            return values | own
        return values

    @model_validator(mode="after")
    def _consistent(self) -> "Config":
        found = list(consistency.faults(self))
        if found:
            raise ValueError("\n".join(found))
        return self

    @property
    def files(self) -> Files | None:
        """The files of simulations, if any."""
        return self.simulations if isinstance(self.simulations, Files) else None

    @property
    def parameters(self) -> list[str] | None:
        """Names of the parameters, or None where only the user's file knows them."""
        return list(PROBLEMS[self.problem].names) if self.problem in PROBLEMS else self.names
