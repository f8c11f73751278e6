"""The first sentence of the report."""

from collections.abc import Mapping

import numpy as np
from imnn_core.evaluation.results import Share

NUMBERS = "no one two three four five six seven eight nine ten eleven twelve".split()


def in_words(n: int, noun: str) -> str:
    """A number of things: three seeds."""
    return f"{NUMBERS[n] if n < len(NUMBERS) else n} {noun}{'s' * (n != 1)}"


def headline(
    kept: Mapping[str, Share],
    det_F: Mapping[str, str],
    n_seeds: int,
    simulations: str,
    doubts: Mapping[str, str] | None = None,
) -> str:
    """The result in one sentence, the best recipe first; of what is not to be trusted no number.

    Args:
        kept: each recipe's share, see `results.share`.
        det_F: each recipe's |F| of the test set with its error, as text.
        n_seeds: number of seeds.
        simulations: number of simulations, as text.
        doubts: why the |F| of a recipe is not to be trusted, by recipe.

    """
    doubts = doubts or {}
    of_runs = f"{in_words(n_seeds, 'seed')}, {simulations}"
    if doubts:
        whose = "the |F| of " + ", ".join(doubts) if len(doubts) < len(kept) else "|F|"
        doubt = f"{whose} is not to be trusted: {next(iter(doubts.values()))}"
        kept = {fit: share for fit, share in kept.items() if fit not in doubts}
        if not kept:
            return f"No result, since {doubt}; {of_runs}"
        rest = headline(kept, det_F, n_seeds, simulations)
        return f"{doubt[0].upper() if doubt[0] != '|' else '|'}{doubt[1:]}. The others: {rest}"
    ranked = sorted(kept, key=lambda fit: -np.nan_to_num(kept[fit].mean, nan=-np.inf))
    best, whose = ranked[0], kept[ranked[0]].whose
    others = "".join(f", {fit} {kept[fit]}" for fit in ranked[1:])
    if whose == "nothing":
        found = ", ".join(f"{fit} has |F| = {det_F[fit]}" for fit in ranked)
        found += ", and of a linear compression |F| is not known to differ from 0"
    elif whose == "a linear compression":
        found = f"{best} has {kept[best]} the |F| of a linear compression{others}"
    else:
        found = f"{best} kept {kept[best]} of the Fisher information{others}"
    return f"{found}; {of_runs}"
