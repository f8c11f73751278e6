"""Which code of a user's problem file its simulations depend on. Imports no jax, runs nothing.

What `Problem(…)` is given as `networks`, `symbols`, `log_likelihood` or `fisher` makes no
simulation, nor does code that is reached from there alone. All other code of the file counts, if
the simulator's reaches it, or if it does something when the file is imported. Where this can't be
told, the whole file counts.
"""

import ast
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from imnn_core.workflow import digest

# What of a problem makes no simulation.
OTHER = ("networks", "symbols", "log_likelihood", "fisher")
BY_TEXT = {"globals", "locals", "vars", "eval", "exec", "__import__", "sys", "importlib"}
FIELDS = ("simulator", "theta_fid", "names", "input_shape", "log_likelihood", "fisher", "networks")


class SimulatorCode(NamedTuple):
    """digest: of the code that simulations depend on. is_numpy: whether they are numpy's."""

    digest: str
    is_numpy: bool


def _bound(statement: ast.stmt) -> set[str] | None:
    """Names that a statement of a module binds, if that is all that it does; None if it is not."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    if isinstance(statement, ast.ImportFrom):
        names = {alias.asname or alias.name for alias in statement.names}
        return None if "*" in names else names
    targets = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    found = set()
    for target in targets:
        each = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
        if not all(isinstance(name, ast.Name) for name in each):
            return None  # an item or an attribute of something
        found |= {name.id for name in each}
    return found or None


def _read(node: ast.AST) -> set[str]:
    """Names that a piece of code reads, in whatever scope."""
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _is_of_script(statement: ast.stmt) -> bool:
    """Whether it is `if __name__ == '__main__':` without `else`; a problem is imported."""
    return (
        isinstance(statement, ast.If)
        and not statement.orelse
        and ast.unparse(statement.test) == "__name__ == '__main__'"
    )


def _acts(statement: ast.stmt, wanted: set[str], imported: set[str]) -> bool:
    """Whether a statement may do something to what simulations depend on.

    It is one that does more than bind names; a decorator of the file's own; or a method of such a
    value, as of a list.
    """
    if _bound(statement) is None:
        return not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
    if decorators := getattr(statement, "decorator_list", []):
        return not all(_root(each) in imported for each in decorators)
    calls = (each for each in ast.walk(statement) if isinstance(each, ast.Call))
    return isinstance(statement, ast.Assign | ast.AnnAssign) and any(
        isinstance(call.func, ast.Attribute) and _root(call.func) in wanted - imported
        for call in calls
    )


def _root(node: ast.AST) -> str:
    """The name that an expression such as `a.b(c).d` begins with."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return getattr(node, "id", "")


def _problem_call(tree: ast.Module) -> ast.Call | None:
    """The call `problem = Problem(…)`, if there is one and all of its arguments are named."""
    found = [
        statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign) and _bound(statement) == {"problem"}
    ]
    if len(found) != 1 or not isinstance(found[0], ast.Call):
        return None
    call = found[0]
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    is_plain = all(keyword.arg for keyword in call.keywords) and not any(
        isinstance(argument, ast.Starred) for argument in call.args
    )
    return call if name == "Problem" and is_plain and len(call.args) <= len(FIELDS) else None


def _arguments(call: ast.Call) -> dict[str, ast.expr]:
    by_place = zip(FIELDS, call.args, strict=False)
    return dict(by_place) | {keyword.arg: keyword.value for keyword in call.keywords}


def _needed(tree: ast.Module, call: ast.Call) -> list[ast.stmt]:
    """Statements of a module that simulations depend on, in their order."""
    wanted = _read(call.func)
    for name, value in _arguments(call).items():
        if name not in OTHER:
            wanted |= _read(value)
    others = [
        statement
        for statement in tree.body
        if not (isinstance(statement, ast.Assign) and statement.value is call)
        and not _is_of_script(statement)
    ]
    imported = {
        name
        for statement in others
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for name in _bound(statement) or ()
    }
    chosen: dict[int, ast.stmt] = {}
    while True:
        before = len(chosen)
        for i, statement in enumerate(others):
            is_wanted = (_bound(statement) or set()) & wanted
            if i not in chosen and (is_wanted or _acts(statement, wanted, imported)):
                chosen[i] = statement
                wanted |= _read(statement)
        if len(chosen) == before:
            return [chosen[i] for i in sorted(chosen)]


def _meanings(path: Path) -> Iterator[str]:
    """What a problem's file, and those that its simulator imports from its folder, mean."""
    tree = ast.parse(path.read_bytes())
    call = _problem_call(tree)
    if call is None:
        yield digest.user_code_digest(path)
        return
    needed = _needed(tree, call)
    if any(_read(statement) & BY_TEXT for statement in needed):
        yield digest.user_code_digest(path)
        return
    for name, value in sorted(_arguments(call).items()):
        if name not in OTHER:
            yield f"{name} {digest.meaning(value)!r}"
    for statement in needed:
        yield repr(digest.meaning(statement))
        for node in ast.walk(statement):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield from (digest.user_code_digest(each) for each in digest.imported(path, node))


def of_file(path_to_file: str | Path) -> SimulatorCode:
    """The code of a user's file that simulations depend on.

    A file that is not there, or is no Python, has a digest too: whoever loads it says what is
    wrong.
    """
    path = Path(path_to_file)
    try:
        if not os.path.isfile(path):
            raise OSError("no file")
        found, tree = list(_meanings(path)), ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return SimulatorCode(digest.user_code_digest(path), False)
    call = _problem_call(tree)
    value = _arguments(call).get("numpy") if call else None
    is_numpy = isinstance(value, ast.Constant) and value.value is True
    if call is None:  # in some other way; then what the text says
        is_numpy = any(
            keyword.arg == "numpy" and getattr(keyword.value, "value", None) is True
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            for keyword in node.keywords
        )
    return SimulatorCode(digest.settings_digest(found), is_numpy)
