"""Keys of a recipe: types, ranges, defaults and descriptions. Imports no jax."""

from typing import Annotated, Any, Literal

from imnn_core.config.network import MLP, Network
from imnn_core.config.types import (
    Count,
    CountOrZero,
    Model,
    Name,
    Real,
    counted,
    for_jax,
    numbers,
    single,
)
from pydantic import AfterValidator, ConfigDict, Field, model_validator


def _is_rate(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if (number and value > 0 and single(value)) or (
        isinstance(value, dict) and "schedule" in value
    ):
        return value
    raise ValueError("expected a number > 0, or a mapping with the key 'schedule'")


class Optimiser(Model):
    """One of optax's optimisers with its arguments; `training.optimisers` checks both."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[Any, AfterValidator(for_jax)]]

    name: str = Field(
        "adam", description="Name of an optimiser of optax that needs gradients only."
    )
    learning_rate: Annotated[Any, AfterValidator(_is_rate), AfterValidator(for_jax)] = Field(
        1.0e-3,
        description="Step size: a number, or the name of a schedule of optax with its arguments, "
        "such as `{schedule: cosine_decay_schedule, init_value: 1.0e-3, "
        "decay_steps: 500}`. Every further key is an argument of the optimiser "
        "(`b1: 0.9`).",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_numbers(cls, values: Any) -> Any:
        return numbers(values)


class Recipe(Model):
    """Settings of one fit. All recipes of a run are fitted to the same simulations."""

    n_summaries: Count | None = Field(
        None,
        description="Number of outputs of the network, at least the number of parameters. If null, "
        "as many as parameters.",
    )
    network: Network = Field(MLP(), description="The network. Its `kind` selects it.")
    standardise: Literal["all", "each"] | None = Field(
        None,
        description="Subtract the mean from the simulations and divide by the standard "
        "deviation, both of the training set (of the validation set if training is "
        "drawn on the fly). `all`: one mean and one deviation for all numbers of a "
        "simulation, which keeps its symmetries. `each`: one for every number, for "
        "numbers of different kinds.",
    )
    whiten: bool = Field(
        False,
        description="Start with summaries of the training set that have mean 0 and covariance 1, "
        "by a change of the network's last layer. F does not change under such a "
        "map. This saves the iterations that the fit would need to get there. Not "
        "for a fit that continues another.",
    )
    linear: bool = Field(
        False,
        description="Start with the summaries of a linear compression of the training set (of the "
        "validation set if training is drawn on the fly), and a network beside it that gives "
        "nearly nothing at first. The fit begins at the linear compression's |F| and "
        "adds what it can. The linear compression itself stays as it is.",
    )
    augment: Literal["permute"] | None = Field(
        None,
        description="`permute`: in every iteration, the elements of each training simulation "
        "(along its first axis) get a new random order. For exchangeable elements. "
        "The validation and test sets do not change.",
    )
    averaging: Real = Field(
        0.0,
        ge=0,
        lt=1,
        description="Use a moving average of the weights for validation and for `weights`. In "
        "each iteration, this fraction of the average stays, and the new weights "
        "make up the rest. 0: no averaging. Needs `validation: true`.",
    )
    optimiser: Optimiser = Field(Optimiser(), description="The optimiser of the weights.")
    strength: Real = Field(
        10.0, gt=0, description="λ: the coupling while the covariance C is far from 1."
    )
    closeness: Real = Field(
        0.1,
        gt=0,
        description="ε: how near C must come to 1 before the coupling decreases. α(λ, ε) must "
        "be positive.",
    )
    patience: Count = Field(
        10,
        description="Stop when the largest |F| has not risen for this number of iterations "
        "(validation |F|, if any).",
    )
    min_iterations: CountOrZero = Field(
        100, description="Never stop early before this number of iterations."
    )
    max_iterations: counted(1, 10**9) = Field(
        1000, description="Always stop after this number (of this fit's own iterations)."
    )
    validation: bool = Field(
        True,
        description="`true`: the validation set decides when to stop and which weights are best. "
        "`false`: the training set.",
    )
    weights: Literal["best", "final"] = Field("best", description="The weights to be evaluated.")
    n_per_device: Count = Field(
        100,
        description="Number of simulations on a device at a time. It changes the gradient by "
        "rounding only.",
    )
    devices: Literal["auto", "cpu", "gpu"] = Field(
        "auto",
        description="Where the network runs. `auto`: on GPUs if there are any, else on the CPU.",
    )
    n_devices: Count | None = Field(
        None, description="How many of these devices to use. If null, all. A CPU counts as one."
    )
    data: Literal["auto", "resident", "streamed"] = Field(
        "auto",
        description="`resident`: the sets are in the devices' memory, and a whole block of "
        "iterations is one program there. `streamed`: the sets stay in their files, "
        "a few blocks are in memory at a time, and moments, loss and gradient are "
        "aggregated on the host in float64. `auto`: resident if the sets take at "
        "most a quarter of the memory of this machine (or of a cluster's job), or "
        "half of the free memory of a GPU. The two differ by rounding.",
    )
    threads: counted(1, 1024) = Field(
        1,
        description="CPU threads of one fit. It is fixed, so that the results do not depend on "
        "`--cores`.",
    )
    report_every: counted(1, 10**6) = Field(
        50, description="Iterations between two progress lines in the log."
    )
    continue_from: Name | None = Field(
        None,
        description="Start from the final weights and optimiser state of this other recipe's fit.",
    )

    def of(self, n_params: int) -> "Recipe":
        """The recipe for a problem, its number of summaries known."""
        if self.n_summaries is not None:
            return self
        return self.model_copy(update={"n_summaries": n_params})

    @property
    def evaluated(self) -> str:
        """The group of the fit's file with the weights to be evaluated."""
        if self.weights == "final" and self.averaging:
            return "weights/average"
        return f"weights/{self.weights}"

    @model_validator(mode="after")
    def _average_is_judged(self) -> "Recipe":
        if self.averaging and not self.validation:
            raise ValueError(
                "expected averaging 0 without a validation set, which judges the average, found "
                f"{self.averaging:g}"
            )
        return self

    @model_validator(mode="after")
    def _coupling_can_switch_off(self) -> "Recipe":
        argument = self.closeness * (self.strength - 1) + self.closeness**2 / (1 + self.closeness)
        if not 0 < argument < 1:
            raise ValueError(
                "expected strength λ and closeness ε with 0 < ε (λ - 1) + ε²/(1 + ε) < 1, "
                f"else the coupling cannot switch off (α <= 0); found {argument:.4g} "
                f"at λ = {self.strength:g}, ε = {self.closeness:g}"
            )
        return self
