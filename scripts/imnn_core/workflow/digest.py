"""Digests of code, files and settings: they change with the meaning, not with a date."""

import ast
import contextlib
import functools
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from imnn_core.store.errors import InputError
from imnn_core.store.files import replacing

PACKAGE = "imnn_core"
CORE = Path(__file__).parent.parent
N_BLOCKS, BLOCK = 256, 2**16  # of a file that are looked at; all of one up to 16 MB


def _names(tree: ast.AST) -> list[tuple[int, str]]:
    """What a module imports: levels above it, 0 of what is absolute, and dotted names."""
    found = {}  # in the order of the file
    for node in ast.walk(tree):
        names, level = [], 0
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module, level = node.module or "", node.level
            names = [module, *(f"{module}.{alias.name}".lstrip(".") for alias in node.names)]
        found |= dict.fromkeys((level, name) for name in names if name)
    return list(found)


def _imported(folder: Path, path: Path, names: Iterable[tuple[int, str]]) -> Iterator[Path]:
    """Files below a folder that a module in it imports, with the packages' own `__init__.py`."""
    for level, name in names:
        base = folder if level == 0 else path.parents[level - 1]
        parts = name.split(".")
        for n in range(1, len(parts) + 1):
            place = base.joinpath(*parts[:n])
            yield from (
                each
                for each in (place.with_suffix(".py"), place / "__init__.py")
                if os.path.isfile(each)  # no error where a name is too long
            )


def meaning(node: object, described: bool = False) -> object:
    """A syntax tree as nested tuples without docstrings; where ``described``, without descriptions.

    `ast.dump` differs between versions of Python, in how it shows what is empty.
    """
    if isinstance(node, list):
        return tuple(meaning(item, described) for item in node)
    if not isinstance(node, ast.AST):
        return node
    fields = dict(ast.iter_fields(node))
    body = fields.get("body")
    if (
        isinstance(body, list)
        and body
        and isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
    ):
        fields["body"] = body[1:]
    if isinstance(node, ast.Call) and described:
        fields["keywords"] = [keyword for keyword in node.keywords if keyword.arg != "description"]
    return (
        type(node).__name__,
        *(
            (name, meaning(value, described))
            for name, value in fields.items()
            if value not in (None, [])
        ),
    )


class Parsed:
    """What parsed modules import and mean, by their bytes; parsing takes most of a start's time.

    A file keeps it from one start to the next, if it is given one. One that can't be read or
    written is no fault.
    """

    KEPT = 500  # modules

    def __init__(self):
        self._path, self._known, self._n_kept = None, {}, 0
        self._version = hashlib.sha256(Path(__file__).read_bytes() + sys.version.encode())

    def keep_in(self, path: str | Path) -> None:
        """Take from this file what is known, and add to it what comes."""
        self._path = path
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            known = json.loads(Path(path).read_text(encoding="utf-8"))
            self._known = {key: (names, meaning) for key, (names, meaning) in known.items()}
            self._n_kept = len(self._known)

    def of(self, path: Path) -> tuple[list[tuple[int, str]], str]:
        """What a module of this project imports, as `_names`, and a digest of its meaning."""
        content = path.read_bytes()
        found = self._version.copy()
        found.update(content)
        key = found.hexdigest()[:32]
        if key not in self._known:
            tree = ast.parse(content)
            text = repr(meaning(tree, described=True))
            self._known[key] = _names(tree), hashlib.sha256(text.encode()).hexdigest()[:32]
        return self._known[key]

    def keep(self) -> None:
        """Write what is new."""
        if self._path is not None and len(self._known) > self._n_kept:
            self._n_kept = len(self._known)
            kept = dict(list(self._known.items())[-self.KEPT :])
            with contextlib.suppress(OSError, InputError), replacing(self._path) as temporary:
                temporary.write_text(json.dumps(kept), encoding="utf-8")


parsed = Parsed()


@functools.cache
def _module(folder: Path, path: Path) -> tuple[list[Path], str]:
    """What a file of this project imports of it, and its meaning."""
    names, meaning = parsed.of(path)
    offered = folder / PACKAGE / "__init__.py"  # it imports what is asked for, and computes nothing
    return [each for each in _imported(folder, path, names) if each != offered], meaning


def code_digest(path_to_script: str | Path) -> str:
    """Digest of a script and of every module of the core that it imports, directly or not.

    The core is the one beside the script, or else the one that this module is of: a script that
    Snakemake took from git has no core beside it. Where both lie does not count.

    As a rule's parameter it makes Snakemake run the rule anew when the code's meaning changes, and
    only then: comments, docstrings, layout and modification times do not count.
    """
    script = Path(path_to_script)
    folder = script.parent if (script.parent / PACKAGE).is_dir() else CORE.parent
    todo, seen = [script], {}
    while todo:
        path = todo.pop()
        if path not in seen:
            imported, seen[path] = _module(folder, path)
            todo += imported
    parsed.keep()
    place = {script: folder / script.name}
    return _digest(folder, {place.get(path, path): meaning for path, meaning in seen.items()})


def settings_digest(*values: Any) -> str:
    """Digest of plain values: numbers, texts, lists and mappings of them."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def content_digest(path_to_file: str | Path) -> str | None:
    """Digest of a file's size and content, or of blocks spread over a large one.

    None where the file can't be read.

    It is quick for files of any size. Like any sample it can miss a change of a few numbers that
    keeps the size.
    """
    if not os.path.isfile(path_to_file):  # a pipe would be waited for
        return None
    try:
        with open(path_to_file, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            last = size - BLOCK
            found = hashlib.blake2b(str(size).encode(), digest_size=8)
            starts = (
                range(0, size, BLOCK)
                if size <= N_BLOCKS * BLOCK
                else (i * last // N_BLOCKS for i in range(N_BLOCKS + 1))
            )
            for start in starts:
                file.seek(start)
                found.update(file.read(BLOCK))
            return found.hexdigest()
    except OSError:  # whoever needs it says what is wrong
        return None


def _digest(folder: Path, meanings: dict[Path, str]) -> str:
    text = "\n".join(
        f"{os.path.relpath(path, folder)} {meanings[path]}" for path in sorted(meanings)
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _user_code(path_to_file: Path) -> dict[Path, str]:
    """What a user's file, and each that it imports from its own folder, means."""
    folder = path_to_file.parent
    todo, seen = [path_to_file], {}
    while todo:
        path = todo.pop()
        if path in seen or not os.path.isfile(path):
            continue
        try:
            content = path.read_bytes()
        except OSError as error:
            seen[path] = repr(error)
            continue
        try:
            tree = ast.parse(content)
            text = repr(meaning(tree))
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # no Python, or too deep
            seen[path] = repr(content)
            continue
        todo += _imported(folder, path, _names(tree))
        seen[path] = text
    return seen


def imported(path_to_file: Path, statement: ast.stmt) -> list[Path]:
    """Files in the folder of a user's file that a statement of it imports."""
    found = _imported(path_to_file.parent, path_to_file, _names(statement))
    return list(dict.fromkeys(found))


def user_code_digest(path_to_file: str | Path) -> str:
    """Digest of a user's Python file and of those that it imports from its own folder.

    A file that is not there, or is no Python, has a digest too: whoever loads it says what is
    wrong.
    """
    return _digest(Path(path_to_file).parent, _user_code(Path(path_to_file)))


def user_code_files(path_to_file: str | Path) -> list[str]:
    """Paths, from its folder, of a user's Python file and those that it imports from there."""
    folder = Path(path_to_file).parent
    return sorted(
        str(path.relative_to(folder))
        for path in _user_code(Path(path_to_file))
        if path.is_relative_to(folder)
    )
