"""What the datasets of a set of simulations are called."""

import contextlib
import math
from collections.abc import Iterable, Mapping

from imnn_core.problems import Problem

Names = Mapping[str, str | list[str]]  # of datasets, by part of a set


def dataset_names(problem: Problem) -> dict[str, str]:
    """What the parts of a set are called in a file."""
    if problem.prior is not None:
        return {"fiducial": "d", "derivative": "theta"}
    return {
        "fiducial": "fiducial",
        "derivative": "derivative" if problem.delta_theta is None else "shifted",
    }


def shifted_datasets(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Parameter and offset of each dataset `shifted/PARAMETER/OFFSET` of a user's file."""
    found = {name: tuple(name.split("/")) for name in names}
    return {
        name: parts[1:]
        for name, parts in found.items()
        if parts[0] == "shifted" and len(parts) == 3
    }


def by_column(found: Mapping[str, tuple[str, str]], problem: Problem) -> list[str | None]:
    """The dataset of each of the problem's shifted simulations; None where there is none."""
    offsets = {}
    for name, (parameter, text) in found.items():
        with contextlib.suppress(ValueError):
            offsets[name] = (parameter, float(text))

    def name_of(column):
        i, offset = column
        near = (
            name
            for name, (parameter, value) in offsets.items()
            if parameter == problem.names[i] and math.isclose(value, offset, rel_tol=1e-9)
        )
        return next(near, None)

    return [name_of(column) for column in problem.columns]


def names_in(arrays: Iterable[str], problem: Problem) -> Names:
    """What the parts of a set are called in a user's file."""
    names = dataset_names(problem)
    found = shifted_datasets(arrays) if problem.delta_theta is not None else {}
    return names | {"derivative": by_column(found, problem)} if found else names
