"""Networks: each compresses ONE simulation to its summaries; the caller batches."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Weights = Any  # a tree of arrays


class Network(NamedTuple):
    """A pair of pure functions.

    init: (key, input_shape) -> weights.
    apply: (weights, d) -> x, with d (*input_shape) and x (n_summaries,).
    """

    init: Callable[[jax.Array, tuple[int, ...]], Weights]
    apply: Callable[[Weights, jax.Array], jax.Array]


def mlp(n_summaries: int, hidden: Sequence[int] = (128, 128, 128), activation: str = "leaky_relu") -> Network:
    """Multilayer perceptron on the flattened simulation.

    Weights begin as N(0, 2 / (n_in + n_out)) (Glorot & Bengio 2010), biases as 0, since leaky ReLU
    and its like are near the identity in scale.

    Args:
        n_summaries: outputs, without an activation.
        hidden: width of each hidden layer.
        activation: name of a function in jax.nn, after each hidden layer.

    """
    act = getattr(jax.nn, activation)

    def init(key, input_shape):
        widths = [math.prod(input_shape), *hidden, n_summaries]
        keys = jax.random.split(key, len(widths) - 1)
        layers = []
        for k, n_in, n_out in zip(keys, widths[:-1], widths[1:], strict=True):
            w = math.sqrt(2 / (n_in + n_out)) * jax.random.normal(k, (n_in, n_out))
            layers.append({"w": w, "b": jnp.zeros(n_out)})
        return layers

    def apply(weights, d):  # d: (*input_shape)
        x = d.reshape(-1)
        for layer in weights[:-1]:
            x = act(x @ layer["w"] + layer["b"])
        return x @ weights[-1]["w"] + weights[-1]["b"]  # (n_summaries,)

    return Network(init, apply)


NETWORKS = {"mlp": mlp}


def build(n_summaries: int, kind: str, **settings: Any) -> Network:
    """The network of a configuration's `network:`."""
    return NETWORKS[kind](n_summaries, **settings)
