"""The configuration: types, ranges, defaults and a sentence per key. Imports no jax."""

import contextlib
import math
from typing import Annotated, Any, Literal

from imnn_core import faults
from imnn_core.errors import InputError
from imnn_core.names import nearest
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator


def _is_name(text: str) -> str:
    """A folder's name: one that cannot climb out of the results, and that Snakemake's wildcards match."""
    if not text or text[0] in ".-" or not all(c.isascii() and (c.isalnum() or c in "_.-") for c in text):
        raise ValueError("expected a name of letters, digits, '_', '.' and '-' that begins with neither '.' nor '-'")
    return text


def _not_bool(value: Any) -> Any:
    """YAML's `yes` and `on` are truth values, which pydantic would read as the number 1."""
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


def _numbers(value: Any) -> Any:
    """YAML reads `1e-3` as text; what reads as a number is one, at any depth."""
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"expected finite numbers, found {value}")
    return value


def _is_rate(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if (number and value > 0) or (isinstance(value, dict) and "schedule" in value):
        return value
    raise ValueError("expected a number > 0, or a mapping with the key 'schedule'")


Name = Annotated[str, AfterValidator(_is_name)]
Real = Annotated[float, BeforeValidator(_not_bool)]
Count = Annotated[int, Field(ge=1), BeforeValidator(_not_bool)]
CountOrZero = Annotated[int, Field(ge=0), BeforeValidator(_not_bool)]
Seed = Annotated[int, Field(ge=0, lt=2**32), BeforeValidator(_not_bool)]


class Model(BaseModel):
    """What all parts of the configuration share: unknown keys and infinities are faults."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class MLP(Model):
    """A multilayer perceptron on the flattened simulation."""

    kind: Literal["mlp"] = Field("mlp", description="A multilayer perceptron on the flattened simulation.")
    hidden: list[Count] = Field([128, 128, 128], description="Width of each hidden layer, first to last.")
    activation: Literal[
        "celu", "elu", "gelu", "leaky_relu", "mish", "relu", "selu", "sigmoid", "silu", "softplus", "soft_sign", "tanh"
    ] = Field("leaky_relu", description="Activation after each hidden layer, by its name in `jax.nn`.")


class Optimiser(Model):
    """One of optax's optimisers with its arguments; `imnn_core.optimisers` checks both."""

    model_config = ConfigDict(extra="allow")

    name: str = Field("adam", description="An optimiser of optax that needs gradients alone, by its name there.")
    learning_rate: Annotated[Any, AfterValidator(_is_rate)] = Field(
        1.0e-3,
        description="Step size: a number, or a schedule of optax by its name with its arguments, such as "
        "`{schedule: cosine_decay_schedule, init_value: 1.0e-3, decay_steps: 500}`. "
        "Every further key is an argument of the optimiser (`b1: 0.9`).",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_numbers(cls, values: Any) -> Any:
        return _numbers(values)


class Recipe(Model):
    """How one fit is done. Several recipes of a run are fitted to the same simulations."""

    n_summaries: Count = Field(2, description="Outputs of the network; at least as many as there are parameters.")
    network: MLP = Field(MLP(), description="The network.")
    optimiser: Optimiser = Field(Optimiser(), description="The optimiser of the weights.")
    strength: Real = Field(10.0, gt=0, description="λ, the coupling's value while the covariance C is far from 1.")
    closeness: Real = Field(
        0.1, gt=0, description="ε, how near C must come to 1 before the coupling lets go. α(λ, ε) must be positive."
    )
    patience: Count = Field(
        10, description="Stop when the largest |F| has not risen for so many iterations (validation |F|, if there is)."
    )
    min_iterations: CountOrZero = Field(100, description="Never stop early before so many.")
    max_iterations: Count = Field(1000, description="Always stop after so many (of this fit's own, if it continues).")
    validation: bool = Field(
        True, description="Let the validation set decide when to stop and which weights are best; else the training set."
    )
    weights: Literal["best", "final"] = Field("best", description="Which weights `evaluate` uses.")
    n_per_device: Count = Field(100, description="Simulations on a device at a time; it moves the gradient by rounding only.")
    devices: Literal["auto", "cpu", "gpu"] = Field(
        "auto", description="Where the network runs: `auto` takes GPUs where there are any, else the CPU."
    )
    n_devices: Count | None = Field(None, description="How many of these devices to use; all, if null. A CPU counts as one.")
    data: Literal["auto", "resident", "streamed"] = Field(
        "auto",
        description="`resident`: the sets lie on the devices, and a whole block of iterations is one program there. "
        "`streamed`: they stay in their files, a few blocks are in memory at a time, and moments, loss and gradient are "
        "aggregated on the host in float64. `auto`: resident if the sets take at most a quarter of the memory that this "
        "machine has, or a job on a cluster may have, or half of what is free on a GPU. The two differ by rounding.",
    )
    threads: Count = Field(1, description="CPU threads of one fit. Fixed, so that the results do not depend on --cores.")
    report_every: Count = Field(50, description="Iterations between two lines of progress in the log.")
    continue_from: Name | None = Field(
        None, description="Start from the final weights and optimiser state of this other fit of the run."
    )

    @model_validator(mode="after")
    def _coupling_can_switch_off(self) -> "Recipe":
        argument = self.closeness * (self.strength - 1) + self.closeness**2 / (1 + self.closeness)
        if not 0 < argument < 1:
            raise ValueError(
                "expected strength λ and closeness ε with 0 < ε (λ - 1) + ε²/(1 + ε) < 1, else the coupling cannot "
                f"switch off (α <= 0); found {argument:.4g} at λ = {self.strength:g}, ε = {self.closeness:g}"
            )
        return self


class ProblemSchema(Model):
    """What a configuration must know of a problem before jax is imported."""

    names: tuple[str, ...]
    theta_fid: tuple[float, ...]
    lower_bounds: tuple[float | None, ...]
    input_shape: tuple[int, ...]


PROBLEMS = {
    "gaussian": ProblemSchema(names=("mu", "Sigma"), theta_fid=(0.0, 1.0), lower_bounds=(None, 0.0), input_shape=(10,)),
}


class Config(Model):
    """A run: one problem, its simulations, and the recipes that are fitted to them."""

    run: Name = Field("gaussian", description="Name of the run; its results go into `results/<run>/`.")
    problem: Literal[*PROBLEMS] = Field(
        "gaussian", description="`gaussian`: independent draws of N(mu, Sigma), theta = (mu, Sigma), Sigma the variance."
    )
    theta_fid: list[Real] = Field([0.0, 1.0], description="Fiducial parameters, at which F is maximised.")
    input_shape: list[Count] = Field([10], min_length=1, description="Shape of one simulation.")
    seeds: list[Seed] = Field(
        [1, 2, 3], min_length=1, description="One set of simulations, and one fit of each recipe, per seed (32 bits)."
    )
    n_s: Count = Field(1000, description="Simulations at theta_fid in the training set; as many for validation.")
    n_d: Count = Field(1000, description="How many of them have derivatives by the parameters; at most n_s.")
    n_test: Count = Field(
        50000, description="Simulations, all with derivatives, in the test set, which alone gives the published |F|."
    )
    n_monte_carlo: Annotated[int, Field(ge=2), BeforeValidator(_not_bool)] = Field(
        100000, description="Simulations for the Monte-Carlo estimate that stands beside the analytic F."
    )
    fits: dict[Name, Recipe] = Field({"mlp": Recipe()}, min_length=1, description="The recipes, each under a name of its own.")

    @model_validator(mode="after")
    def _consistent(self) -> "Config":
        found = [*self._faults_of_simulations(), *self._faults_of_fits()]
        if found:
            raise ValueError("\n".join(found))
        return self

    def _faults_of_simulations(self):
        problem = PROBLEMS[self.problem]
        if len(self.theta_fid) != len(problem.names):
            yield (
                f"theta_fid: expected {len(problem.names)} numbers ({', '.join(problem.names)}), found {len(self.theta_fid)}"
            )
        for name, value, bound in zip(problem.names, self.theta_fid, problem.lower_bounds, strict=False):
            if bound is not None and value <= bound:
                yield f"theta_fid: expected {name} > {bound:g}, found {value:g}"
        if self.n_d > self.n_s:
            yield f"n_d: expected at most n_s = {self.n_s}, found {self.n_d}"
        repeated = sorted({seed for seed in self.seeds if self.seeds.count(seed) > 1})
        if repeated:
            yield f"seeds: expected each seed once, found {', '.join(map(str, repeated))} more than once"

    def _faults_of_fits(self):
        n_params = len(PROBLEMS[self.problem].names)
        for name, recipe in self.fits.items():
            where = f"fits.{name}"
            if recipe.n_summaries < n_params:
                yield f"{where}.n_summaries: expected at least n_params = {n_params}, found {recipe.n_summaries}"
            for key in ("n_s", "n_test"):
                if getattr(self, key) <= recipe.n_summaries + 2:
                    yield (
                        f"{key}: expected more than n_summaries + 2 = {recipe.n_summaries + 2} (of {where}), "
                        f"found {getattr(self, key)}"
                    )
            if recipe.continue_from is not None:
                yield from self._faults_of_continuing(name, recipe)

    def _faults_of_continuing(self, name, recipe):
        where, parent = f"fits.{name}.continue_from", recipe.continue_from
        if parent not in self.fits:
            yield f"{where}: expected one of the fits {', '.join(self.fits)}, found {parent!r}{nearest(parent, self.fits)}"
            return
        ancestors = [name]
        while parent in self.fits:
            if parent in ancestors:
                circle = " -> ".join([*ancestors, parent])
                yield f"{where}: expected a chain of fits with a beginning, found the circle {circle}"
                return
            ancestors.append(parent)
            parent = self.fits[parent].continue_from
        start = self.fits[recipe.continue_from]
        for key in ("n_summaries", "network", "validation"):
            if getattr(recipe, key) != getattr(start, key):
                yield (
                    f"fits.{name}.{key}: expected the same as in {recipe.continue_from!r}, which this fit continues; "
                    f"found {getattr(recipe, key)!r} in place of {getattr(start, key)!r}"
                )
        if recipe.optimiser.name != start.optimiser.name:
            yield (
                f"fits.{name}.optimiser.name: expected {start.optimiser.name!r} as in {recipe.continue_from!r}, whose "
                f"optimiser state this fit continues; found {recipe.optimiser.name!r}"
            )


def read_config(values: dict) -> Config:
    """The configuration, checked and with its defaults filled in.

    Raises:
        InputError: one line per fault; those between keys come once each key is right by itself.

    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise InputError("\n".join(faults.lines(error.errors(), Config))) from None
