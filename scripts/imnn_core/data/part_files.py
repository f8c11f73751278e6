"""Parts of a set are written piece by piece, so that an interrupted one is gone on with.

What is done lies in a hidden file beside the part, with a journal of its pieces and their
checksums. The part appears when it is whole. Simulations that other files of the folder have,
finished or not, are taken over and not drawn again.
"""

import contextlib
import hashlib
import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from imnn_core.data import parts
from imnn_core.data.dataset_names import dataset_names
from imnn_core.data.journals import Journal
from imnn_core.data.parts import Part, Range, There
from imnn_core.problems import Problem
from imnn_core.store import heads
from imnn_core.store.errors import InputError
from imnn_core.store.files import check_room
from imnn_core.store.hdf5 import FORMAT, provenance, versions

log = logging.getLogger("imnn")
ARRAYS = ("fiducial", "derivative")
COPIED = 2**23  # bytes that are taken over at a time


def n_units(problem: Problem) -> int:
    """Pieces that a row of derivatives consists of: a numpy simulator's single simulations."""
    return len(problem.columns) if problem.numpy and problem.delta_theta is not None else 1


class Writer:
    """A part that is being written.

    ranges: of each array, units from the first up to the last: rows, but of a numpy simulator's
        derivatives single simulations, row by row.
    missing: of each array, the ranges that are still to be drawn.
    part: its rows.
    dtype: of the numbers; None before the first.
    """

    def __init__(self, path: Path, part: Part, problem: Problem, attributes: dict, made_from: dict):
        """Prepare to write.

        Args:
            path: where the part appears.
            part: its ranges.
            problem: what it is drawn from.
            attributes: of the file.
            made_from: digests by which simulations are known to be the same; all of a folder's
                files with the same ones are of one set.

        """
        unit = n_units(problem)
        self.path, self.part, self.problem = path, part, problem
        self.ranges = {
            "fiducial": (part.first, part.stop),
            "derivative": (part.first * unit, part.d_stop * unit),
        }
        self.missing = {
            name: [each] if each[0] < each[1] else [] for name, each in self.ranges.items()
        }
        self.dtype, self._file, self._offsets = None, None, {}
        self._unit, self._attributes = unit, attributes
        self._made_from = made_from | {"versions": versions(), "unit": unit}
        self._journal = None

    def units(self, name: str) -> int:
        """How many units a row of an array has."""
        return self._unit if name == "derivative" else 1

    def any_unit(self) -> tuple[str, int] | None:
        """Array and number of a unit that is there; None if there is none."""
        for name in ARRAYS:
            left = [self.ranges[name]]
            for gap in self.missing[name]:
                left = parts.without(left, gap)
            for first, stop in left:
                if first < stop:
                    return name, first
        return None

    def n_units(self, name: str) -> int:
        """Units of an array in the part."""
        return self.ranges[name][1] - self.ranges[name][0]

    def n_missing(self, name: str) -> int:
        """Units of an array that are still to be drawn."""
        return sum(b - a for a, b in self.missing[name])

    def _note(self) -> dict[str, Any]:
        """What the part was made from, and where its rows lie."""
        places = {name: [self._offsets[name], *self.ranges[name]] for name in ARRAYS}
        return self._made_from | {"dtype": self.dtype.str} | places

    def _shape(self, name: str) -> tuple[int, ...]:
        first, stop = self.ranges[name]
        if name == "fiducial":
            return (stop - first, *self.problem.input_shape)
        return ((stop - first) // self._unit, *self.problem.stored_shape)

    def row(self, name: str) -> tuple[int, ...]:
        """Shape of one unit of an array."""
        is_single = name == "fiducial" or self._unit > 1
        return self.problem.input_shape if is_single else self.problem.stored_shape

    def _row_bytes(self, name: str) -> int:
        return math.prod(self.row(name)) * self.dtype.itemsize

    def _create(self, dtype: np.dtype) -> None:
        """Begin a new file, with room for all."""
        self.dtype = np.dtype(dtype)
        names = dataset_names(self.problem)
        shapes = {name: self._shape(name) for name in ARRAYS}
        check_room(
            self.path, sum(math.prod(shape) * self.dtype.itemsize for shape in shapes.values())
        )
        unfinished = parts.unfinished(self.path)
        unfinished.unlink(missing_ok=True)
        with h5py.File(unfinished, "w", userblock_size=heads.SIZE) as file:
            file.attrs.update(
                {"kind": "simulations", "format": FORMAT, **provenance(), **self._attributes}
            )
            for name, shape in shapes.items():
                layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
                layout.set_layout(h5py.h5d.CONTIGUOUS)
                layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
                layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
                layout.set_obj_track_times(False)  # the same bytes at any time
                kind = h5py.h5t.py_create(self.dtype, logical=True)
                space = h5py.h5s.create_simple(shape)
                dataset = h5py.h5d.create(file.id, names[name].encode(), kind, space, layout)
                self._offsets[name] = dataset.get_offset() or 0
        self._file = os.open(unfinished, os.O_RDWR)
        self._journal.begin(self._note())

    def _go_on(self, found: There) -> None:
        """Go on with the file that the journal is of, if it is whole but for what is missing."""
        offsets = {name: found.note[name][0] for name in ARRAYS}
        names = dataset_names(self.problem)
        try:
            with h5py.File(found.path, "r") as file:
                there = {name: file[names[name]].id.get_offset() or 0 for name in ARRAYS}
        except Exception:  # its own structures are damaged, as where a machine went down
            there = None
        if there != offsets:
            return
        self.dtype, self._offsets = np.dtype(found.note["dtype"]), offsets
        self._file = os.open(found.path, os.O_RDWR)
        self._journal.mend()
        for name in ARRAYS:
            for piece, checksum in found.pieces[name]:
                if self._checksum(self._file, found.note, name, piece) == checksum:
                    self.missing[name] = parts.without(self.missing[name], piece)

    def _checksum(self, file: int, note: dict, name: str, piece: Range) -> str:
        """Of a piece that lies in an open file."""
        checksum = hashlib.sha256()
        for block in self._blocks(file, note, name, piece):
            checksum.update(block)
        return checksum.hexdigest()

    def _blocks(self, file: int, note: dict, name: str, piece: Range) -> Iterator[bytes]:
        """The bytes of a range of units that lies in an open file."""
        (offset, first, _), n_bytes = note[name], self._row_bytes(name)
        place, end = (offset + (each - first) * n_bytes for each in piece)
        while place < end:
            block = os.pread(file, min(COPIED, end - place), place)
            if not block:
                return  # shorter than its journal says
            yield block
            place += len(block)

    def read(self, name: str, first: int, stop: int) -> np.ndarray:
        """Units of an array that are there, (n, *row)."""
        if self._file is None:
            return np.empty((0, *self.row(name)), np.float32)
        found = b"".join(self._blocks(self._file, self._note(), name, (first, stop)))
        return np.frombuffer(found, self.dtype).reshape(stop - first, *self.row(name))

    def add(self, name: str, first: int, rows: np.ndarray) -> None:
        """Write units of an array from number ``first`` on: (n, *row) or (n, *stored_shape)."""
        if self._file is None:
            self._create(rows.dtype)
        if not np.can_cast(rows.dtype, self.dtype, "safe"):
            raise InputError(f"{self.path}: expected {self.dtype} as before, found {rows.dtype}")
        n = rows.size // math.prod(self.row(name))
        self._add(name, (first, first + n), np.ascontiguousarray(rows, self.dtype).tobytes())

    def _add(self, name: str, piece: Range, content: bytes) -> None:
        offset, begin, _ = self._note()[name]
        place = offset + (piece[0] - begin) * self._row_bytes(name)
        rest = memoryview(content)
        while rest:
            n = os.pwrite(self._file, rest, place)
            rest, place = rest[n:], place + n
        self._journal.write([name, *piece, hashlib.sha256(content).hexdigest()])
        self.missing[name] = parts.without(self.missing[name], piece)

    def _is_same(self, found: There, at_all: bool = False) -> bool:
        """Whether simulations of a file are these; ``at_all``: whether it is of the same set."""
        return all(found.note.get(key) == value for key, value in self._made_from.items()) and (
            at_all or all(found.note[name][1:] == list(self.ranges[name]) for name in ARRAYS)
        )

    def open(self) -> None:
        """Take over what is there: of an interrupted job, or of other parts."""
        self._journal = Journal(parts.journal(self.path))
        others = [
            found
            for found in parts.there(self.path.parent, self.part)
            if self._is_same(found, True)
        ]
        mine = [found for found in others if found.path == parts.unfinished(self.path)]
        if mine and self._is_same(mine[0]) and mine[0].path.exists():
            self._go_on(mine[0])
        for found in others:
            if found not in mine and any(
                parts.common(piece, gap)
                for name in ARRAYS
                for piece, _ in found.pieces[name]
                for gap in self.missing[name]
            ):
                self._take(found)

    def _take(self, found: There) -> None:
        """Copy what is missing of a file."""
        try:
            if found.path.suffix != ".unfinished":
                heads.verify(found.path)
            file = os.open(found.path, os.O_RDONLY)
        except (OSError, InputError) as error:
            log.info("warning: %s is not used: %s", found.path, error)
            return
        if self._file is None:
            self._create(found.note["dtype"])
        n = 0
        with contextlib.closing(os.fdopen(file, "rb")):
            for name in ARRAYS if found.note["dtype"] == self.dtype.str else ():
                for piece, checksum in found.pieces[name]:
                    if checksum and self._checksum(file, found.note, name, piece) != checksum:
                        continue
                    for gap in self.missing[name]:
                        if shared := parts.common(piece, gap):
                            n += shared[1] - shared[0]
                            self._copy(file, found.note, name, shared)
        if n:
            log.info("%d simulations are taken from %s", n, found.path)

    def _copy(self, file: int, note: dict, name: str, piece: Range) -> None:
        step = max(1, COPIED // self._row_bytes(name))
        for first in range(*piece, step):
            block = (first, min(first + step, piece[1]))
            self._add(name, block, b"".join(self._blocks(file, note, name, block)))

    def finish(self) -> None:
        """Let the whole part appear, and remove parts that it contains."""
        if any(self.missing.values()):
            raise ValueError(f"{self.path}: not all of it was drawn: {self.missing}")
        if self._file is None:  # of no simulations at all
            self._create(np.dtype(np.float32))
        heads.seal(parts.unfinished(self.path), self._note())
        kept = parts.kept(self.path)
        os.replace(parts.unfinished(self.path), kept)
        self.path.unlink(missing_ok=True)
        try:
            os.link(kept, self.path)
        except OSError:  # a file system without second names
            os.replace(kept, self.path)
        parts.journal(self.path).unlink(missing_ok=True)
        for found in parts.there(self.path.parent, self.part):
            is_contained = all(
                self.ranges[name][0] <= a and b <= self.ranges[name][1]
                for name in ARRAYS
                for (a, b), _ in found.pieces[name]
                if a < b
            )
            if self._is_same(found, True) and is_contained and found.path not in (self.path, kept):
                found.path.unlink(missing_ok=True)
                if found.path.suffix == ".unfinished":
                    found.path.with_suffix(".journal").unlink(missing_ok=True)

    def close(self) -> None:
        """Leave what was done for the next job."""
        if self._file is not None:
            os.close(self._file)
        if self._journal is not None:
            self._journal.close()

    def n_bytes(self) -> int:
        """Bytes of the unfinished file."""
        path = parts.unfinished(self.path)
        return path.stat().st_size if path.exists() else 0
