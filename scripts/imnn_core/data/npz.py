"""Arrays in npz files, whose headers are compared with what follows them; pickles are refused."""

import math
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

READERS = {(1, 0): "read_array_header_1_0", (2, 0): "read_array_header_2_0"}


def header_of(member) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether the order is Fortran's, and dtype, from the beginning of an npy file."""
    version = np.lib.format.read_magic(member)
    if version not in READERS:
        raise ValueError(f"npy format {version}, which has named fields")
    shape, is_fortran, dtype = getattr(np.lib.format, READERS[version])(member)
    if dtype.hasobject:
        raise ValueError("objects of Python, a pickle, which is not read")
    return shape, is_fortran, dtype


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    found = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name in found:
            raise ValueError(f"{name} twice in it")
        found[name] = info
    return found


def headers(
    path: str | Path, is_wanted: Callable[[str], bool]
) -> dict[str, tuple[tuple[int, ...], np.dtype] | Exception | None]:
    """Shape and dtype of each array of an npz file, or what is wrong with it.

    None for arrays that are not wanted.
    """
    found = {}
    with zipfile.ZipFile(path) as archive:
        for name, info in _members(archive).items():
            found[name] = None
            if is_wanted(name):
                try:
                    with archive.open(info) as member:
                        shape, _, dtype = header_of(member)
                        expected = math.prod(shape) * dtype.itemsize
                        rest = info.file_size - member.tell()
                    if rest != expected:
                        raise ValueError(f"{rest} bytes of {expected} for the shape {shape}")
                    found[name] = shape, dtype
                except Exception as error:  # whatever the library raises
                    found[name] = error
    return found


def load(path: str | Path, name: str) -> np.ndarray:
    """One array of an npz file, read to its end, where its checksum is compared."""
    with zipfile.ZipFile(path) as archive, archive.open(_members(archive)[name]) as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
        member.read(1)
        return array
