"""HDF5 files with provenance and a checksum, which is verified whenever one is read."""

import contextlib
import hashlib
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import h5py
from imnn_core.store import heads
from imnn_core.store.errors import InputError, in_a_line
from imnn_core.store.files import make_again, replacing

FORMAT = 2  # of the files written here; readers refuse any other


def provenance() -> dict[str, str]:
    """Versions of Python and of the packages that compute the numbers."""
    packages = ("jax", "jaxlib", "optax", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def versions() -> str:
    """Digest of the versions on which the bits of simulations depend."""
    found = {name: version for name, version in provenance().items() if name != "optax"}
    return hashlib.sha256(repr(found).encode()).hexdigest()[:8]


@contextlib.contextmanager
def writing(path: str | Path, kind: str, attributes: dict) -> Iterator[h5py.File]:
    """Write a new file of this kind; it appears when the block ends without an error."""
    with replacing(path) as temporary:
        with h5py.File(temporary, "w", userblock_size=heads.SIZE) as file:
            file.attrs.update({"kind": kind, "format": FORMAT, **provenance(), **attributes})
            yield file
        heads.seal(temporary)


def checksum(path: str | Path) -> str:
    """The checksum in the first bytes of an HDF5 file.

    Raises:
        InputError: the file has none.

    """
    with as_input_errors(path):
        return heads.read(path).checksum


def verify(path: str | Path) -> heads.Head:
    """Verify the checksum of an HDF5 file, which is read once; its head.

    Raises:
        InputError: the file was changed, or not written by this project.

    """
    with as_input_errors(path):
        return heads.verify(path)


@contextlib.contextmanager
def as_input_errors(path: str | Path) -> Iterator[None]:
    """Turn an error of h5py, or about what it read, into one line on a broken file."""
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        raise InputError(
            f"{path}: expected a whole HDF5 file, found: {error}; {make_again(path)}"
        ) from None
    except KeyError as error:
        raise InputError(
            f"{path}: expected a dataset that is not there: {error.args[0]}; {make_again(path)}"
        ) from None
    except Exception as error:  # of whatever a damaged file makes h5py, numpy or their caller raise
        raise InputError(
            f"{path}: expected a whole HDF5 file, found one that can't be used "
            f"({in_a_line(error)}); {make_again(path)}"
        ) from error


def opened(path: str | Path, *kinds: str) -> h5py.File:
    """Open a file of one of these kinds for reading.

    Raises:
        InputError: the file was changed since it was written, or is of another kind.

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
