"""What a run takes: simulations, time, memory and disk, by what was measured. Imports no jax."""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from imnn_core.config.run import Config
from imnn_core.data.parts import Part, cut
from imnn_core.store.wording import in_time
from imnn_core.workflow import requests
from imnn_core.workflow.inventory import Needed

DAY = 86400  # seconds
GB = 10**9


class Drawing(NamedTuple):
    """What drawing takes, as it was measured.

    seconds, of_derivative: of a simulation on one core, and of its derivative or its shifted ones.
    n_bytes, n_bytes_of_derivative: that both take in a file.
    """

    seconds: float
    of_derivative: float
    n_bytes: int
    n_bytes_of_derivative: int


def _left(parts: Mapping[str, Part], needed: Mapping[str, Needed]) -> Iterator[tuple]:
    """Simulations and derivatives of each set that are to be drawn, in all seeds and runs."""
    for split, part in parts.items():
        each, n_there = needed[split].n, needed[split].n_there
        share = (each - n_there) / each if each else 0
        yield split, share * part.stop, share * part.d_stop


def of_drawing(
    settings: Config, parts: Mapping[str, Part], needed: Mapping[str, Needed], found: Drawing
) -> tuple[float, float, int]:
    """Seconds on one core, bytes, and jobs that draw what is not there yet.

    Args:
        settings: of the run.
        parts: of each set of a seed, see `inventory.sizes`.
        needed: see `inventory.of_run`.
        found: of one simulation.

    """
    n_sets = len(settings.seeds) * (1 + settings.refine)
    seconds, n_bytes, n_jobs = 0.0, 0.0, 0
    for split, n, n_d in _left(parts, needed):
        seconds += n_sets * (n * found.seconds + n_d * found.of_derivative)
        n_bytes += n_sets * (n * found.n_bytes + n_d * found.n_bytes_of_derivative)
        n_per_part = settings.simulate.n_per_part
        n_jobs += n_sets * (len(cut(parts[split].stop, 0, n_per_part)) if n else bool(n_d))
    return seconds, n_bytes, n_jobs


def of_fits(settings: Config, seconds: Mapping[str, float], cores: int) -> tuple[float, int]:
    """Seconds that all fits take at most, side by side on the cores, and how many they are.

    Args:
        settings: of the run.
        seconds: of an iteration of each fit.
        cores: of the machine.

    """
    n_sets = len(settings.seeds) * (1 + settings.refine)
    of_all = [
        n_sets * recipe.max_iterations * seconds[name] * min(recipe.threads, cores)
        for name, recipe in settings.fits.items()
        if name in seconds
    ]
    n = n_sets * len(of_all)
    longest = max(
        (recipe.max_iterations * seconds.get(name, 0) for name, recipe in settings.fits.items()),
        default=0,
    )
    return max(sum(of_all) / min(cores, max(n, 1)), longest), n


def in_gb(n_bytes: float) -> str:
    """A size in words."""
    if n_bytes >= 10 * GB:
        return f"{n_bytes / GB:.0f} GB"
    return f"{n_bytes / GB:.2g} GB" if n_bytes >= 0.1 * GB else f"{max(n_bytes, 1e5) / 1e6:.2g} MB"


def of_memory(
    settings: Config,
    sizes: requests.Sizes,
    n_params: int,
    available: int,
    n_workers: int,
    worker: int,
    n_gpus: int,
) -> dict[str, int]:
    """Bytes that jobs take at most, about, by their names.

    Args:
        settings: of the run.
        sizes: of its simulations.
        n_params: of its problem.
        available: bytes of this machine.
        n_workers: processes of a numpy simulator; 0 of one in JAX.
        worker: bytes that one was seen to take.
        n_gpus: of a fit.

    """
    found = {}
    of_simulating = requests.of_simulating(sizes, 1, n_workers) * requests.MB
    found["simulate" if settings.files is None else "check_files"] = max(
        of_simulating, requests.DRAWING + n_workers * worker
    )
    for name, recipe in settings.fits.items():
        recipe = recipe.of(n_params)
        splits = [split for split in ("training", "validation") if split in sizes.sets]
        splits = splits if recipe.validation else splits[:1]
        if recipe.data == "auto" and sum(sizes.sets[each] for each in splits) > available // 4:
            recipe = recipe.model_copy(update={"data": "streamed"})
        of_fit = requests.of_fitting(sizes, recipe, splits, n_gpus, 1)
        of_evaluating = requests.of_evaluating(sizes, recipe, n_gpus, 1)
        found[f"fit {name}"] = of_fit * requests.MB
        found[f"evaluate {name}"] = of_evaluating * requests.MB
    return found


def largest(memory: Mapping[str, int]) -> str:
    """The largest job of each rule, in words."""
    found: dict[str, tuple[int, str]] = {}
    for name, n in memory.items():
        rule = name.split()[0]
        if n > found.get(rule, (0, ""))[0]:
            found[rule] = n, name
    return ", ".join(f"{name} {in_gb(n)}" for n, name in found.values())


def faults_of_memory(
    memory: Mapping[str, int], settings: Config, available: int, cores: int
) -> tuple[list[str], list[str]]:
    """Lines on jobs that take more memory than there is: alone, or several at a time."""
    faults = [
        f"memory: expected {name} in the {available} bytes of this machine, found that it may take "
        f"{n}; see `data`, `n_per_device` and `n_test` in config/README.md"
        for name, n in memory.items()
        if n > available
    ]
    n_sets = len(settings.seeds) * (1 + settings.refine)
    at_once, doubts = 0, []
    for name, recipe in settings.fits.items():
        n = min(max(1, cores // recipe.threads), n_sets)
        at_once = max(at_once, n * memory.get(f"fit {name}", 0))
    if at_once > available and not faults:
        doubts = [
            f"memory: expected fits side by side in {in_gb(available)}, found that on {cores} "
            f"cores they may take {in_gb(at_once)}; give fewer --cores"
        ]
    return faults, doubts


def in_words(seconds: float) -> str:
    """A time of any length: `31 µs`, `20 ms`, `1.2 s`, `12 min`."""
    for unit, size in (("µs", 1e-6), ("ms", 1e-3)):
        if seconds < 1000 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.2g} s" if seconds < 10 else in_time(seconds)


def counted(n: int, what: str) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{n} {what}{'s' * (n != 1)}"


def of_long(seconds: float) -> list[str]:
    """A line, if a run takes more than a day."""
    if seconds <= DAY:
        return []
    return [
        f"time: expected a run of a day at most on this machine, found one of "
        f"{in_time(seconds)}; fewer simulations (n_test), a cluster (profiles/README.md) or more "
        "cores take less"
    ]


def on_disk(n_bytes: float, free: int) -> list[str]:
    """A line, if the disk has no room for the simulations."""
    if n_bytes <= free:
        return []
    return [
        f"disk: expected {math.ceil(n_bytes)} bytes free for the simulations, found {free}; make "
        "room, have the results elsewhere (snakemake --directory), or fewer simulations"
    ]
