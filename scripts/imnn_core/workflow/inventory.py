"""How many simulations a run needs, and how many there are already. Imports no jax."""

import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from imnn_core.config.run import Config
from imnn_core.data import parts
from imnn_core.data.parts import Part, n_columns_of, n_of_part


class Needed(NamedTuple):
    """Simulations, those at shifted parameters too: n in all, of them n_there already."""

    n: int
    n_there: int


def n_there(folder: str, part: Part, made_from: str, n_columns: int) -> int:
    """How many of a part's simulations are there, in whichever files."""
    if not os.path.isdir(folder):
        return 0
    wanted = {"fiducial": (part.first, part.stop), "derivative": (part.first, part.d_stop)}
    size, n = {"fiducial": 1, "derivative": n_columns}, 0
    found = [each for each in parts.there(folder, part) if each.note.get("made_from") == made_from]
    for name, (first, stop) in wanted.items():
        unit = found[0].note["unit"] if found and name == "derivative" else 1
        whole = (first * unit, stop * unit)
        left = [whole] if first < stop else []
        for each in found:
            for piece, _ in each.pieces[name]:
                left = parts.without(left, piece)
        there = whole[1] - whole[0] - sum(b - a for a, b in left)
        n += there * size[name] // unit
    return n


def sets(settings: Config, n_halved: int) -> dict[str, list[Part]]:
    """Parts of each set of a seed; the half-step's is one of n_halved derivatives."""
    found = (
        {} if settings.simulations == "on_the_fly" else {"training": (settings.n_s, settings.n_d)}
    )
    if any(recipe.validation for recipe in settings.fits.values()):
        found["validation"] = (settings.n_s, settings.n_d)
    found["test"] = (settings.n_test, settings.n_test)
    n = settings.simulate.n_per_part
    whole = {split: parts.cut(*sizes, n) for split, sizes in found.items()}
    if settings.derivative != "exact":
        whole["half_step"] = [Part(0, 0, n_halved)]
    return whole


def of_run(
    settings: Config, runs: Iterable[str], made_from: Mapping[str, str], n_halved: int
) -> dict[str, Needed]:
    """What each set needs, of all seeds and refinements.

    Args:
        settings: of the run.
        runs: its name, and those of its refinements.
        made_from: by run, see `part_files.writing`.
        n_halved: see `parts.n_halved`.

    """
    n_columns = n_columns_of(settings.delta_theta)
    found = {}
    for split, of_set in sets(settings, n_halved).items():
        n = sum(n_of_part(part, n_columns) for part in of_set)
        first, last = of_set[0], of_set[-1]
        whole = Part(first.first, last.stop, max(part.d_stop for part in of_set))
        if split != "half_step":
            n_d = sum(part.d_stop - part.first for part in of_set)
            whole = Part(0, last.stop, n_d)
        there = sum(
            n_there(
                f"results/{run}/simulations/seed-{seed}/{split}", whole, made_from[run], n_columns
            )
            for run in runs
            for seed in settings.seeds
        )
        found[split] = Needed(n * len(settings.seeds) * len(list(runs)), there)
    return found


def in_words(found: Mapping[str, Needed], n_monte_carlo: int, seconds: float | None) -> str:
    """A line in all, and one per rule.

    Args:
        found: by set.
        n_monte_carlo: simulations that `analytic_fisher` draws, if it draws any.
        seconds: that all simulations that are not there take, if that is known.

    """
    n = sum(each.n for each in found.values())
    n_there = sum(each.n_there for each in found.values())
    each = ", ".join(f"{split} {of.n_there} of {of.n}" for split, of in found.items())
    time = "" if seconds is None else f"; those to be drawn take about {parts.in_time(seconds)}"
    lines = [
        f"Simulations: {n + n_monte_carlo} needed, {n_there} there already{time}",
        f"    simulate: {n} needed, {n_there} there ({each})",
    ]
    if n_monte_carlo:
        lines.append(
            f"    analytic_fisher: {n_monte_carlo}, where the likelihood is known; none is kept"
        )
    return "\n".join(lines)
