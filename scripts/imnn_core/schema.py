"""A recipe's keys: types, ranges, defaults and a sentence per key. Imports no jax."""

import contextlib
import math
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)


def _is_name(text: str) -> str:
    """A folder's name: one that cannot climb out of the results, and that Snakemake's wildcards match."""
    if not text or text[0] in ".-" or not all(c.isascii() and (c.isalnum() or c in "_.-") for c in text):
        raise ValueError("expected a name of letters, digits, '_', '.' and '-' that begins with neither '.' nor '-'")
    return text


def not_bool(value: Any) -> Any:
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
Real = Annotated[float, BeforeValidator(not_bool)]
Count = Annotated[int, Field(ge=1), BeforeValidator(not_bool)]
CountOrZero = Annotated[int, Field(ge=0), BeforeValidator(not_bool)]
Seed = Annotated[int, Field(ge=0, lt=2**32), BeforeValidator(not_bool)]


Activation = Literal[
    "celu", "elu", "gelu", "leaky_relu", "mish", "relu", "selu", "sigmoid", "silu", "softplus", "soft_sign", "square", "tanh"
]  # fmt: skip


class Model(BaseModel):
    """What all parts of the configuration share: unknown keys and infinities are faults."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class MLP(Model):
    """A multilayer perceptron on the flattened simulation."""

    kind: Literal["mlp"] = Field("mlp", description="A multilayer perceptron on the flattened simulation.")
    hidden: list[Count] = Field([128, 128, 128], description="Width of each hidden layer, first to last.")
    activation: Activation = Field(
        "leaky_relu", description="Activation after each hidden layer, by its name in `jax.nn`; or `square`."
    )


class DeepSet(Model):
    """A network for exchangeable elements, which lie along the first axis of a simulation."""

    kind: Literal["deep_set"] = Field(
        "deep_set",
        description="For exchangeable elements, along the first axis of a simulation: a network on each, the mean over them, "
        "and a head. The elements' order does not matter to it.",
    )
    hidden: list[Count] = Field([32, 32], min_length=1, description="Width of each layer of the network on one element.")
    head: list[Count] = Field([], description="Width of each hidden layer after the mean.")
    activation: Activation = Field("softplus", description="As of `mlp`, after each layer but the last of the head.")


class CNN(Model):
    """A convolutional network on a periodic grid."""

    kind: Literal["cnn"] = Field(
        "cnn",
        description="For fields on a periodic grid of one to three dimensions: convolutional layers, means over the grid, and "
        "a head.",
    )
    channels: list[Count] = Field([8, 8, 8], min_length=1, description="Channels of each convolutional layer.")
    kernel: Count = Field(3, description="Points of each layer's kernel along each dimension.")
    strides: list[Count] | None = Field(None, description="Stride of each layer; 1, if null.")
    means: Literal["last", "every"] = Field(
        "last", description="Means over the grid of the `last` layer's channels go into the head, or of `every` layer's."
    )
    channels_last: bool = Field(False, description="Whether a simulation's last axis is one of channels, not of the grid.")
    head: list[Count] = Field([], description="Width of each hidden layer after the means.")
    activation: Activation = Field("softplus", description="As of `mlp`, after each layer but the last of the head.")

    @model_validator(mode="after")
    def _stride_for_each_layer(self) -> "CNN":
        if self.strides is not None and len(self.strides) != len(self.channels):
            raise ValueError(f"expected {len(self.channels)} strides, one for each of channels, found {len(self.strides)}")
        return self


class OwnNetwork(Model):
    """A network of the problem's own `networks`; every further key is an argument of it."""

    model_config = ConfigDict(extra="allow")

    kind: str

    @model_validator(mode="before")
    @classmethod
    def _read_numbers(cls, values: Any) -> Any:
        if isinstance(values, dict):
            return {key: value if key == "kind" else _numbers(value) for key, value in values.items()}
        return values


NETWORKS = {"mlp": MLP, "deep_set": DeepSet, "cnn": CNN}


def _kind(network: Any) -> str:
    """Which network a mapping describes: `mlp`, unless it says another, which may be one of the problem's own."""
    kind = network.get("kind", "mlp") if isinstance(network, dict) else getattr(network, "kind", "mlp")
    return kind if isinstance(kind, str) and kind in NETWORKS else "own"


Network = Annotated[
    Annotated[MLP, Tag("mlp")]
    | Annotated[DeepSet, Tag("deep_set")]
    | Annotated[CNN, Tag("cnn")]
    | Annotated[OwnNetwork, Tag("own")],
    Discriminator(_kind),
]


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
    network: Network = Field(MLP(), description="The network, by its `kind`.")
    standardise: Literal["all", "each"] | None = Field(
        None,
        description="The network sees simulations less their mean, over their standard deviation, both of the training set (of "
        "validation, if training is drawn on the fly): `all` has one of each for all numbers of a simulation, which keeps its "
        "symmetries; `each` has one for every number, for numbers of different kinds.",
    )
    whiten: bool = Field(
        False,
        description="Begin with summaries of the training set that have mean 0 and covariance 1, by a change of the network's "
        "last layer. F is the same under such a map; the iterations that would else go into it are spared. Not for a fit that "
        "continues another.",
    )
    augment: Literal["permute"] | None = Field(
        None,
        description="`permute`: in every iteration the elements of each training simulation, along its first axis, get a new "
        "random order. For exchangeable elements; validation and test are left as they are.",
    )
    averaging: Real = Field(
        0.0,
        ge=0,
        lt=1,
        description="Validation judges, and `weights` means, a moving average of the weights: in each iteration this part of "
        "it stays, and the rest is the new weights. 0 for none. Needs `validation: true`.",
    )
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

    @property
    def evaluated(self) -> str:
        """Which weights of the fit's file are those that it is judged by."""
        return "weights/average" if self.weights == "final" and self.averaging else f"weights/{self.weights}"

    @model_validator(mode="after")
    def _average_is_judged(self) -> "Recipe":
        if self.averaging and not self.validation:
            raise ValueError(
                f"expected averaging 0 without a validation set, which judges the average, found {self.averaging:g}"
            )
        return self

    @model_validator(mode="after")
    def _coupling_can_switch_off(self) -> "Recipe":
        argument = self.closeness * (self.strength - 1) + self.closeness**2 / (1 + self.closeness)
        if not 0 < argument < 1:
            raise ValueError(
                "expected strength λ and closeness ε with 0 < ε (λ - 1) + ε²/(1 + ε) < 1, else the coupling cannot "
                f"switch off (α <= 0); found {argument:.4g} at λ = {self.strength:g}, ε = {self.closeness:g}"
            )
        return self
