"""The journal of a part that is being written: a line for each piece, of one process at a time."""

import contextlib
import errno
import fcntl
import json
import logging
import os
import time
from pathlib import Path
from typing import Any

from imnn_core.store.errors import InputError

log = logging.getLogger("imnn")
PATIENCE = 60  # seconds in which another job that writes the same part has to end


class Journal:
    """An open journal, which no other process can open until it is closed."""

    def __init__(self, path: Path):
        """Open it, once another job that is about to end has ended.

        Raises:
            InputError: the other job goes on.

        """
        end, is_said = time.monotonic() + PATIENCE, False
        while True:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
            with contextlib.suppress(FileNotFoundError):  # the other job has just finished
                if self._lock() and os.path.samestat(os.fstat(self._file), os.stat(path)):
                    return
            os.close(self._file)
            if not is_said:
                log.info("waits for another job that writes the same simulations")
            is_said = True
            if time.monotonic() > end:
                raise InputError(f"{path}: expected no other job at work on it, found one")
            time.sleep(0.2)

    def _lock(self) -> bool:
        """Whether the journal is this process's own now."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # a file system without locks
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
        return True

    def begin(self, note: Any) -> None:
        """Forget what is in it; its first line says what the part is."""
        os.ftruncate(self._file, 0)
        self.write(note)

    def mend(self) -> None:
        """Take off a last line that was cut off."""
        content = os.pread(self._file, os.fstat(self._file).st_size, 0)
        os.ftruncate(self._file, content.rfind(b"\n") + 1)

    def write(self, values: Any) -> None:
        """Add a line."""
        os.write(self._file, (json.dumps(values) + "\n").encode())

    def close(self) -> None:
        """Leave it to the next job."""
        os.close(self._file)
