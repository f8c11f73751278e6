"""The network of a recipe: one of the project's, or one of the problem's own."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from imnn_core.config.recipe import Recipe
from imnn_core.networks import kinds
from imnn_core.networks.kinds import Network
from imnn_core.problems import Problem
from imnn_core.store.errors import InputError, in_a_line
from imnn_core.store.wording import nearest, shortened, shown


def trainable_map(network: Network, n_summaries: int) -> Network:
    """The network with a trainable map A x + b after it, where its last layer is not known."""

    def init(key, input_shape):
        return {
            "network": network.init(key, input_shape),
            "A": jnp.eye(n_summaries),
            "b": jnp.zeros(n_summaries),
        }

    def apply(weights, d):
        return weights["A"] @ network.apply(weights["network"], d) + weights["b"]

    def map_summaries(weights, A, b):
        return weights | {"A": A @ weights["A"], "b": A @ weights["b"] + b}

    return Network(init, apply, map_summaries)


def n_weights(network: Network, input_shape: Sequence[int]) -> int:
    """Numbers in the weights of a network, by shapes alone."""
    weights = jax.eval_shape(lambda: network.init(jax.random.key(0), input_shape))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(weights))


def _own(recipe: Recipe, problem: Problem) -> Network:
    """A network of the problem's own `networks`."""
    settings = recipe.network.model_dump()
    kind = settings.pop("kind")
    found, where = problem.networks[kind], f"network {kind!r} of problem {problem.name!r}"
    if callable(found):
        try:
            found = found(recipe.n_summaries, **settings)
        except Exception as error:  # whatever the user's function raises
            raise InputError(
                f"{where}: expected a function of n_summaries and {shown(settings)}, found "
                f"{in_a_line(error)}"
            ) from None
    elif settings:
        raise InputError(
            f"{where}: expected no settings, since it is a pair (init, apply), found "
            f"{shown(settings)}"
        )
    if not isinstance(found, tuple | list) or len(found) != 2 or not all(map(callable, found)):
        raise InputError(
            f"{where}: expected a pair of functions (init, apply), found {shown(found)}"
        )
    network = Network(*found, map_summaries=None)
    check(network, recipe, problem)  # before a map stands behind it
    is_mapped = recipe.whiten or recipe.linear
    return trainable_map(network, recipe.n_summaries) if is_mapped else network


def check(network: Network, recipe: Recipe, problem: Problem) -> None:
    """Check by shapes that a network takes the simulations and gives the recipe's summaries.

    Raises:
        InputError: it does not, or its weights are no tree of real arrays.

    """
    where = f"network {recipe.network.kind!r}"
    d = jax.ShapeDtypeStruct(problem.input_shape, jnp.result_type(float))
    try:
        weights = jax.eval_shape(lambda: network.init(jax.random.key(0), problem.input_shape))
        x = None if _is_of_stax(weights) else jax.eval_shape(network.apply, weights, d)
    except Exception as error:  # whatever the network raises
        raise InputError(
            f"{where}: expected a network for simulations of shape {problem.input_shape}, found "
            f"{in_a_line(error)}"
        ) from None
    if x is None:
        raise InputError(
            f"{where}: expected of init the weights alone, found (shape, weights), as init of "
            "jax.example_libraries.stax returns; take lambda key, shape: init(key, shape)[1]"
        )
    _check_weights(weights, where)
    shape = getattr(x, "shape", None)
    if shape != (recipe.n_summaries,):
        raise InputError(
            f"{where}: expected summaries of shape ({recipe.n_summaries},), as n_summaries says, "
            f"found {shape}"
        )


def _is_of_stax(weights) -> bool:
    """Whether these are (shape, weights), as `init` of jax.example_libraries.stax returns."""
    is_pair = isinstance(weights, tuple) and len(weights) == 2 and isinstance(weights[0], tuple)
    return is_pair and all(
        getattr(n, "shape", None) == () and jnp.issubdtype(n.dtype, jnp.integer) for n in weights[0]
    )


def _check_weights(weights, where):
    for path, leaf in jax.tree_util.tree_leaves_with_path(weights):
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            raise InputError(
                f"{where}: expected weights of real numbers, found {leaf.dtype} in {name}"
            )
        if any(n < 0 for n in leaf.shape):  # which jax itself finds out later
            raise InputError(f"{where}: expected no negative sizes of weights, found {leaf.shape}")


def build(recipe: Recipe, problem: Problem) -> Network:
    """The network of a recipe: one of these, or of the problem's own.

    Raises:
        InputError: there is none of its kind, or it does not fit the problem's simulations.

    """
    recipe = recipe.of(problem.n_params)
    kind = recipe.network.kind
    if kind not in kinds.NETWORKS and kind not in problem.networks:
        known = [*kinds.NETWORKS, *problem.networks]
        raise InputError(
            f"network.kind: expected {shortened(', '.join(map(str, known)))}, found "
            f"{shown(kind)}{nearest(kind, known)}"
        )
    if kind in problem.networks and kind in kinds.NETWORKS:
        raise InputError(
            f"network.kind: expected another name for the problem's own network, found {kind!r}, "
            "one of the project's"
        )
    if kind in problem.networks:
        network = _own(recipe, problem)
    else:
        settings = recipe.network.model_dump()
        settings.pop("kind")
        n_dimensions = len(problem.input_shape) - settings.get("channels_last", False)
        if kind == "cnn" and not 1 <= n_dimensions <= 3:
            raise InputError(
                f"network: expected a grid of 1 to 3 dimensions, found {n_dimensions} of "
                f"{problem.input_shape}"
            )
        network = kinds.NETWORKS[kind](recipe.n_summaries, **settings)
    check(network, recipe, problem)
    return network
