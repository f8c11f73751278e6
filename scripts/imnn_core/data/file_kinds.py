"""What a file is that should hold arrays, by its kind and its first bytes."""

import contextlib
import os
from pathlib import Path

import h5py
from imnn_core.data.links import is_regular
from imnn_core.store.wording import shown

# First bytes of files that people have, which are none of these.
OTHERS = {
    b"SIMPLE  =": "a FITS file",
    b"\x1f\x8b": "a gzip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"CDF": "a NetCDF 3 file",
    b"MATLAB": "a MATLAB file",
    b"PAR1": "a Parquet file",
    b"\x89PNG": "a picture",
    b"%PDF": "a PDF file",
    b"\x89HDF": "an HDF5 file whose beginning is damaged",
    b"\x93NUMPY": "an npy file, which has one array without a name; see docs/files.md",
}


def what_is_there(path: Path, takes_npy: bool) -> str | None:
    """Why a path is no file of arrays, as far as its kind and its first bytes tell."""
    if not is_regular(path):
        try:
            os.stat(path)
        except FileNotFoundError:
            return "none there"
        except (OSError, ValueError) as error:
            return getattr(error, "strerror", None) or str(error)
        return "a folder" if path.is_dir() else "a pipe or a device, which would be waited for"
    with open(path, "rb") as file:
        head = file.read(512)
    is_npy = head.startswith(b"\x93NUMPY")
    if head.startswith((b"PK\3\4", b"PK\5\6")) or (is_npy and takes_npy) or h5py.is_hdf5(path):
        return None
    if not head:
        return "an empty file"
    known = next((what for start, what in OTHERS.items() if head.startswith(start)), None)
    if known:
        return known
    if head[:1] == b"\x80" and head[1:2] in b"\2\3\4\5":
        return "a pickle, which is not read"
    with contextlib.suppress(UnicodeDecodeError):
        text = head[:-4].decode("utf-8") if len(head) == 512 else head.decode("utf-8")
        if all(c.isprintable() or c.isspace() for c in text):
            return f"a text file that begins with {shown(text[:20])}"
    return "something else"
