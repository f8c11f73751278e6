"""Networks: each compresses ONE simulation to its summaries; the caller batches."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Weights = Any  # a tree of arrays


class Network(NamedTuple):
    """Three pure functions.

    init: (key, input_shape) -> weights.
    apply: (weights, d) -> x, with d (*input_shape) and x (n_summaries,).
    map_summaries: (weights, A, b) -> weights with which x becomes A x + b, A (n_summaries, n_summaries), b (n_summaries,).
    """

    init: Callable[[jax.Array, tuple[int, ...]], Weights]
    apply: Callable[[Weights, jax.Array], jax.Array]
    map_summaries: Callable[[Weights, jax.Array, jax.Array], Weights]


def _init_layers(key, widths):
    """Dense layers between these widths.

    Weights begin as N(0, 2 / (n_in + n_out)) (Glorot & Bengio 2010), biases as 0: the activations offered are near the
    identity in scale.
    """
    keys = jax.random.split(key, len(widths) - 1)
    layers = []
    for k, n_in, n_out in zip(keys, widths[:-1], widths[1:], strict=True):
        w = math.sqrt(2 / (n_in + n_out)) * jax.random.normal(k, (n_in, n_out))
        layers.append({"w": w, "b": jnp.zeros(n_out)})
    return layers


def _layer(layer, x):
    return x @ layer["w"] + layer["b"]


def _map_last(layers, A, b):
    """The layers with A x + b in place of what the last of them gives, x."""
    last = layers[-1]
    return [*layers[:-1], {"w": last["w"] @ A.T, "b": A @ last["b"] + b}]


def mlp(n_summaries: int, hidden: Sequence[int] = (128, 128, 128), activation: str = "leaky_relu") -> Network:
    """Multilayer perceptron on the flattened simulation.

    Args:
        n_summaries: outputs, without an activation.
        hidden: width of each hidden layer.
        activation: name of a function in jax.nn, after each hidden layer.

    """
    act = getattr(jax.nn, activation)

    def init(key, input_shape):
        return _init_layers(key, [math.prod(input_shape), *hidden, n_summaries])

    def apply(weights, d):  # d: (*input_shape)
        x = d.reshape(-1)
        for layer in weights[:-1]:
            x = act(_layer(layer, x))
        return _layer(weights[-1], x)  # (n_summaries,)

    return Network(init, apply, _map_last)


def deep_set(
    n_summaries: int, hidden: Sequence[int] = (32, 32), head: Sequence[int] = (), activation: str = "softplus"
) -> Network:
    """A network for exchangeable elements: one on each element, the mean over them, and a head.

    The elements lie along the first axis of a simulation, whose other axes are an element's own numbers. Summaries do not
    depend on the elements' order, and weights not on their number.

    Args:
        n_summaries: outputs, without an activation.
        hidden: width of each layer of the network on one element.
        head: width of each hidden layer after the mean.
        activation: name of a function in jax.nn, after each layer but the last of the head.

    Source: Zaheer et al. 2017, arXiv:1703.06114.

    """
    act = getattr(jax.nn, activation)

    def init(key, input_shape):
        of_elements, of_head = jax.random.split(key)
        return {
            "element": _init_layers(of_elements, [math.prod(input_shape[1:]), *hidden]),
            "head": _init_layers(of_head, [hidden[-1], *head, n_summaries]),
        }

    def apply(weights, d):  # d: (n_elements, *element_shape)
        h = d.reshape(len(d), -1)
        for layer in weights["element"]:
            h = act(h @ layer["w"] + layer["b"][None])  # (n_elements, width)
        x = jnp.mean(h, axis=0)
        for layer in weights["head"][:-1]:
            x = act(_layer(layer, x))
        return _layer(weights["head"][-1], x)  # (n_summaries,)

    def map_summaries(weights, A, b):
        return weights | {"head": _map_last(weights["head"], A, b)}

    return Network(init, apply, map_summaries)


NETWORKS = {"mlp": mlp, "deep_set": deep_set}


def build(n_summaries: int, kind: str, **settings: Any) -> Network:
    """The network of a configuration's `network:`."""
    return NETWORKS[kind](n_summaries, **settings)
