"""Files of a set's folder that have simulations: parts, and what was begun of them.

Imports no jax.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from imnn_core.data.parts import PATTERN, Part
from imnn_core.data.ranges import Range
from imnn_core.store import heads
from imnn_core.store.errors import InputError

ARRAYS = ("fiducial", "derivative")  # of a part


def kept(path: str | Path) -> Path:
    """A second name of a whole part, until Snakemake has noted that it is made."""
    return Path(path).parent / f".{Path(path).name}.kept"


def whole(folder: Path) -> list[Path]:
    """The whole parts of a folder, by whatever names."""
    return [path for path in folder.glob("*") if path.suffix in (".h5", ".kept")]


def forget(paths: Iterable[str | Path]) -> None:
    """Remove the second names of parts; a folder that can't be written keeps them."""
    folders: dict[str, set[str]] = {}
    for path in paths:
        folder, name = os.path.split(path)
        folders.setdefault(folder, set()).add(f".{name}.kept")
    for folder, names in folders.items():
        with contextlib.suppress(OSError):
            for name in names.intersection(os.listdir(folder or ".")):
                os.unlink(os.path.join(folder, name))


def unfinished(path: str | Path) -> Path:
    """Where a part is written, piece by piece."""
    return Path(path).parent / f".{Path(path).name}.unfinished"


def journal(path: str | Path) -> Path:
    """Which pieces of it are there."""
    return Path(path).parent / f".{Path(path).name}.journal"


class There(NamedTuple):
    """A file with simulations that are done.

    note: of its part: what it was made from, and where the rows lie.
    pieces: of each array, ranges of units (see `part_layout`), each with a checksum, or None where
        the whole file has one.
    """

    path: Path
    note: dict[str, Any]
    pieces: dict[str, list[tuple[Range, str | None]]]


def _of_journal(path: Path) -> There | None:
    """What a journal says; its last line may have been cut off."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    if not found or not {*ARRAYS, "dtype"} <= set(found[0]):
        return None
    pieces = {name: [] for name in ARRAYS}
    for name, first, stop, checksum in found[1:]:
        pieces[name].append(((first, stop), checksum))
    return There(path.with_suffix(".unfinished"), found[0], pieces)


def _of_whole(path: Path) -> There | None:
    """What a part's head says."""
    note = heads.read(path).note
    return note and There(path, note, {name: [(tuple(note[name][1:]), None)] for name in ARRAYS})


def _may_have(name: str, part: Part) -> bool:
    """Whether a file of this name may have simulations of a part."""
    of_part = re.match(rf"\.?({PATTERN})\.h5", name)
    if of_part is None:
        return True
    first, *ends = Part.of_name(of_part[1])
    return first < max(part.stop, part.d_stop) and max(ends) > part.first


def there(folder: str | Path, part: Part) -> Iterator[There]:
    """Files that may have simulations of a part, finished or not; without those that are broken."""
    readers = {".journal": _of_journal, ".h5": _of_whole, ".kept": _of_whole}
    for path in sorted(Path(folder).glob("*")):
        if path.suffix in readers and _may_have(path.name, part):
            with contextlib.suppress(OSError, InputError, ValueError, KeyError, TypeError):
                if found := readers[path.suffix](path):
                    yield found
