"""Whether one simulation, and a network, fit into memory at all: told before either is built.

Sets of simulations do not count, since they can be streamed. Imports no jax.
"""

import math
from collections.abc import Iterator, Sequence

from imnn_core.config.network import NETWORKS, Network
from imnn_core.config.recipe import Recipe
from imnn_core.config.run import Config
from imnn_core.data.parts import n_columns_of
from imnn_core.workflow.requests import COPIES, bytes_of_set, held

ON_A_CLUSTER = 2**44  # bytes, which no node of it has
OF_WEIGHTS = 4  # copies: themselves, their gradient, and two moments of an optimiser
MOST = 10**300  # in words, about: a float can take it
MOST_POINTS = 4096  # of a layer's kernel, each of which is a slice to compile


def _about(n: int) -> str:
    return f"{n:.3g}" if n < MOST else f"more than {MOST:.0e}"


def _dense(widths: Sequence[int]) -> int:
    return sum((n_in + 1) * n_out for n_in, n_out in zip(widths[:-1], widths[1:], strict=True))


def n_weights(network: Network, shape: Sequence[int], n_summaries: int) -> int:
    """Numbers in the weights of a network of this project's."""
    if network.kind == "mlp":
        return _dense([math.prod(shape), *network.hidden, n_summaries])
    if network.kind == "deep_set":
        hidden = network.hidden
        head = _dense([hidden[-1], *network.head, n_summaries])
        return _dense([math.prod(shape[1:]), *hidden]) + head
    channels, last = network.channels, network.channels_last
    widths = [shape[-1] if last else 1, *channels]
    points = network.kernel ** (len(shape) - last)
    layers = sum(
        (points * n_in + 1) * n_out for n_in, n_out in zip(widths[:-1], channels, strict=True)
    )
    n_means = sum(channels) if network.means == "every" else channels[-1]
    return layers + _dense([n_means, *network.head, n_summaries])


def of_simulation(
    key: str, shape: Sequence[int], n_derivatives: int, available: int
) -> Iterator[str]:
    """A line, if one simulation with its derivatives, or as often shifted, takes too much.

    Args:
        key: of the configuration, which the shape comes from.
        shape: of one simulation.
        n_derivatives: arrays of this shape in its derivatives.
        available: bytes of memory.

    """
    found = COPIES * bytes_of_set(shape, n_derivatives, 1, 1)
    if found > available:
        yield (
            f"{key}: expected one simulation with its derivatives, and {COPIES - 1} copies to work "
            f"with, in at most {available} bytes of memory, found {_about(found)} bytes"
        )


def of_weights(key: str, n: int, available: int) -> Iterator[str]:
    """A line, if so many weights, with what an optimiser keeps of each, take too much."""
    found = 4 * OF_WEIGHTS * n
    if found > available:
        yield (
            f"{key}: expected weights, with their gradient and moments, in at most {available} "
            f"bytes of memory, found {_about(found)} bytes"
        )


def _of_grid(key: str, network: Network, shape: Sequence[int]) -> Iterator[str]:
    """A line, if a kernel is larger than the grid before one of its layers."""
    grid = shape[: len(shape) - network.channels_last]
    if not 1 <= len(grid) <= 3:  # `architecture` says so
        return
    if network.kernel ** len(grid) > MOST_POINTS:
        found = f"{network.kernel}**{len(grid)}"
        yield f"{key}.kernel: expected at most {MOST_POINTS} points in all, found {found}"
        return
    for i, stride in enumerate(network.strides or [1] * len(network.channels)):
        if network.kernel > min(grid):
            yield (
                f"{key}.kernel: expected at most {min(grid)}, the points along one side of the "
                f"grid {tuple(grid)} before layer {i}, found {network.kernel}"
            )
            return
        grid = [math.ceil(points / stride) for points in grid]


def of_network(name: str, recipe: Recipe, shape: Sequence[int], available: int) -> Iterator[str]:
    """Lines on a fit's network that takes too much memory, or whose kernel takes too much grid.

    Args:
        name: of the fit.
        recipe: with its number of summaries.
        shape: of one simulation.
        available: bytes of memory.

    """
    key, network = f"fits.{name}.network", recipe.network
    if network.kind not in NETWORKS:  # the problem's own: known once it is built
        return
    if network.kind == "cnn":
        if found := list(_of_grid(key, network, shape)):
            yield from found
            return
        if len(shape) == network.channels_last:
            return
    n = n_weights(network, shape, recipe.n_summaries)
    if found := list(of_weights(key, n, available)):
        yield from found
        return
    found = 4 * held(network, shape)
    if found > available:
        yield (
            f"{key}: expected what its layers hold of one simulation in at most {available} bytes "
            f"of memory, found {_about(found)} bytes"
        )


def faults(settings: Config, shape: Sequence[int], n_params: int, available: int) -> list[str]:
    """Lines on all of this.

    Args:
        settings: the configuration.
        shape: of one simulation.
        n_params: number of parameters.
        available: bytes of memory.

    """
    n_derivatives = n_params
    if settings.delta_theta is not None:
        steps = settings.delta_theta
        n_derivatives = n_columns_of(steps)
    key = "problem: input_shape" if settings.input_shape is None else "input_shape"
    lines = list(of_simulation(key, shape, n_derivatives, available))
    if lines:
        return lines
    for name, recipe in settings.fits.items():
        lines += of_network(name, recipe.of(n_params), shape, available)
    return lines
