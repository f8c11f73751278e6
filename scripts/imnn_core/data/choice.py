"""Which finite differences suit simulations at shifted parameters. Imports no jax."""

from collections.abc import Iterator, Sequence

INDEPENDENT = 0.5  # 1 less the correlation of simulations, from which on seeds do not match
JUMPS = 0.3  # bend over slope of single simulations, from which on a difference is no tangent


def faults_of_tangents(found: dict, names: Sequence[str]) -> Iterator[str]:
    """Reasons against differences in the data: seeds or rows that do not match; a clause each.

    Args:
        found: what `differences.look` found.
        names: of the parameters.

    """
    for name, independence in zip(names, found["independence"], strict=True):
        if independence > INDEPENDENT:
            yield (
                f"the simulations at shifted {name} and those at theta_fid are nearly independent "
                f"(1 less their correlation is {independence:.2g}), so that their differences are "
                "no derivatives of single simulations; match their seeds and their order, or take "
                "finite_difference_of_summaries"
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
    jumps = [value is None or value > JUMPS for value in found["straightness"]]
    if any(jumps) or any(found["is_discrete"]) or max(found["independence"]) > INDEPENDENT:
        return []
    return [
        "simulations at shifted parameters move without jumps, and their seeds match: `derivative: "
        "finite_difference` is safer, since differences of summaries also count what the network "
        "does between the shifted parameters"
    ]
