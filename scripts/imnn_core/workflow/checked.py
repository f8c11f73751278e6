"""What was checked before and had no fault: a start with nothing new need not import jax.

A digest stands for all that a check looks at. Imports no jax.
"""

import ast
import contextlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path

from imnn_core.config.problem import is_file
from imnn_core.config.run import Config
from imnn_core.data.named_sets import Given
from imnn_core.store import files
from imnn_core.store.errors import InputError
from imnn_core.workflow import content, digest
from imnn_core.workflow.requests import Sizes

STAMPS = os.path.join(".snakemake", "imnn", "checked.json")
KEPT = 16  # digests: as many configurations may be used in turn
PACKAGES = ("jax", "jaxlib", "optax", "numpy", "matplotlib", "h5py")
# What a user's file may import, besides its neighbours, and still be known by its code and by the
# packages' versions.
KNOWN = {
    *("imnn_core", "jax", "numpy", "optax", "flax", "equinox"),
    *("math", "functools", "itertools", "operator", "collections", "dataclasses", "typing", "abc"),
    *("enum", "numbers", "__future__"),
}
# Names by which code with these imports may read something, or import more.
READING = {
    *("open", "load", "loads", "loadtxt", "genfromtxt", "fromfile", "memmap", "DataSource"),
    *("eval", "exec", "compile", "__import__", "__builtins__", "__loader__", "globals"),
}


def _is_known_by_its_code(path_to_file: str) -> bool:
    """Whether nothing but its Python files and known packages decide what a user's file is."""
    folder = Path(path_to_file).parent
    names = digest.user_code_files(path_to_file)
    neighbours = {Path(name).parts[0].removesuffix(".py") for name in names}
    for name in names:
        try:
            tree = ast.parse((folder / name).read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            return False
        for node in ast.walk(tree):
            imported = []
            if isinstance(node, ast.Import):
                imported = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported = [node.module]
            if {each.split(".")[0] for each in imported} - KNOWN - neighbours:
                return False
            names_in = {getattr(node, key, None) for key in ("id", "attr", "name")}
            if isinstance(node, ast.Name | ast.Attribute | ast.alias) and names_in & READING:
                return False
    return True


def _version(package: str) -> str | None:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None


def digest_of(
    settings: Config,
    problem: Mapping,
    files: Mapping[str, Given],
    path_to_observed: str | None,
    path_to_style: str,
    *others: object,
) -> str | None:
    """Digest of all that `checks` and `styles.style` look at; None where that can't be told.

    Args:
        settings: the configuration.
        problem: arguments of `load.build`; a user's file is in it with the digest of its code.
        files: what names the user's simulations, by set.
        path_to_observed: the observed data, if any.
        path_to_style: matplotlib's settings.
        others: what else the checks are given, plain values.

    """
    packages = list(PACKAGES)
    if is_file(problem["kind"]):
        if not _is_known_by_its_code(problem["kind"]):
            return None
        packages += ["flax", "equinox"]
    read = {"observed": path_to_observed} if path_to_observed else {}
    return digest.settings_digest(
        settings.model_dump(mode="json"),
        dict(problem),
        {key: [given, content.of_set(given, {})] for key, given in (read | dict(files)).items()},
        digest.content_digest(path_to_style),
        digest.code_digest(digest.CORE / "workflow" / "checks.py"),
        others,
        [platform.python_version(), *map(_version, packages)],
        {name: value for name, value in os.environ.items() if name.startswith("JAX_")},
    )


def _stamps() -> dict:
    """What is remembered, oldest first; nothing, where that can't be read."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(Path(STAMPS).read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def recall(of: str | None) -> Sizes | None:
    """What the memory of the run's jobs depends on, if the same was checked before without a fault.

    Args:
        of: what `digest_of` returned.

    """
    with contextlib.suppress(TypeError):
        return Sizes(*_stamps()[of]) if of in _stamps() else None
    return None


def remember(of: str | None, sizes: Sizes) -> None:
    """Keep what was found of a configuration without a fault, for the next start."""
    if of is None:
        return
    stamps = _stamps()
    stamps.pop(of, None)
    kept = dict(list(stamps.items())[1 - KEPT :]) | {of: sizes}
    with contextlib.suppress(OSError, InputError), files.replacing(STAMPS) as temporary:
        temporary.write_text(json.dumps(kept), encoding="utf-8")
