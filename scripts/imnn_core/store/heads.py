"""The first 512 bytes of an HDF5 file of this project: a checksum of the rest, and a note.

HDF5 leaves these bytes to its user, and they are read without it.
"""

import hashlib
import json
import mmap
import os
import re
import stat
import threading
from pathlib import Path
from typing import Any, NamedTuple

from imnn_core.store.errors import InputError
from imnn_core.store.files import check, check_regular
from imnn_core.store.wording import make_again

SIZE, MARK = 512, b"sha256 of what follows these 512 bytes: "


class Head(NamedTuple):
    """checksum: of what follows the head. note: plain values, or None."""

    checksum: str
    note: Any = None


def _bytes(head: Head) -> bytes:
    found = MARK + head.checksum.encode() + b"\n"
    if head.note is not None:
        text = json.dumps(head.note).encode()
        found += text + b" " + hashlib.sha256(text).hexdigest()[:16].encode() + b"\n"
    if len(found) > SIZE:
        raise ValueError(f"a note of {len(found)} bytes")
    return found.ljust(SIZE, b"\0")


_HEAD = re.compile(re.escape(MARK) + rb"([0-9a-f]{64})\n(?:(.+) ([0-9a-f]{16})\n)?\0*")
BLOCK, _OF_THREAD = 2**20, threading.local()  # bytes that are read at a time


def of_bytes(content: bytes) -> Head | None:
    """The head that these bytes are, or None."""
    match = _HEAD.fullmatch(content) if len(content) == SIZE else None
    if match is None:
        return None
    checksum, text, of_text = match.groups()
    if text is None:
        return Head(checksum.decode())
    if hashlib.sha256(text).hexdigest()[:16].encode() != of_text:
        return None
    return Head(checksum.decode(), json.loads(text.decode()))


def _known(path: str | Path, head: Head | None) -> Head:
    if head is None:
        raise InputError(
            f"{path}: expected a whole file of this pipeline, found one without its checksum; "
            f"{make_again(path)}"
        )
    return head


def read(path: str | Path) -> Head:
    """The head of a file.

    Raises:
        InputError: it has none.
        OSError: it can't be read.

    """
    check_regular(path)
    with open(path, "rb") as file:
        return _known(path, of_bytes(file.read(SIZE)))


def seal(path: str | Path, note: Any = None) -> None:
    """Write the checksum of a file into its first bytes, with a note of at most 400.

    If it is None, the note that is there stays.
    """
    with open(path, "r+b") as file:
        before = of_bytes(file.read(SIZE))
        note = before.note if note is None and before is not None else note
        file.seek(SIZE)
        head = Head(hashlib.file_digest(file, "sha256").hexdigest(), note)
        file.seek(0)
        file.write(_bytes(head))


def _block() -> memoryview:
    """Room for what is read at a time, one for each thread.

    Where it is new each time, or does not begin with a page, reading costs ten times as much.
    """
    if not hasattr(_OF_THREAD, "block"):
        _OF_THREAD.block = memoryview(mmap.mmap(-1, BLOCK))
    return _OF_THREAD.block


def verify(path: str | Path) -> Head:
    """The head of a file that is as it was written; reads it once. See `verified`."""
    return verified(path)[0]


def verified(path: str | Path) -> tuple[Head, os.stat_result]:
    """The head of a file that is as it was written, and what the system says of it.

    The file is read once, by few calls of the system: a set may have thousands.

    Raises:
        InputError: it was changed, or not written by this project.
        OSError: it can't be read.

    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # of a pipe without waiting
    try:
        state = os.fstat(file)
        if not stat.S_ISREG(state.st_mode):
            check_regular(path)  # says what it is
        block = _block()
        n = os.readv(file, [block])
        head = _known(path, of_bytes(bytes(block[: min(n, SIZE)])))
        found, place = hashlib.sha256(block[SIZE:n]), n
        while place < state.st_size and (n := os.readv(file, [block])):
            found.update(block[:n])
            place += n
    finally:
        os.close(file)
    check(path, head.checksum, found.hexdigest(), place)
    return head, state
