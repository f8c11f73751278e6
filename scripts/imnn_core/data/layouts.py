"""How simulations lie in a user's file: faults of its datasets and attributes."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from imnn_core.data.dataset_names import Names, by_column, names_in, shifted_datasets
from imnn_core.data.reading import Array, Opened
from imnn_core.problems import Problem, stencils
from imnn_core.store.wording import nearest, of_shape, shortened, shown


def _axes(problem: Problem, part: str) -> list[list[tuple[str, tuple[int, ...]]]]:
    """A dataset's axes after the first, with names: in the right order and in other common ones."""
    grid, parameter, side = (
        ("*input_shape", problem.input_shape),
        ("n_params", (problem.n_params,)),
        ("2", (2,)),
    )
    if part == "fiducial":
        return [[grid]]
    if problem.delta_theta is None:
        return [[grid, parameter], [parameter, grid]]
    if not stencils.is_pairs(problem.delta_theta):
        return [[("n_columns", (len(problem.columns),)), grid]]
    return [[side, parameter, grid], [parameter, side, grid], [grid, parameter, side]]


def _transposed(problem: Problem, part: str, shape: tuple[int, ...]) -> str:
    """How the axes seem to lie, where the shape shows it."""
    first = [("n_s" if part == "fiducial" else "n_d", (None,))]  # of any size
    right, *others = _axes(problem, part)
    orders = [first + order for order in others]
    for order in (right, *others):
        orders += [order[:i] + first + order[i:] for i in range(1, len(order) + 1)]
    for order in orders:
        sizes = [n for _, axis in order for n in axis]
        if len(sizes) == len(shape) and all(
            n in (None, found) for n, found in zip(sizes, shape, strict=True)
        ):
            seen, expected = (
                ", ".join(name for name, _ in axes) for axes in (order, first + right)
            )
            return f"; its axes seem to be ({seen}): transpose them to ({expected})"
    return ""


def _faults_of_shape(where: str, part: str, name: str, array: Array, problem: Problem):
    is_column = part == "derivative" and "/" in name
    letter = "n_s" if part == "fiducial" else "n_d"
    shape = problem.stored_shape if part == "derivative" else problem.input_shape
    shape = problem.input_shape if is_column else shape
    if array.dtype not in (np.float32, np.float64):
        yield f"{where}: expected {name} of float32 or float64, found {shortened(str(array.dtype))}"
    if array.shape[1:] != shape or not array.shape:
        expected, found = of_shape(letter, *shape), of_shape(*array.shape)
        axes = "" if is_column else _transposed(problem, part, array.shape)
        yield f"{where}: expected {name} of shape {expected}, found {found}{axes}"


def _faults_of_offsets(where: str, there: Iterable[str], problem: Problem):
    """Of datasets `shifted/PARAMETER/OFFSET`: those that are missing, and those of no offset."""
    found = shifted_datasets(there)
    names = by_column(found, problem)
    missing = [
        f"shifted/{problem.names[i]}/{offset:g}"
        for (i, offset), name in zip(problem.columns, names, strict=True)
        if name is None
    ]
    further = sorted(set(found) - set(names))
    if missing or further:
        of_parameter = {}
        for parameter, offset in found.values():
            of_parameter.setdefault(parameter, []).append(offset)
        offsets = [f"[{', '.join(of_parameter.get(name, []))}]" for name in problem.names]
        what = f"no {', '.join(missing)}" if missing else f"also {', '.join(further)}"
        yield (
            f"{where}: expected the datasets of delta_theta = {problem.delta_theta}, found "
            f"{shortened(what)}; the file has the offsets {shortened(', '.join(offsets))}, which "
            "delta_theta may list"
        )


def _missing(name: str, found: Opened) -> str:
    """What there is in place of a dataset, in words."""
    if name in found.odd:
        return found.odd[name]
    inner = [each for each in found.names if each.endswith(f"/{name}")]
    if inner:
        return f"{shown(inner[0])}; it belongs at the top of the file, not into a group"
    other = {"derivative": "shifted", "shifted": "derivative"}.get(name)
    hint = nearest(name, found.names)
    if other in found.arrays:
        kind = "finite_difference, with delta_theta" if other == "shifted" else "exact"
        hint = f" (`derivative: {kind}` takes {other!r})"
    return shortened(", ".join(sorted(found.names)) or "none") + hint


def _faults_of_attributes(where: str, found: Opened, names: Names, problem: Problem):
    """What a file says of itself and the config does not; and what it has to say."""
    expected = {"names": list(problem.names), "theta_fid": problem.theta_fid.tolist()}
    is_pairs = problem.delta_theta is not None and stencils.is_pairs(problem.delta_theta)
    if is_pairs:
        expected["delta_theta"] = problem.delta_theta
    for key, value in expected.items():
        if key in found.attributes and not _is_same(found.attributes[key], value):
            yield (
                f"{where}: expected {key} = {value} as in the config, found "
                f"{shown(found.attributes[key])}"
            )
    if not found.is_named and is_unsaid(found, problem):
        yield (
            f"{where}: expected an attribute delta_theta (of npz an array), the whole distance "
            f"between the two values of each parameter, which should be {problem.delta_theta}, "
            "found none; without it half the distance in its place would go unnoticed"
        )


def is_unsaid(found: Opened, problem: Problem) -> bool:
    """Whether shifted simulations do not say themselves how far from each other they are."""
    is_pairs = problem.delta_theta is not None and stencils.is_pairs(problem.delta_theta)
    is_one = names_in([*found.arrays, *found.odd], problem)["derivative"] == "shifted"
    return is_pairs and is_one and "delta_theta" not in found.attributes


def _is_same(found: Any, value: list) -> bool:
    """Whether an attribute is what the config says; numbers to float32's rounding."""
    if isinstance(value[0], str):
        return found == value or ([found] == value)
    with contextlib.suppress(TypeError, ValueError):
        numbers = np.asarray(found, np.float64)
        is_alone = numbers.shape == () and len(value) == 1
        return (numbers.shape == (len(value),) or is_alone) and np.allclose(
            numbers, value, rtol=1e-6, atol=0
        )
    return False


def fewest(n_summaries: int) -> int:
    """The fewest simulations for which C of summaries has an inverse and an error."""
    return n_summaries + 3


def faults_of_structure(where: str, found: Opened, problem: Problem) -> Iterator[str]:
    """Of one file, by what it says of itself: a line each."""
    there = [*found.arrays, *found.odd]
    names = names_in(there, problem)
    yield from _faults_of_attributes(where, found, names, problem)
    if isinstance(names["derivative"], list):
        lines = list(_faults_of_offsets(where, there, problem))
        yield from lines
        if lines:
            return
    parts = [
        (part, each)
        for part, name in names.items()
        for each in (name if isinstance(name, list) else [name])
    ]
    missing = [name for _, name in parts if name not in found.arrays]
    for name in missing:
        yield f"{where}: expected a dataset {name!r}, found {_missing(name, found)}"
    if missing:
        return
    lines = [
        line
        for part, name in parts
        for line in _faults_of_shape(where, part, name, found.arrays[name], problem)
    ]
    yield from lines
    if lines:
        return
    fiducial, *others = ((name, found.arrays[name]) for _, name in parts)
    dtype, n_s = fiducial[1].dtype, fiducial[1].shape[0]
    odd = [f"{each.dtype} in {name}" for name, each in others if each.dtype != dtype]
    if odd:
        kinds = " and ".join([f"{dtype} in fiducial", *odd])
        yield f"{where}: expected numbers of one size, found {kinds}"
    if n_s < fewest(problem.n_params):
        at_least = f"at least n_params + 3 = {fewest(problem.n_params)} simulations"
        yield f"{where}: expected {at_least}, found {n_s}"
    for name, each in others:
        if each.shape[0] > n_s:
            at_most = f"at most as many in {name} as in fiducial, {n_s}"
            yield f"{where}: expected {at_most}, found {each.shape[0]}"
        if each.shape[0] < 2:
            yield f"{where}: expected at least 2 simulations in {name}, found {each.shape[0]}"
