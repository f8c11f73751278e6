"""Files that are written whole or not at all; texts and tables have a checksum beside them."""

import contextlib
import errno
import glob
import hashlib
import os
import re
import shlex
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from imnn_core.store import unchecked
from imnn_core.store.errors import InputError
from imnn_core.store.wording import make_again, shown

MAKE_ROOM = "make room there, or have the results elsewhere (snakemake --directory), and rerun"


def check_room(path: str | Path, n_bytes: int) -> None:
    """Check that the disk has room for a file before it is written.

    Raises:
        InputError: fewer than n_bytes are free in its folder.

    """
    free = shutil.disk_usage(Path(path).parent).free
    if free < n_bytes:
        raise InputError(
            f"{path}: expected {n_bytes} bytes free on the disk, found {free}; {MAKE_ROOM}"
        )


def _is_full(error: Exception) -> bool:
    """Whether the disk or the user's quota is full; h5py says so in its text only."""
    codes = (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "errno", None) in codes or any(
        os.strerror(code) in str(error) for code in codes
    )


@contextlib.contextmanager
def told_if_full(path: str | Path, written: Callable[[], int]) -> Iterator[None]:
    """Turn the error of a full disk into one line.

    Args:
        path: of the file that is written.
        written: how many bytes of it there are.

    Raises:
        InputError: the disk is full.

    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if not _is_full(error):
            raise
        raise InputError(
            f"{path}: no space left on the disk after {written()} bytes; {MAKE_ROOM}"
        ) from None


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write ``path`` under a temporary name; it is renamed when the block ends without an error.

    Raises:
        InputError: the disk is full.

    """
    path, temporary = Path(path), None
    try:
        with told_if_full(path, lambda: temporary.stat().st_size if temporary else 0):
            path.parent.mkdir(parents=True, exist_ok=True)
            for left_by_killed_job in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
                left_by_killed_job.unlink(missing_ok=True)
            handle, name = tempfile.mkstemp(
                prefix=f".{path.name}.", suffix=".part", dir=path.parent
            )
            os.close(handle)
            temporary = Path(name)
            yield temporary
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)  # mkstemp's own mode excludes the group
            os.replace(temporary, path)
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)


def copy_of(source: str | Path, path: str | Path) -> str:
    """Copy a small file to ``path`` unless the same bytes are there already; ``path``."""
    content = Path(source).read_bytes()
    try:
        is_there = Path(path).read_bytes() == content
    except OSError:
        is_there = False
    if not is_there:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    return str(path)


def _beside(path: str | Path) -> Path:
    """Path of a file's checksum, in the format of `sha256sum --check`."""
    return Path(path).parent / f".{Path(path).name}.sha256"


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[Path]:
    """As `replacing`, and write a checksum beside the file."""
    beside = _beside(path)
    if beside.is_dir():
        raise InputError(
            f"{beside}: expected room for the checksum of {path}, found a folder; delete it: "
            f"rm -r {shlex.quote(str(beside))}"
        )
    with replacing(path) as temporary:
        yield temporary
        beside.unlink(missing_ok=True)  # before the file, of which it is no checksum any more
        checksum = hashlib.sha256(temporary.read_bytes()).hexdigest()
    with replacing(beside) as temporary:
        temporary.write_text(f"{checksum}  {Path(path).name}\n", encoding="utf-8")


def remove(path: str | Path) -> None:
    """Remove a file and its checksum, if they exist."""
    for each in (_beside(path), Path(path)):
        each.unlink(missing_ok=True)


def check_regular(path: str | Path) -> None:
    """See that there is a file, and no pipe that nobody writes to.

    Raises:
        OSError: there is something else, or nothing.

    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        found = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise OSError(errno.EINVAL, found)


def _checksum(path: str | Path) -> str | None:
    """The checksum beside a file; None where there is no file of it.

    Raises:
        InputError: it is none.

    """
    beside = _beside(path)
    if not os.path.lexists(beside):
        return None
    try:
        check_regular(beside)
        with open(beside, "rb") as file:
            head = file.read(1000)
        if written := re.match(rb"([0-9a-f]{64})\s", head):
            return written[1].decode()
        found = shown(head.decode("utf-8", "replace")) if head else "nothing"
    except OSError as error:
        found = error.strerror
    raise InputError(
        f"{path}: expected its checksum in {beside}, found {found}; {make_again(beside, path)}"
    )


def read(path: str | Path) -> bytes:
    """Content of a file, compared with the checksum beside it, if there is one.

    Raises:
        InputError: the file is missing, or was changed since it was written.

    """
    try:
        check_regular(path)
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: expected a file, found: {error.strerror}; {make_again(path)}"
        ) from None
    # A link leads to Snakemake's cache, to a file of which this may not be the checksum.
    expected = None if Path(path).is_symlink() else _checksum(path)
    if expected is not None:
        check(path, expected, hashlib.sha256(content).hexdigest(), len(content))
    else:
        unchecked.note(path)
    return content


def check(path: str | Path, expected: str, found: str, n_bytes: int) -> None:
    """Compare two checksums.

    Raises:
        InputError: they differ.

    """
    if found != expected:
        raise InputError(
            f"{path}: expected the bytes that were written (sha256 {expected[:8]}…), found "
            f"{n_bytes} others ({found[:8]}…): it was cut off or changed since; "
            f"{make_again(path)}"
        )
