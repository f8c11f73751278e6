"""Parts of a set are written piece by piece, so that an interrupted one is gone on with.

What is done lies in a hidden file beside the part, with a journal of its pieces and their
checksums. The part appears when it is whole. Simulations that other files of the folder have,
finished or not, are taken over and not drawn again.
"""

import hashlib
import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from imnn_core.data import drawn_files, part_layout
from imnn_core.data.drawn_files import ARRAYS, There
from imnn_core.data.journals import Journal
from imnn_core.data.part_layout import Layout
from imnn_core.data.ranges import Range, common, listed, total, without
from imnn_core.store import heads
from imnn_core.store.errors import InputError
from imnn_core.store.files import check_room
from imnn_core.store.hdf5 import versions

log = logging.getLogger("imnn")
COPIED = 2**23  # bytes that are taken over at a time


class Writer:
    """A part that is being written.

    layout: of the part.
    missing: of each array, the ranges of units that are still to be drawn.
    """

    def __init__(self, path: Path, layout: Layout, attributes: dict, made_from: dict):
        """Prepare to write.

        Args:
            path: where the part appears.
            layout: of the part.
            attributes: of the file.
            made_from: digests by which simulations are known to be the same; all of a folder's
                files with the same ones are of one set.

        """
        self.path, self.layout = path, layout
        self.missing = {name: listed(layout.range_of(name)) for name in ARRAYS}
        self._attributes, self._journal, self._file = attributes, None, None
        self._made_from = made_from | {
            "versions": versions(),
            "unit": layout.units("derivative"),
        }
        self._note: dict[str, Any] = {}  # of the file: what it was made from, where its rows lie

    def there(self, name: str) -> list[Range]:
        """Ranges of units of an array that are there."""
        left = listed(self.layout.range_of(name))
        for gap in self.missing[name]:
            left = without(left, gap)
        return left

    def _create(self, dtype: np.dtype) -> None:
        """Begin a new file, with room for all."""
        check_room(self.path, self.layout.n_bytes(dtype))
        unfinished = drawn_files.unfinished(self.path)
        unfinished.unlink(missing_ok=True)
        offsets = part_layout.create(unfinished, self.layout, dtype, self._attributes)
        places = {name: [offsets[name], *self.layout.range_of(name)] for name in ARRAYS}
        self._note = self._made_from | {"dtype": dtype.str} | places
        self._file = os.open(unfinished, os.O_RDWR)
        self._journal.begin(self._note)

    def _go_on(self, found: There) -> None:
        """Go on with the file that the journal is of, if it is whole but for what is missing."""
        offsets = part_layout.offsets_in(found.path, self.layout) or {}
        places = {name: [offset, *self.layout.range_of(name)] for name, offset in offsets.items()}
        if places != {name: found.note[name] for name in ARRAYS}:
            return
        self._note, self._file = found.note, os.open(found.path, os.O_RDWR)
        self._journal.mend()
        for name in ARRAYS:
            for piece, checksum in found.pieces[name]:
                if self._checksum(self._file, found.note, name, piece) == checksum:
                    self.missing[name] = without(self.missing[name], piece)

    def _unit_bytes(self, name: str) -> int:
        return math.prod(self.layout.unit(name)) * np.dtype(self._note["dtype"]).itemsize

    def _checksum(self, file: int, note: dict, name: str, piece: Range) -> str:
        """Of a piece that lies in an open file."""
        checksum = hashlib.sha256()
        for block in self._blocks(file, note, name, piece):
            checksum.update(block)
        return checksum.hexdigest()

    def _blocks(self, file: int, note: dict, name: str, piece: Range) -> Iterator[bytes]:
        """The bytes of a range of units that lies in an open file."""
        (offset, first, _), n_bytes = note[name], self._unit_bytes(name)
        place, end = (offset + (each - first) * n_bytes for each in piece)
        while place < end and (block := os.pread(file, min(COPIED, end - place), place)):
            yield block  # fewer, where the file is shorter than its journal says
            place += len(block)

    def read(self, name: str, first: int, stop: int) -> np.ndarray:
        """Units of an array that are there, (n, *unit)."""
        found = b"".join(self._blocks(self._file, self._note, name, (first, stop)))
        return np.frombuffer(found, self._note["dtype"]).reshape(-1, *self.layout.unit(name))

    def add(self, name: str, first: int, rows: np.ndarray) -> None:
        """Write units of an array from number ``first`` on: (n, *unit) or (n, *stored_shape)."""
        if self._file is None:
            self._create(rows.dtype)
        dtype = np.dtype(self._note["dtype"])
        if not np.can_cast(rows.dtype, dtype, "safe"):
            raise InputError(f"{self.path}: expected {dtype} as before, found {rows.dtype}")
        n = rows.size // math.prod(self.layout.unit(name))
        self._add(name, (first, first + n), np.ascontiguousarray(rows, dtype).tobytes())

    def _add(self, name: str, piece: Range, content: bytes) -> None:
        offset, begin, _ = self._note[name]
        place = offset + (piece[0] - begin) * self._unit_bytes(name)
        rest = memoryview(content)
        while rest:
            n = os.pwrite(self._file, rest, place)
            rest, place = rest[n:], place + n
        self._journal.write([name, *piece, hashlib.sha256(content).hexdigest()])
        self.missing[name] = without(self.missing[name], piece)

    def _is_of_set(self, found: There) -> bool:
        """Whether a file has simulations of this set."""
        return all(found.note.get(key) == value for key, value in self._made_from.items())

    def open(self) -> None:
        """Take over what is there: of an interrupted job, or of other parts."""
        self._journal = Journal(drawn_files.journal(self.path))
        mine = drawn_files.unfinished(self.path)
        others = []
        for found in drawn_files.there(self.path.parent, self.layout.part):
            if self._is_of_set(found) and found.path != mine:
                others.append(found)
            elif self._is_of_set(found):
                self._go_on(found)
        for found in others:
            self._take(found)

    def _shared(self, found: There, name: str) -> Iterator[tuple[Range, str | None, Range]]:
        """Pieces of a file that are missing here: the piece, its checksum, what is missing of it.

        From one file to the next, less is.
        """
        for piece, checksum in found.pieces[name]:
            for gap in self.missing[name]:
                if shared := common(piece, gap):
                    yield piece, checksum, shared

    def _take(self, found: There) -> None:
        """Copy what is missing here of another file."""
        if not any(any(self._shared(found, name)) for name in ARRAYS):
            return
        try:
            if found.path.suffix != ".unfinished":
                heads.verify(found.path)
            file = open(found.path, "rb")
        except (OSError, InputError) as error:
            log.info("warning: %s is not used: %s", found.path, error)
            return
        if self._file is None:
            self._create(np.dtype(found.note["dtype"]))
        with file:
            n = 0
            for name in ARRAYS if found.note["dtype"] == self._note["dtype"] else ():
                for piece, checksum, shared in list(self._shared(found, name)):
                    if checksum in (None, self._checksum(file.fileno(), found.note, name, piece)):
                        self._copy(file.fileno(), found.note, name, shared)
                        n += total([shared])
        if n:
            log.info("%d simulations are taken from %s", n, found.path)

    def _copy(self, file: int, note: dict, name: str, piece: Range) -> None:
        step = max(1, COPIED // self._unit_bytes(name))
        for first in range(*piece, step):
            block = (first, min(first + step, piece[1]))
            self._add(name, block, b"".join(self._blocks(file, note, name, block)))

    def finish(self) -> None:
        """Let the whole part appear, and remove parts that it contains."""
        if any(self.missing.values()):
            raise ValueError(f"{self.path}: not all of it was drawn: {self.missing}")
        heads.seal(drawn_files.unfinished(self.path), self._note)
        kept = drawn_files.kept(self.path)
        os.replace(drawn_files.unfinished(self.path), kept)
        self.path.unlink(missing_ok=True)
        try:
            os.link(kept, self.path)
        except OSError:  # a file system without second names
            os.replace(kept, self.path)
        drawn_files.journal(self.path).unlink(missing_ok=True)
        for found in drawn_files.there(self.path.parent, self.layout.part):
            is_contained = not any(
                without([piece], self.layout.range_of(name))
                for name in ARRAYS
                for piece, _ in found.pieces[name]
            )
            if self._is_of_set(found) and is_contained and found.path not in (self.path, kept):
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
        path = drawn_files.unfinished(self.path)
        return path.stat().st_size if path.exists() else 0
