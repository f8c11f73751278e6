"""A look at a user's files of simulations: all of small ones, the first rows of large ones."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from imnn_core.config.files import Files
from imnn_core.data import arrays, choice, differences, numbers, sources, user_files
from imnn_core.data.layouts import fewest
from imnn_core.data.sources import Source
from imnn_core.problems import Problem
from imnn_core.store.errors import InputError

WHOLE = 10**9  # bytes of files that are looked through
ROWS, BYTES = 1000, 2**26  # simulations that are read of each, and at most so many bytes


def look(
    add: Callable, files: Mapping[str, Any], given: Files, problem: Problem
) -> tuple[Source | None, tuple[int, int] | None]:
    """Look at the files, and tell what is found.

    Args:
        add: (what, text, faults, doubts) tells it.
        files: by set, as `arrays.open_users` takes them.
        given: the configuration of the files.
        problem: with the parameters, shapes and kind of derivatives that are expected.

    Returns:
        The first simulations of the training set as they are stored, and its n_s and n_d; None of
        files with faults.

    """
    first, sizes, broken = {}, {}, []
    for split, each in files.items():
        try:
            with arrays.open_users(each, problem) as source:
                sizes[split] = len(source.fiducial), len(source.derivative), source.n_bytes
                if _fits(source, problem):
                    first[split] = head(source)
        except InputError:
            pass  # told by what looks at the structure, below
        if split not in first:
            broken.append(split)
    n_bytes = sum(n for *_, n in sizes.values())
    is_all = n_bytes <= WHOLE
    looked = dict(files) if is_all else {split: files[split] for split in broken}
    found = user_files.check(looked, problem)
    faults, doubts = list(found.faults), list(found.notes)
    for split, source in first.items():
        if not is_all:
            seen = numbers.look(source, problem)
            faults += [f"simulations.{split}: {clause}" for clause in seen.faults]
        if problem.delta_theta is not None and not faults:
            shifted = differences.look(source, problem)
            lines = choice.doubts(shifted, problem.of_summaries, problem.names)
            doubts += [f"simulations.{split}: {line}" for line in lines]
    counts = ", ".join(
        f"{split} {n} simulations, {n_d} with derivatives" for split, (n, n_d, _) in sizes.items()
    )
    n_read = max([len(source.fiducial) for source in first.values()], default=0)
    how = "all of it was looked through" if is_all else f"the first {n_read} of each were looked at"
    add("files", f"{counts}; {how}" if counts else "", faults, doubts)
    if faults or "training" not in first:
        return None, None
    share = 1 - sum(given.fractions.values())
    n_s, n_d, _ = sizes["training"]
    return first["training"], (round(share * n_s), round(share * n_d))


def _fits(source: Source, problem: Problem) -> bool:
    """Whether a file has the arrays that are expected."""
    d, dd = source.fiducial, source.derivative
    shapes = (d.shape[1:], dd.shape[1:]) == (problem.input_shape, problem.stored_shape)
    return shapes and len(d) >= max(fewest(problem.n_params), len(dd)) and len(dd) >= 2


def head(source: Source) -> Source:
    """The first simulations of a source, in memory."""
    row = max(1, source.n_bytes // len(source.fiducial))
    n = max(2, min(ROWS, BYTES // row, len(source.fiducial)))
    rows = {}
    for name in ("fiducial", "derivative"):
        array = getattr(source, name)
        rows[name] = np.empty((min(n, len(array)), *array.shape[1:]), array.dtype)
        source.read(name, 0, rows[name])
    counts = source.counts and tuple(min(n, each) for each in source.counts)
    return sources.in_memory(**rows)._replace(counts=counts)
