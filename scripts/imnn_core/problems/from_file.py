"""The problem of a user's file. Imports no jax, which the file itself may do."""

import importlib.util
import os
import sys
import traceback
from pathlib import Path

from imnn_core.problems.problem import Problem
from imnn_core.store.errors import InputError
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
        line = line_in(path, error)
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


def line_in(path: str | Path, error: BaseException) -> str:
    """Where in a user's file an error arose: ' (line 12)', or ''."""
    if isinstance(error, SyntaxError):
        return f" (line {error.lineno})"
    path = Path(path)
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == path.resolve()
    ]
    return f" (line {lines[-1]})" if lines else ""
