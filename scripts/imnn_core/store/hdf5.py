"""HDF5 files, with provenance and a checksum by which they are known when they are read, and fits in them."""

import contextlib
import hashlib
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import h5py
from imnn_core.store.errors import InputError
from imnn_core.store.files import check, make_again, replacing

FORMAT = 2  # of the files written here; a reader refuses another
HEAD, MARK = (
    512,
    b"sha256 of what follows these 512 bytes: ",
)  # HDF5 leaves a file's first bytes to its user


def provenance() -> dict[str, str]:
    """Versions of what computes the numbers."""
    packages = ("jax", "jaxlib", "optax", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


@contextlib.contextmanager
def writing(path: str | Path, kind: str, attributes: dict) -> Iterator[h5py.File]:
    """A new file of this kind, which is there once the context ends without an error."""
    with replacing(path) as temporary:
        with h5py.File(temporary, "w", userblock_size=HEAD) as file:
            file.attrs.update({"kind": kind, "format": FORMAT, **provenance(), **attributes})
            yield file
        seal(temporary)


def _head(checksum: bytes) -> bytes:
    return (MARK + checksum + b"\n").ljust(HEAD, b"\0")


def seal(path: str | Path) -> None:
    """Write the checksum of an HDF5 file into its first bytes."""
    with open(path, "r+b") as file:
        file.seek(HEAD)
        written = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        file.write(_head(written.encode()))


def checksum(path: str | Path) -> str:
    """The checksum that stands in an HDF5 file's first bytes.

    Raises:
        InputError: there is none.

    """
    with as_input_errors(path), open(path, "rb") as file:
        head = file.read(HEAD)
    written = head.removeprefix(MARK).partition(b"\n")[0]
    if head != _head(written):
        raise InputError(
            f"{path}: expected a whole file of this pipeline, found one without its checksum; "
            f"{make_again(path)}"
        )
    return written.decode("ascii", "replace")


def verify(path: str | Path) -> None:
    """See that an HDF5 file is as it was written; reads it once.

    Raises:
        InputError: it is not, or was not written here.

    """
    expected = checksum(path)
    with as_input_errors(path), open(path, "rb") as file:
        file.seek(HEAD)
        check(path, expected, hashlib.file_digest(file, "sha256").hexdigest(), file.tell())


@contextlib.contextmanager
def as_input_errors(path: str | Path) -> Iterator[None]:
    """What h5py says of a broken file, in a line."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: expected a whole HDF5 file, found: {error}; {make_again(path)}"
        ) from None
    except KeyError as error:
        raise InputError(
            f"{path}: expected a dataset that is not there: {error.args[0]}; {make_again(path)}"
        ) from None


def opened(path: str | Path, *kinds: str) -> h5py.File:
    """A file of one of these kinds, to be read.

    Raises:
        InputError: the file is not as it was written, or of another kind.

    """
    verify(path)
    with as_input_errors(path), contextlib.ExitStack() as stack:
        file = stack.enter_context(h5py.File(path, "r"))
        found = (file.attrs.get("kind"), file.attrs.get("format"))
        if found[0] not in kinds or found[1] != FORMAT:
            expected = f"a file of kind {' or '.join(map(repr, kinds))}, format {FORMAT}"
            raise InputError(
                f"{path}: expected {expected}, found {found[0]!r}, {found[1]}; {make_again(path)}"
            )
        stack.pop_all()
        return file
