"""Which finite differences suit simulations at shifted parameters. Imports no jax."""

from collections.abc import Iterator, Sequence

INDEPENDENT = 0.5  # 1 less the correlation of simulations, from which on seeds do not match
# Where draws match in part: as much less than 1 at least, and as much of a step undone.
SOME, UNDONE = 0.05, 0.05
JUMPS = 0.3  # bend over slope of single simulations, from which on a difference is no tangent


FIXED = (
    "draw the same random numbers at every theta, and as many, such as "
    "scipy.stats.poisson.ppf(rng.random(shape), rate) in place of rng.poisson(rate)"
)


def mismatches(found: dict, names: Sequence[str]) -> Iterator[tuple[bool, str]]:
    """By which parameters the draws of simulations at shifted parameters do not match.

    Yields whether none of them does, and a clause.

    Args:
        found: what `differences.look` found.
        names: of the parameters.

    """
    for name, independence, undone in zip(
        names, found["independence"], found["undone"], strict=True
    ):
        those = f"the simulations at shifted {name} and those at theta_fid"
        less = f"1 less their correlation is {independence:.2g}"
        if independence > INDEPENDENT:
            yield True, f"{those} are nearly independent ({less})"
        elif independence > SOME and undone is not None and undone > UNDONE:
            yield (
                False,
                f"{those} match in part only ({less}, and they move back by {100 * undone:.2g} % "
                "on their way), as where a generator draws more numbers at one theta than at "
                "another",
            )


def faults_of_tangents(found: dict, names: Sequence[str]) -> Iterator[str]:
    """Reasons against differences in the data: seeds or rows that do not match; a clause each.

    Args:
        found: what `differences.look` found.
        names: of the parameters.

    """
    for is_whole, clause in mismatches(found, names):
        remedy = "match their seeds and their order" if is_whole else FIXED
        yield (
            f"{clause}, so that their differences are no derivatives of single simulations; "
            f"{remedy}, or take finite_difference_of_summaries"
        )


def doubts(found: dict, of_summaries: bool, names: Sequence[str]) -> list[str]:
    """What simulations at shifted parameters say of the choice of `derivative`, a line each.

    Args:
        found: what `differences.look` found.
        of_summaries: whether differences are taken of summaries.
        names: of the parameters.

    """
    if not of_summaries:
        jumping = [name for name, jumps in zip(names, found["is_discrete"], strict=True) if jumps]
        lines = list(faults_of_tangents(found, names))
        if jumping:
            lines.append(
                f"simulations jump at shifted {', '.join(jumping)}, as counts do, so that their "
                "differences are no derivatives of single simulations; take `derivative: "
                "finite_difference_of_summaries`"
            )
        return lines
    if unmatched := list(mismatches(found, names)):
        return [
            f"{clause}, which adds noise to the derivatives of the summaries; if you can, "
            + (f"match their seeds and their order, and {FIXED}" if is_whole else FIXED)
            for is_whole, clause in unmatched
        ]
    jumps = [value is None or value > JUMPS for value in found["straightness"]]
    if any(jumps) or any(found["is_discrete"]):
        return []
    return [
        "simulations at shifted parameters move without jumps, and their seeds match: `derivative: "
        "finite_difference` is safer, since differences of summaries also count what the network "
        "does between the shifted parameters"
    ]
