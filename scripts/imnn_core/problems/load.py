"""The problem that a configuration names: a shipped one, a user's, or files of simulations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from imnn_core.config.problem import FILES, is_file
from imnn_core.problems.from_file import from_file
from imnn_core.problems.problem import Problem
from imnn_core.problems.shipped import EXAMPLES
from imnn_core.problems.stencils import Step
from imnn_core.store import unchecked
from imnn_core.store.errors import InputError
from imnn_core.store.texts import read_json
from imnn_core.store.wording import shortened, shown


@unchecked.named()
def at(path_to_theta: str | Path | None, **problem) -> Problem:
    """As `build`, with theta_fid from a JSON file, if there is one."""
    if path_to_theta is not None:
        problem |= {"theta_fid": read_json(path_to_theta)["theta_fid"]}
    return build(**problem)


def build(
    kind: str,
    theta_fid: Sequence[float] | None = None,
    input_shape: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    delta_theta: Sequence[Step] | Mapping[str, Step] | None = None,
    of_summaries: bool = False,
    from_files: bool = False,
    code: str | None = None,
) -> Problem:
    """The problem of a configuration's `problem:`.

    Args:
        kind: the name of one that ships with the project, a path to a user's file, or `files`.
        theta_fid: in place of the problem's own, if not None.
        input_shape: in place of the own one of a problem that ships with the project, if not None;
            of a file's, the same.
        names: of the parameters, for `files`.
        delta_theta, of_summaries, from_files: as in `Problem`; steps of a user's problem may be by
            the parameters' names.
        code: digest of a user's file. Not used: it is there to change when the file does.

    Raises:
        InputError: see `from_file` and `Problem`; or a file's problem has another input_shape.

    """
    given = {"theta_fid": theta_fid, "input_shape": input_shape}
    given = {key: value for key, value in given.items() if value is not None}
    differences = {
        "delta_theta": delta_theta,
        "of_summaries": of_summaries,
        "from_files": from_files,
    }
    if kind == FILES:
        return Problem(simulator=None, names=names, name=kind, **differences, **given)
    if not is_file(kind):
        return replace(EXAMPLES[kind](**given), name=kind, **differences)
    problem = from_file(kind)
    if input_shape is not None and tuple(input_shape) != problem.input_shape:
        raise InputError(
            f"input_shape: expected {list(problem.input_shape)} as in {kind}, found "
            f"{shown(list(input_shape))}; change it there"
        )
    theta_fid = problem.theta_fid if theta_fid is None else theta_fid
    if isinstance(delta_theta, Mapping):
        if set(delta_theta) != set(problem.names):
            raise InputError(
                f"simulations: expected shifted simulations of the parameters "
                f"{shortened(', '.join(problem.names))} of {kind}, found those of "
                f"{shortened(', '.join(delta_theta))}"
            )
        differences["delta_theta"] = [delta_theta[name] for name in problem.names]
    return replace(problem, theta_fid=theta_fid, name=Path(kind).stem, **differences)
