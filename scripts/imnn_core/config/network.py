"""A network's keys, by its kind. Imports no jax."""

from functools import partial
from typing import Annotated, Any, Literal

from imnn_core.config.types import Count, Layers, Model, finite, numbers
from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, model_validator

Activation = Literal[
    "celu", "elu", "gelu", "leaky_relu", "mish", "relu", "selu", "sigmoid", "silu", "softplus",
    "soft_sign", "square", "tanh",
]  # fmt: skip


class MLP(Model):
    """A multilayer perceptron on the flattened simulation."""

    kind: Literal["mlp"] = Field(
        "mlp", description="A multilayer perceptron on the flattened simulation."
    )
    hidden: Layers = Field(
        [128, 128, 128], description="Width of each hidden layer, first to last."
    )
    activation: Activation = Field(
        "leaky_relu",
        description="Activation after each hidden layer: a name in `jax.nn`, or `square`.",
    )


class DeepSet(Model):
    """A network for exchangeable elements, which lie along the first axis of a simulation."""

    kind: Literal["deep_set"] = Field(
        "deep_set",
        description="For exchangeable elements along the first axis of a simulation: a network "
        "on each element, the mean over the elements, and a head. The order of the "
        "elements does not matter.",
    )
    hidden: Layers = Field(
        [32, 32],
        min_length=1,
        description="Width of each layer of the network that acts on one element.",
    )
    head: Layers = Field([], description="Width of each hidden layer after the mean.")
    activation: Activation = Field(
        "softplus", description="As for `mlp`, after each layer except the last one of the head."
    )


class CNN(Model):
    """A convolutional network on a periodic grid."""

    kind: Literal["cnn"] = Field(
        "cnn",
        description="For fields on a periodic grid of one to three dimensions: convolutional "
        "layers, means over the grid, and a head.",
    )
    channels: Layers = Field(
        [8, 8, 8], min_length=1, description="Channels of each convolutional layer."
    )
    kernel: Count = Field(
        3, description="Number of points of each layer's kernel along each dimension."
    )
    strides: Layers | None = Field(None, description="Stride of each layer. If null, 1.")
    means: Literal["last", "every"] = Field(
        "last",
        description="The head gets the means over the grid of the channels of the `last` layer, "
        "or of `every` layer.",
    )
    channels_last: bool = Field(
        False,
        description="Whether the last axis of a simulation holds channels and is not an axis of "
        "the grid.",
    )
    head: Layers = Field([], description="Width of each hidden layer after the means.")
    activation: Activation = Field(
        "softplus", description="As for `mlp`, after each layer except the last one of the head."
    )

    @model_validator(mode="after")
    def _stride_for_each_layer(self) -> "CNN":
        if self.strides is not None and len(self.strides) != len(self.channels):
            raise ValueError(
                f"expected {len(self.channels)} strides, one for each of channels, found "
                f"{len(self.strides)}"
            )
        return self


class OwnNetwork(Model):
    """One of the problem's own `networks`; further keys are its arguments."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[Any, AfterValidator(finite)]]

    kind: str

    @model_validator(mode="before")
    @classmethod
    def _read_numbers(cls, values: Any) -> Any:
        if isinstance(values, dict):
            return {
                key: value if key == "kind" else numbers(value) for key, value in values.items()
            }
        return values


NETWORKS = {"mlp": MLP, "deep_set": DeepSet, "cnn": CNN}


def _kind(network: Any) -> str:
    """The tag of a network: a kind of NETWORKS, `mlp` by default, or else `own`."""
    get = network.get if isinstance(network, dict) else partial(getattr, network)
    kind = get("kind", "mlp")
    return kind if isinstance(kind, str) and kind in NETWORKS else "own"


Network = Annotated[
    Annotated[MLP, Tag("mlp")]
    | Annotated[DeepSet, Tag("deep_set")]
    | Annotated[CNN, Tag("cnn")]
    | Annotated[OwnNetwork, Tag("own")],
    Discriminator(_kind),
]
