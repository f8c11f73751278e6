"""What a set of simulations is known by: its problem, parameters, seed and split."""

import hashlib
import json
from pathlib import Path
from typing import Any

from imnn_core.data.dataset_names import dataset_names
from imnn_core.data.reading import plain
from imnn_core.problems import Problem, stencils
from imnn_core.store.errors import InputError
from imnn_core.store.wording import make_again, of_shape


def _steps(problem: Problem) -> Any:
    """The steps of finite differences as an attribute; lists of offsets as text."""
    steps = problem.delta_theta
    return steps if steps is None or stencils.is_pairs(steps) else json.dumps(steps)


def attributes(problem: Problem, seed: int, split: str) -> dict[str, Any]:
    """Attributes of a file by which its set is known."""
    if problem.prior is not None:  # of any theta_fid
        return {
            "problem": problem.name,
            "names": list(problem.names),
            "prior": json.dumps(problem.prior.plain()),
            "seed": seed,
            "split": split,
        }
    steps = {} if problem.delta_theta is None else {"delta_theta": _steps(problem)}
    return {
        "problem": problem.name,
        "names": list(problem.names),
        "theta_fid": problem.theta_fid,
        "seed": seed,
        "split": split,
        **steps,
    }


def digest(problem: Problem, seed: int, split: str) -> str:
    """Digest of these attributes, and of the shapes of the rows."""
    found = {name: plain(value) for name, value in attributes(problem, seed, split).items()}
    found["shapes"] = [problem.input_shape, problem.stored_shape]
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]


def check(file: Any, path: str | Path, problem: Problem, seed: int, split: str) -> None:
    """See that an open HDF5 file is of a set.

    Raises:
        InputError: it is of another; it names what differs.

    """
    wanted = attributes(problem, seed, split)
    if problem.prior is None:
        wanted |= {"delta_theta": _steps(problem)}
    for name, value in wanted.items():
        found, expected = plain(file.attrs.get(name)), plain(value)
        if found != expected:
            raise InputError(
                f"{path}: expected {name} = {expected} as in the config, found {found}; "
                f"{make_again(path)}"
            )


def fault_of_part(file: Any, path: str | Path, problem: Problem, seed: int, split: str) -> str:
    """What is wrong with an open part whose note has another digest.

    Raises:
        InputError: see `check`.

    """
    check(file, path, problem, seed, split)
    shapes = {"fiducial": problem.input_shape, "derivative": problem.stored_shape}
    for name, of in dataset_names(problem).items():
        found = file[of].shape
        if found[1:] != shapes[name]:
            shown = of_shape("n", *shapes[name])
            return f"{path}: expected {of} of shape {shown}, found {found}; {make_again(path)}"
    return (
        f"{path}: expected a part as it was written, found one that its note does not describe; "
        f"{make_again(path)}"
    )
