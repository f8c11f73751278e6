"""What stands before a recipe's network, from a set of simulations."""

from imnn_core.compression import linear
from imnn_core.config.recipe import Recipe
from imnn_core.data import sets, sources
from imnn_core.data.sources import Source
from imnn_core.networks import inputs
from imnn_core.networks.inputs import Inputs
from imnn_core.problems import Problem


def of_set(recipe: Recipe, problem: Problem, source: Source) -> tuple[Inputs, list[str]]:
    """What stands before the recipe's network, and a line on each part of it.

    Args:
        recipe: says what is wanted.
        problem: of the simulations.
        source: simulations in their own precision.

    """
    centre, lines = inputs.centre_of(source), []
    seen = sources.narrowed(source, centre)
    found = Inputs(centre=centre)
    if centre is not None:
        lines.append("the mean of each number is taken off in float64, as float32 has few digits")
    if recipe.standardise is not None:
        mean, scale = inputs.scale_of(seen, recipe.standardise)
        found = found._replace(mean=mean, scale=scale)
        means = mean.mean(), scale.mean()
        lines.append(
            "simulations less {:.4g}, over {:.4g} (means over a simulation)".format(*means)
        )
    if recipe.linear:
        b, mean, shrinkage = linear.compression(sets.tangents(seen, problem))
        found = found._replace(linear=b, linear_mean=mean)
        lines.append(f"begins as a linear compression, by {linear.how(shrinkage, len(mean))}")
    return found, lines
