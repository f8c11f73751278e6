"""What a script's code means, as a short text: it changes when the code does, not when a comment or a date does."""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "imnn_core"


def _imported(tree: ast.AST) -> set[str]:
    """Modules of the core that a module imports, by their names in it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
            names.add(node.module.removeprefix(f"{PACKAGE}."))
    return names


def _meaning(node: object, described: bool = False) -> object:
    """A syntax tree as nested tuples, without docstrings and what is empty; where ``described``, without descriptions.

    `ast.dump` differs between versions of Python, in how it shows what is empty.
    """
    if isinstance(node, list):
        return tuple(_meaning(item, described) for item in node)
    if not isinstance(node, ast.AST):
        return node
    fields = dict(ast.iter_fields(node))
    body = fields.get("body")
    if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        fields["body"] = body[1:]
    if isinstance(node, ast.Call) and described:
        fields["keywords"] = [keyword for keyword in node.keywords if keyword.arg != "description"]
    return (
        type(node).__name__,
        *((name, _meaning(value, described)) for name, value in fields.items() if value not in (None, [])),
    )


def code_digest(path_to_script: str | Path) -> str:
    """Digest of a script and of every module of the core that it imports, directly or not.

    As a rule's parameter it makes Snakemake run the rule anew when the code's meaning changes, and only then:
    comments, docstrings, layout and modification times do not count.
    """
    scripts = Path(path_to_script).parent
    todo, seen = [Path(path_to_script)], {}
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        todo += [scripts / PACKAGE / f"{name}.py" for name in _imported(tree)]
        seen[path] = repr(_meaning(tree, described=True))
    return _digest(seen)


def _digest(meanings: dict[Path, str]) -> str:
    text = "\n".join(f"{path.name} {meanings[path]}" for path in sorted(meanings))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _imported_from(folder: Path, path: Path, tree: ast.AST) -> Iterator[Path]:
    """Files in a folder, or in packages there, that a module in it imports, with those of the packages themselves."""
    for node in ast.walk(tree):
        names, base = [], folder
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = folder if node.level == 0 else path.parents[node.level - 1]
            module = node.module or ""
            names = [module, *(f"{module}.{alias.name}".lstrip(".") for alias in node.names)]
        for parts in (name.split(".") for name in names if name):
            for n in range(1, len(parts) + 1):
                place = base.joinpath(*parts[:n])
                yield from (each for each in (place.with_suffix(".py"), place / "__init__.py") if each.is_file())


def user_code_digest(path_to_file: str | Path) -> str:
    """Digest of a user's Python file and of what it imports from its own folder; as `code_digest`, but of any file.

    A file that is not there, or is no Python, has a digest too: whoever loads it says what is wrong.
    """
    folder = Path(path_to_file).parent
    todo, seen = [Path(path_to_file)], {}
    while todo:
        path = todo.pop()
        if path in seen or not path.is_file():
            continue
        content = path.read_bytes()
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError):
            seen[path] = repr(content)
            continue
        todo += _imported_from(folder, path, tree)
        seen[path] = repr(_meaning(tree))
    return _digest(seen)
