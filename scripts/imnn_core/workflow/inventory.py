"""How many simulations a run needs, and how many there are already. Imports no jax."""

from collections.abc import Mapping
from typing import NamedTuple

from imnn_core.config.run import Config
from imnn_core.data import drawn_files
from imnn_core.data.parts import Part, n_columns_of, n_of_part
from imnn_core.data.ranges import listed, total, without
from imnn_core.store.wording import in_time


class Needed(NamedTuple):
    """Simulations, those at shifted parameters too: n in all, of them n_there already."""

    n: int
    n_there: int


def n_there(folder: str, part: Part, made_from: str, n_columns: int) -> int:
    """How many of a part's simulations are there, in whichever files."""
    found = [
        each for each in drawn_files.there(folder, part) if each.note.get("made_from") == made_from
    ]
    n = 0
    for name, stop, size in (("fiducial", part.stop, 1), ("derivative", part.d_stop, n_columns)):
        unit = found[0].note["unit"] if found and name == "derivative" else 1
        whole = (part.first * unit, stop * unit)
        left = listed(whole)
        for piece in (piece for each in found for piece, _ in each.pieces[name]):
            left = without(left, piece)
        n += (total([whole]) - total(left)) * size // unit
    return n


def sizes(settings: Config, n_halved: int) -> dict[str, Part]:
    """What each set of a seed has: simulations, and derivatives."""
    of_fit, of_test = Part(0, settings.n_s, settings.n_d), Part(0, settings.n_test, settings.n_test)
    found = {} if settings.simulations == "on_the_fly" else {"training": of_fit}
    if any(recipe.validation for recipe in settings.fits.values()):
        found["validation"] = of_fit
    found["test"] = of_test
    return found if settings.derivative == "exact" else found | {"half_step": Part(0, 0, n_halved)}


def _folders(settings: Config, made_from: Mapping[str, str]) -> dict[str, str]:
    """The digest of each folder with a seed's simulations."""
    return {
        f"results/{run}/simulations/seed-{seed}": digest
        for run, digest in made_from.items()
        for seed in settings.seeds
    }


def of_run(settings: Config, made_from: Mapping[str, str], n_halved: int) -> dict[str, Needed]:
    """What each set needs, of all seeds and refinements.

    Args:
        settings: of the run.
        made_from: of the run and its refinements, by their names; see `sets.writing`.
        n_halved: see `parts.n_halved`.

    """
    n_columns = n_columns_of(settings.delta_theta)
    folders = _folders(settings, made_from)
    return {
        split: Needed(
            len(folders) * n_of_part(part, n_columns),
            sum(
                n_there(f"{folder}/{split}", part, digest, n_columns)
                for folder, digest in folders.items()
            ),
        )
        for split, part in sizes(settings, n_halved).items()
    }


def of_prior(settings: Config, made_from: Mapping[str, str]) -> dict[str, Needed]:
    """What each set from the prior needs, of all seeds; see `of_run`.

    Refinements share those of the run, but for a prior that is cut to a box.
    """
    posterior = settings.posterior
    if posterior is None or not posterior.draws:
        return {}
    sets = {"prior": posterior.n_simulations, "calibration": posterior.n_calibration}
    folders = _folders(settings, made_from)
    return {
        split: Needed(
            len(folders) * n,
            sum(
                n_there(f"{folder}/{split}", Part(0, n, n), digest, 0)
                for folder, digest in folders.items()
            ),
        )
        for split, n in sets.items()
        if n
    }


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
    time = "" if seconds is None else f"; those to be drawn take about {in_time(seconds)}"
    lines = [
        f"Simulations: {n + n_monte_carlo} needed, {n_there} there already{time}",
        f"    simulate: {n} needed, {n_there} there ({each})",
    ]
    if n_monte_carlo:
        lines.append(
            f"    analytic_fisher: {n_monte_carlo}, where the likelihood is known; none is kept"
        )
    return "\n".join(lines)
