"""How simulations lie in a user's file: faults of its datasets and attributes."""

from collections.abc import Mapping

import numpy as np
from imnn_core.data.dataset_names import by_column, names_in, shifted_datasets
from imnn_core.problems import Problem, stencils
from imnn_core.store.wording import nearest, of_shape


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


def _faults_of_shape(where: str, part: str, name: str, dataset, problem: Problem):
    is_column = part == "derivative" and "/" in name
    letter = "n_s" if part == "fiducial" else "n_d"
    shape = problem.stored_shape if part == "derivative" else problem.input_shape
    shape = problem.input_shape if is_column else shape
    if dataset.dtype.newbyteorder("=") not in (np.float32, np.float64):
        yield f"{where}: expected {name} of float32 or float64, found {dataset.dtype}"
    if tuple(dataset.shape[1:]) != shape or not dataset.shape:
        expected, found = of_shape(letter, *shape), of_shape(*dataset.shape)
        axes = "" if is_column else _transposed(problem, part, dataset.shape)
        yield f"{where}: expected {name} of shape {expected}, found {found}{axes}"


def _faults_of_offsets(where: str, arrays: Mapping, problem: Problem):
    """Of datasets `shifted/PARAMETER/OFFSET`: those that are missing, and those of no offset."""
    found = shifted_datasets(arrays)
    names = by_column(found, problem)
    missing = [
        f"shifted/{problem.names[i]}/{offset:g}"
        for (i, offset), name in zip(problem.columns, names, strict=True)
        if name is None
    ]
    further = sorted(set(found) - set(names))
    if missing or further:
        there = {}
        for parameter, offset in found.values():
            there.setdefault(parameter, []).append(offset)
        shown = [f"[{', '.join(there.get(name, []))}]" for name in problem.names]
        what = f"no {', '.join(missing)}" if missing else f"also {', '.join(further)}"
        yield (
            f"{where}: expected the datasets of delta_theta = {problem.delta_theta}, found {what}; "
            f"the file has the offsets {', '.join(shown)}, which delta_theta may list"
        )


def fewest(problem: Problem) -> int:
    """The fewest simulations for which C of n_params summaries has an inverse and an error."""
    return problem.n_params + 3


def faults_of_structure(where: str, arrays: Mapping, attributes: Mapping, problem: Problem):
    """Of one file, by what it says of itself."""
    names = names_in(arrays, problem)
    has_columns = isinstance(names["derivative"], list)
    missing = [
        name
        for name in names.values()
        if isinstance(name, str) and not hasattr(arrays.get(name), "dtype")
    ]  # a group has none
    for name in missing:
        there = [key for key in arrays if key not in attributes]
        other = {"derivative": "shifted", "shifted": "derivative"}.get(name)
        hint = nearest(name, there)
        if other in there:
            kind = "finite_difference, with delta_theta" if other == "shifted" else "exact"
            hint = f" (`derivative: {kind}` takes {other!r})"
        yield f"{where}: expected a dataset {name!r}, found {', '.join(there) or 'none'}{hint}"
    expected = {"names": list(problem.names), "theta_fid": problem.theta_fid.tolist()}
    if problem.delta_theta is not None and stencils.is_pairs(problem.delta_theta):
        expected["delta_theta"] = problem.delta_theta
    for key, value in expected.items():
        if key in attributes:
            found = [
                item.decode() if isinstance(item, bytes) else item
                for item in np.atleast_1d(attributes[key]).tolist()
            ]
            same = (
                found == value
                if key == "names"
                else len(found) == len(value) and np.allclose(found, value, rtol=1e-6, atol=0)
            )
            if not same:
                yield f"{where}: expected {key} = {value} as in the config, found {found}"
    if missing:
        return
    if has_columns:
        lines = list(_faults_of_offsets(where, arrays, problem))
        yield from lines
        if lines:
            return
    datasets = [
        (part, each, arrays[each])
        for part, name in names.items()
        for each in (name if isinstance(name, list) else [name])
    ]
    lines = [line for each in datasets for line in _faults_of_shape(where, *each, problem)]
    yield from lines
    if lines:
        return
    (_, _, fiducial), *others = datasets
    odd = [f"{each.dtype} in {name}" for _, name, each in others if each.dtype != fiducial.dtype]
    if odd:
        kinds = " and ".join([f"{fiducial.dtype} in fiducial", *odd])
        yield f"{where}: expected numbers of one size, found {kinds}"
    n_s = len(fiducial)
    if n_s < fewest(problem):
        at_least = f"at least n_params + 3 = {fewest(problem)} simulations"
        yield f"{where}: expected {at_least}, found {n_s}"
    for _, name, each in others:
        if len(each) > n_s:
            at_most = f"at most as many in {name} as in fiducial, {n_s}"
            yield f"{where}: expected {at_most}, found {len(each)}"
        if len(each) < 2:
            yield f"{where}: expected at least 2 simulations in {name}, found {len(each)}"
