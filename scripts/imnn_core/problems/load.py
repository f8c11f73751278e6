"""The problem that a configuration names: a shipped one, a user's, or files of simulations."""

import importlib.util
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imnn_core.config.problem import FILES, is_file
from imnn_core.problems.problem import Problem
from imnn_core.problems.shipped import EXAMPLES
from imnn_core.problems.stencils import Step
from imnn_core.store import unchecked
from imnn_core.store.errors import InputError
from imnn_core.store.texts import read_json
from imnn_core.store.wording import shortened, shown


def from_file(path: str | Path) -> Problem:
    """The problem of a user's file, which calls it `problem`.

    Other modules in the file's folder can be imported by it.

    Raises:
        InputError: the file is not there, raises an error, or has no such problem.

    """
    path = Path(path)
    if not os.path.isfile(path):  # no error where its name is too long
        raise InputError(f"problem: expected a Python file, found none at {path}")
    folder = str(path.parent.resolve())
    name = f"problem_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and pickles of the file look for it
    sys.path.insert(
        0, folder
    )  # before this project's own scripts, which may have the name of a user's module
    try:
        spec.loader.exec_module(module)
    except InputError as error:  # of Problem's own checks
        raise InputError(*(f"problem {path}: {line}" for line in error.lines)) from None
    except (Exception, SystemExit) as error:
        line = _line_in(path, error)
        what = error.msg if isinstance(error, SyntaxError) else error
        raise InputError(
            f"problem {path}: could not be imported: {type(error).__name__}: "
            f"{shortened(str(what))}{line}"
        ) from None
    finally:
        sys.path.remove(folder)
        sys.path.append(folder)  # for what it imports later
    found = getattr(module, "problem", None)
    if not isinstance(found, Problem):
        what = "found none" if found is None else f"found {shown(found)}"
        raise InputError(
            f"problem {path}: expected `problem = Problem(…)` in it (from imnn_core.problems "
            f"import Problem), {what}"
        )
    return found


def _line_in(path: Path, error: Exception) -> str:
    """Where in a user's file an error arose."""
    if isinstance(error, SyntaxError):
        return f" (line {error.lineno})"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == path.resolve()
    ]
    return f" (line {lines[-1]})" if lines else ""


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
    delta_theta: Sequence[Step] | None = None,
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
        delta_theta, of_summaries, from_files: as in `Problem`.
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
    return replace(problem, theta_fid=theta_fid, name=Path(kind).stem, **differences)
