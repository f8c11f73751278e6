"""Networks: each compresses ONE simulation to its summaries; the caller batches."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from imnn_core.config.network import CNN, MLP, DeepSet

Weights = Any  # a tree of arrays
_MLP, _DEEP_SET, _CNN = MLP(), DeepSet(), CNN()  # the defaults stand in the configuration


class Network(NamedTuple):
    """Three pure functions.

    init: (key, input_shape) -> weights.
    apply: (weights, d) -> x, with d (*input_shape) and x (n_summaries,).
    map_summaries: (weights, A, b) -> weights with which x becomes A x + b, A (n_summaries,
        n_summaries), b (n_summaries,); None for a user's pair, see `architecture`.
    """

    init: Callable[[jax.Array, tuple[int, ...]], Weights]
    apply: Callable[[Weights, jax.Array], jax.Array]
    map_summaries: Callable[[Weights, jax.Array, jax.Array], Weights] | None


def _init_layers(key, widths):
    """Dense layers between these widths.

    Weights begin as N(0, 2 / (n_in + n_out)) (Glorot & Bengio 2010), biases as 0: the activations
    offered are near the identity in scale.
    """
    keys = jax.random.split(key, len(widths) - 1)
    layers = []
    for k, n_in, n_out in zip(keys, widths[:-1], widths[1:], strict=True):
        w = math.sqrt(2 / (n_in + n_out)) * jax.random.normal(k, (n_in, n_out))
        layers.append({"w": w, "b": jnp.zeros(n_out)})
    return layers


def _layer(layer, x):
    return x @ layer["w"] + layer["b"]


def _dense(layers, x, act):
    """Dense layers one after the other, an activation after each but the last."""
    for layer in layers[:-1]:
        x = act(_layer(layer, x))
    return _layer(layers[-1], x)


def _map_head(weights, A, b):
    """Weights that give A x + b in place of x, of a network with a head of dense layers."""
    return weights | {"head": _map_last(weights["head"], A, b)}


def _map_last(layers, A, b):
    """The layers with A x + b in place of what the last of them gives, x."""
    last = layers[-1]
    return [*layers[:-1], {"w": last["w"] @ A.T, "b": A @ last["b"] + b}]


def _activation(name):
    """A function in jax.nn by its name, or the square."""
    return jnp.square if name == "square" else getattr(jax.nn, name)


def mlp(
    n_summaries: int, hidden: Sequence[int] = _MLP.hidden, activation: str = _MLP.activation
) -> Network:
    """Multilayer perceptron on the flattened simulation.

    Args:
        n_summaries: outputs, without an activation.
        hidden: width of each hidden layer.
        activation: name of a function in jax.nn, or "square", after each hidden layer.

    """
    act = _activation(activation)

    def init(key, input_shape):
        return _init_layers(key, [math.prod(input_shape), *hidden, n_summaries])

    def apply(weights, d):  # d: (*input_shape)
        return _dense(weights, d.reshape(-1), act)  # (n_summaries,)

    return Network(init, apply, _map_last)


def deep_set(
    n_summaries: int,
    hidden: Sequence[int] = _DEEP_SET.hidden,
    head: Sequence[int] = _DEEP_SET.head,
    activation: str = _DEEP_SET.activation,
) -> Network:
    """A network for exchangeable elements: one on each element, the mean over them, and a head.

    The elements lie along the first axis of a simulation, whose other axes are an element's own
    numbers. Summaries do not depend on the elements' order, and weights not on their number.

    Args:
        n_summaries: outputs, without an activation.
        hidden: width of each layer of the network on one element.
        head: width of each hidden layer after the mean.
        activation: as of `mlp`, after each layer but the last of the head.

    Source: Zaheer et al. 2017, arXiv:1703.06114.

    """
    act = _activation(activation)

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
        return _dense(weights["head"], x, act)  # (n_summaries,)

    return Network(init, apply, _map_head)


def cnn(
    n_summaries: int,
    channels: Sequence[int] = _CNN.channels,
    kernel: int = _CNN.kernel,
    strides: Sequence[int] | None = _CNN.strides,
    means: str = _CNN.means,
    channels_last: bool = _CNN.channels_last,
    head: Sequence[int] = _CNN.head,
    activation: str = _CNN.activation,
) -> Network:
    """A convolutional network on a periodic grid: layers, means over the grid, and a head.

    The grid has one to three dimensions.

    Summaries do not change where the grid is shifted (with strides that divide the grid, by a
    multiple of them), and weights fit any size of grid. Patches are held in memory: of each layer
    kernel**n_dimensions times what goes into it.

    Args:
        n_summaries: outputs, without an activation.
        channels: of each convolutional layer.
        kernel: points of each layer's kernel along each dimension.
        strides: of each layer; 1, if None.
        means: "last" for those of the last layer's channels, "every" for those of each layer's.
        channels_last: whether a simulation's last axis is one of channels, not of the grid.
        head: width of each hidden layer after the means.
        activation: as of `mlp`, after each layer but the last of the head.

    """
    act = _activation(activation)
    strides = strides or [1] * len(channels)
    pad = (kernel - 1) // 2, kernel // 2

    def init(key, input_shape):
        n_dimensions = len(input_shape) - channels_last
        of_layers, of_head = jax.random.split(key)
        layers = []
        widths = [input_shape[-1] if channels_last else 1, *channels]
        for k, n_in, n_out in zip(
            jax.random.split(of_layers, len(channels)), widths[:-1], widths[1:], strict=True
        ):
            scale = math.sqrt(2 / (kernel**n_dimensions * (n_in + n_out)))
            w = scale * jax.random.normal(k, (*[kernel] * n_dimensions, n_in, n_out))
            layers.append({"w": w, "b": jnp.zeros(n_out)})
        n_means = sum(channels) if means == "every" else channels[-1]
        return {"layers": layers, "head": _init_layers(of_head, [n_means, *head, n_summaries])}

    def patches(
        h, stride
    ):  # (n_channels, *grid) -> (kernel**n_dimensions * n_channels, *strided grid)
        grid = h.shape[1:]
        h = jnp.pad(h, [(0, 0)] + [pad] * len(grid), mode="wrap")
        starts = itertools.product(range(kernel), repeat=len(grid))
        parts = [
            [slice(i, i + n, stride) for i, n in zip(start, grid, strict=True)] for start in starts
        ]
        return jnp.concatenate([h[(slice(None), *part)] for part in parts])

    def apply(weights, d):  # d: (*grid) or (*grid, n_channels)
        h = jnp.moveaxis(d, -1, 0) if channels_last else d[None]
        found = []
        for layer, stride in zip(weights["layers"], strides, strict=True):
            # A product of matrices: XLA's own convolution is half as fast on the CPU, within a loop
            # over chunks.
            p = patches(h, stride)
            h = act(
                layer["w"].reshape(len(p), -1).T @ p.reshape(len(p), -1) + layer["b"][:, None]
            )  # (width, n_points)
            found.append(jnp.mean(h, axis=1))
            h = h.reshape(-1, *p.shape[1:])
        x = jnp.concatenate(found) if means == "every" else found[-1]
        return _dense(weights["head"], x, act)  # (n_summaries,)

    return Network(init, apply, _map_head)


NETWORKS = {"mlp": mlp, "deep_set": deep_set, "cnn": cnn}
