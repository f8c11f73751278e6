"""A progress bar on the terminal."""

import contextlib
import fcntl
import os


class Bar:
    """One line at the bottom of the terminal, if there is one and no other job has that line."""

    def __init__(self, terminal: int, name: str):
        self._name, self._terminal, self._is_mine = name, None, False
        self._output = terminal  # also where it is a file or a pipe
        if os.isatty(terminal):
            # Opened anew, since jobs would share a lock on what they inherited.
            with contextlib.suppress(OSError):
                self._terminal = os.open(os.ttyname(terminal), os.O_WRONLY | os.O_NOCTTY)

    def __enter__(self):
        if self._terminal is not None:
            with contextlib.suppress(OSError):  # another job has the line
                fcntl.flock(self._terminal, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._is_mine = True
        return self

    def __exit__(self, *_):
        self._write("")
        if self._terminal is not None:
            os.close(self._terminal)

    def _write(self, text: str) -> None:
        if self._is_mine:
            try:
                columns = os.get_terminal_size(self._terminal).columns or 80
                os.write(self._terminal, f"\r\033[K{text[: columns - 1]}".encode())
            except OSError:  # the terminal was closed
                self._is_mine = False

    def show(self, done: int, end: int, text: str) -> None:
        """Draw the bar at ``done`` of ``end``, followed by a text."""
        filled = round(20 * done / end)
        self._write(f"{self._name} [{'#' * filled}{'-' * (20 - filled)}] {done}/{end}  {text}")

    def say(self, text: str) -> None:
        """Write a line where Snakemake itself writes, in place of the bar."""
        self._write("")
        with contextlib.suppress(OSError):  # the terminal was closed; the log has it, too
            os.write(self._output, f"{text}\n".encode())
