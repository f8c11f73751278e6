"""What a run would take, told line by line. Imports no jax."""

import math
import shutil
from collections.abc import Callable, Mapping
from typing import Any

from imnn_core.config.run import Config
from imnn_core.store import machine
from imnn_core.workflow import costs, inventory, requests
from imnn_core.workflow.inventory import Needed
from imnn_core.workflow.jobs import has_gpu


def tell(
    add: Callable,
    settings: Config,
    problem: Any,
    sizes: requests.Sizes,
    needed: tuple | None,
    drawn: Any,
    fits: tuple[Mapping[str, float], float],
    n_workers: int,
    cores: int,
) -> None:
    """Tell memory, sizes, time and disk of the run.

    Args:
        add: (what, text, faults, doubts) tells a line.
        settings: of the run.
        problem: its `Problem`.
        sizes: of its simulations.
        needed: n and n_there of each set, and how many are drawn with half the steps; None with
            files.
        drawn: a `Sample`, or None.
        fits: seconds of an iteration by the fits' names, and those to compile.
        n_workers: processes of a numpy simulator.
        cores: that the run may take.

    """
    available, n_gpus = machine.memory(), int(has_gpu())
    n_drawing = n_workers if problem.numpy else 0
    worker = drawn.memory if drawn else 0
    memory = costs.of_memory(
        settings, sizes, problem.n_params, available, n_drawing, worker, n_gpus
    )
    words = f"{costs.largest(memory)}, of {costs.in_gb(available)} that this machine has"
    faults_and_doubts = costs.faults_of_memory(memory, settings, available, cores)
    add("memory", words, *faults_and_doubts)
    (seconds, compiling), n_all = fits, len(settings.seeds) * (1 + settings.refine)
    for_fits, n_fits = costs.of_fits(settings, seconds, cores)
    for_fits, n_all = for_fits + compiling, n_all * len(settings.fits)
    of_all = "" if n_fits == n_all else f" of {n_all}"
    fitting = f"{costs.counted(n_fits, 'fit')}{of_all} at most {costs.in_words(for_fits)}"
    fitting = fitting if n_fits else "fits not known"
    if needed is None:
        add("time", f"{fitting}, on {cores} cores", [], costs.of_long(for_fits))
        return
    sets_needed = {split: Needed(*each) for split, each in needed[0].items()}
    parts = inventory.sizes(settings, needed[1])
    n, n_there = (
        sum(getattr(each, key) for each in sets_needed.values()) for key in ("n", "n_there")
    )
    each = ", ".join(f"{split} {of.n}" for split, of in sets_needed.items())
    seeds = costs.counted(len(settings.seeds), "seed")
    add(
        "sizes",
        f"{n} simulations ({each}; {seeds}): {n_there} are there, {n - n_there} to draw",
    )
    if drawn is None:
        add("time", f"{fitting}; simulations not known")
        return
    itemsize = drawn.fiducial.dtype.itemsize
    n_numbers = math.prod(problem.input_shape)
    cost = costs.Drawing(
        drawn.seconds,
        drawn.of_derivative,
        itemsize * n_numbers,
        itemsize * math.prod(problem.stored_shape),
    )
    on_one, n_bytes, n_jobs = costs.of_drawing(settings, parts, sets_needed, cost)
    at_once = n_workers if problem.numpy else max(1, min(cores, n_jobs))
    for_drawing = on_one / at_once
    total = for_drawing + for_fits
    add(
        "time",
        f"simulating {costs.in_words(for_drawing)}, {fitting}, on {cores} cores; measuring, "
        "figures and report come on top",
        [],
        costs.of_long(total),
    )
    free = shutil.disk_usage(".").free
    words = f"simulations take {costs.in_gb(n_bytes)}, {costs.in_gb(free)} are free"
    add("disk", words, costs.on_disk(n_bytes, free))
