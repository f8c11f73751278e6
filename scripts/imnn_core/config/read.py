"""The configuration as it is read: checked, with its defaults, or refused with a line per fault.

Imports no jax, and no yaml: it walks nodes that another has composed.
"""

import contextlib
import glob
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from imnn_core.config import messages, plain
from imnn_core.config.problem import is_file
from imnn_core.config.run import Config
from imnn_core.store.errors import InputError
from pydantic import ValidationError


def read_config(values: dict) -> Config:
    """The configuration, checked and with its defaults filled in.

    Raises:
        InputError: one line per fault; those between keys come once each key is right by itself.

    """
    values, lines = plain.checked(values)
    try:
        found = Config.model_validate(values)
    except ValidationError as error:
        lines += messages.lines(error.errors(), Config)
    if lines:
        raise InputError(*lines)
    return found


def repeated_keys(root: Any, path: str) -> list[str]:
    """A line for each key that stands twice in a mapping; YAML takes the last one and says nothing.

    Args:
        root: the node that `yaml.compose` returns; None, of an empty file.
        path: of the file, for the lines.

    """
    seen = set()

    def walk(node: Any, where: list[str]) -> Iterator[str]:
        if id(node) in seen:  # by an alias
            return
        seen.add(id(node))
        if node.id == "sequence":
            for i, item in enumerate(node.value):
                yield from walk(item, [*where, str(i)])
        if node.id == "mapping":
            first = {}
            for key, value in node.value:
                name, line = str(key.value), key.start_mark.line + 1
                key_in_words, same = ".".join([*where, name]), name
                if plain.is_of_offsets(where):  # 0.1 and 0.10 are one number, and one key
                    with contextlib.suppress(ValueError):
                        same = float(name)
                if same in first:
                    lines = f"lines {first[same]} and {line} of {path}"
                    yield f"{key_in_words}: expected once, found it in {lines}"
                first.setdefault(same, line)
                yield from walk(value, [*where, name])

    return [] if root is None else list(walk(root, []))


def found(path: str, own: Callable[[str], str | None]) -> str:
    """A path of the configuration: from the working directory, or else a file of this project.

    Args:
        path: as the configuration has it; it may be a pattern.
        own: where a file or folder of this project lies, by its path in it; None if there is none.

    """
    if os.path.exists(path):
        return path
    if glob.has_magic(path) and not any(glob.iglob(path, recursive=True)):
        parts = Path(path).parts
        n = next(i for i, part in enumerate(parts) if glob.has_magic(part))
        pattern = (
            n and (folder := own(os.path.join(*parts[:n]))) and os.path.join(folder, *parts[n:])
        )
        if pattern and any(glob.iglob(pattern, recursive=True)):
            return pattern
    return own(path) or path


def problem_of(
    settings: Config, own: Callable[[str], str | None], digest: Callable[[str], str]
) -> dict:
    """What the scripts need to know of the problem: the arguments of `problems.load.build`.

    Args:
        settings: the configuration.
        own: see `found`.
        digest: of a user's Python file, by what its code means.

    """
    is_own = is_file(settings.problem)
    path = found(settings.problem, own) if is_own else settings.problem
    differences, delta_theta = {}, settings.delta_theta
    if settings.parameters is None and settings.files and settings.named_offsets:
        delta_theta = settings.files.offsets  # by names, whose order only the problem knows
    if settings.delta_theta is not None:
        differences = {
            "of_summaries": settings.derivative == "finite_difference_of_summaries",
            "from_files": settings.files is not None,
        }
    return {
        "kind": path,
        "theta_fid": settings.theta_fid,
        "input_shape": settings.input_shape,
        "names": settings.names,
        "delta_theta": delta_theta,
        **differences,
        "code": digest(path) if is_own else None,
    }
