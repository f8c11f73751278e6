"""Results that are read without a checksum, since they were copied without it, or changed."""

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from imnn_core.store.errors import InputError, in_a_line
from imnn_core.store.wording import make_again

log = logging.getLogger("imnn")
_NOTED: list[dict[str, None]] = []  # paths, for each `named` on its way


def note(path: str | Path) -> None:
    """Note that a file is read without a checksum."""
    if _NOTED:
        _NOTED[-1][str(path)] = None


@contextlib.contextmanager
def named() -> Iterator[None]:
    """Around what uses results, as a decorator, so that an error names those without a checksum.

    A result may have been copied without its checksum, and is used. It may also have been changed.

    Raises:
        InputError: any error but one of the system, after such a result was read.

    """
    found: dict[str, None] = {}
    _NOTED.append(found)
    try:
        yield
    except (InputError, OSError):
        raise
    except Exception as error:
        if not found:
            raise
        which = "the result as it was written, found one without its checksum that"
        if len(found) > 1:
            which = f"the results as they were written, found {len(found)} without their "
            which += "checksums, of which one"
        raise InputError(
            f"{_listed(found)}: expected {which} can't be used ({in_a_line(error)}); "
            f"{make_again(*found)}"
        ) from error
    finally:
        _NOTED.pop()
    if copied := [path for path in found if not os.path.islink(path)]:
        log.info(
            "warning: %s: read without a checksum, so that a change would not be noticed; it lies "
            "beside the file as .NAME.sha256",
            _listed(copied),
        )


def _listed(paths: Iterable[str]) -> str:
    paths = list(paths)
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(paths[:3]) + more
