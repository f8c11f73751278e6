"""Parts of a set of simulations: ranges of numbers, each in a file of its own. Imports no jax.

Simulation i has the same bits whatever the parts are. A set is a list of parts.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from imnn_core.store import heads
from imnn_core.store.errors import InputError
from imnn_core.store.sizes import PIECE

FORMAT = 1  # of a part, and of how it is drawn; another one draws all simulations anew
MOST_HALVED, MOST_HALVED_IN_NUMPY = 1000, 200  # simulations drawn with half the steps
PER_PART, MOST_BY_DEFAULT = 100_000, 1000  # simulations of a part, and parts of a set
PATTERN = r"\d+-\d+(?:-\d+)?"  # of a part's name
Range = tuple[int, int]  # the first, and the one after the last


class Part(NamedTuple):
    """Simulations from number ``first`` up to ``stop``, and derivatives from it up to ``d_stop``.

    Neither has the one after the last.
    """

    first: int
    stop: int
    d_stop: int

    @property
    def name(self) -> str:
        """Of its file: `0-1000`, or `0-1000-500` where fewer have derivatives."""
        end = "" if self.d_stop == self.stop else f"-{self.d_stop}"
        return f"{self.first}-{self.stop}{end}"

    @classmethod
    def of_name(cls, name: str) -> "Part":
        """The part whose name this is."""
        first, stop, *d_stop = map(int, name.split("-"))
        return cls(first, stop, *(d_stop or [stop]))


def cut(n_s: int, n_d: int, n_per_part: int | None) -> list[Part]:
    """The parts of n_s simulations, n_d of them with derivatives."""
    n_per_part = n_per_part or max(PER_PART, -(-n_s // MOST_BY_DEFAULT))
    edges = [(a, min(a + n_per_part, n_s)) for a in range(0, n_s, n_per_part)]
    return [Part(a, b, min(max(a, n_d), b)) for a, b in edges]


def n_columns_of(delta_theta: list | None) -> int:
    """Simulations of a derivative by finite differences; 0 for exact ones."""
    return sum(len(step) if isinstance(step, list) else 2 for step in delta_theta or [])


def n_of_part(part: Part, n_columns: int) -> int:
    """Simulations of a part, those at shifted parameters too."""
    return part.stop - part.first + (part.d_stop - part.first) * n_columns


def n_halved(n_test: int, n_numbers: int, n_columns: int, is_numpy: bool) -> int:
    """Simulations of the test set that have derivatives by half the steps as well.

    Args:
        n_test: of the set.
        n_numbers: of a simulation.
        n_columns: simulations in a derivative.
        is_numpy: whether each one costs.

    """
    n_bytes = 4 * n_numbers * (1 + n_columns)
    most = MOST_HALVED_IN_NUMPY if is_numpy else MOST_HALVED
    return int(max(2, min(n_test, most, PIECE // n_bytes)))


def in_time(seconds: float) -> str:
    """A time in words: `40 s`, `12 min`, `3.4 h`, `5.1 days`."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.0f} s"


def without(ranges: list[Range], gone: Range) -> list[Range]:
    """What is left of ranges without one."""
    left = []
    for a, b in ranges:
        left += [(a, min(b, gone[0])), (max(a, gone[1]), b)]
    return [(a, b) for a, b in left if a < b]


def common(one: Range, other: Range) -> Range | None:
    """What two ranges have in common."""
    a, b = max(one[0], other[0]), min(one[1], other[1])
    return (a, b) if a < b else None


def kept(path: str | Path) -> Path:
    """A second name of a whole part, until Snakemake has noted that it is made."""
    return Path(path).parent / f".{Path(path).name}.kept"


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
    pieces: of each array, ranges of units (see `Part` and `part_files`), each with a checksum, or
        None where the whole file has one.
    """

    path: Path
    note: dict[str, Any]
    pieces: dict[str, list[tuple[Range, str | None]]]


def _of_journal(path: Path) -> There | None:
    """What a journal says; its last line may have been cut off."""
    of = path.parent / path.name.removesuffix(".journal")
    lines = path.read_text(encoding="utf-8").splitlines()
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    if not found or not {"fiducial", "derivative", "dtype"} <= set(found[0]):
        return None
    pieces = {"fiducial": [], "derivative": []}
    for name, first, stop, checksum in found[1:]:
        pieces[name].append(((first, stop), checksum))
    return There(of.parent / f"{of.name}.unfinished", found[0], pieces)


def _may_have(name: str, part: Part) -> bool:
    """Whether a file of this name may have simulations of a part."""
    of_part = re.match(rf"\.?({PATTERN})\.h5", name)
    if of_part is None:
        return True
    first, *ends = Part.of_name(of_part[1])
    return first < max(part.stop, part.d_stop) and max(ends) > part.first


def there(folder: str | Path, part: Part) -> Iterator[There]:
    """Files that may have simulations of a part, finished or not; without those that are broken."""
    folder = Path(folder)
    if not folder.is_dir():
        return
    for name in sorted(os.listdir(folder)):
        path = folder / name
        if not _may_have(name, part):
            continue
        try:
            if re.fullmatch(r"\..+\.journal", name):
                found = _of_journal(path)
            elif name.endswith((".h5", ".kept")) and not name.endswith(".part"):
                note = heads.read(path).note
                found = note and There(
                    path,
                    note,
                    {each: [(tuple(note[each][1:]), None)] for each in ("fiducial", "derivative")},
                )
            else:
                continue
        except (OSError, InputError, ValueError, KeyError, TypeError):
            continue
        if found:
            yield found
