"""Jobs that nobody waits for any more end by themselves."""

import contextlib
import errno
import logging
import os
import signal
import threading
import time

log = logging.getLogger("imnn")
GRACE = 15  # seconds in which a job that is told to end may save what it has
# Ctrl-C; a cluster's time limit or scancel; a closed terminal.
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Watch:
    """A thread that ends this job if it is abandoned, or does not end when it is told to.

    If Snakemake was killed, its jobs live on and must not write later to files that are another
    job's by then. If another job writes the same log, Snakemake was started again and knows nothing
    of this one. And Python handles a signal only after a call returns, such as one of XLA's
    compiler.
    """

    def __init__(self, path_to_log: str):
        """Prepare to watch the log that this job's output goes to."""
        self._path, self._over, self._parent = path_to_log, threading.Event(), os.getppid()
        # Snakemake, where a shell stands between.
        self._snakemake = int(os.environ.get("IMNN_SNAKEMAKE", self._parent))

    def __enter__(self):
        """Begin to watch, from the main thread."""
        self._signals, write = os.pipe()
        for end in (self._signals, write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)  # hears a signal at once
        threading.Thread(target=self._run, name="watch", daemon=True).start()
        return self

    def __exit__(self, *_):
        """Stop watching."""
        self._over.set()
        signal.set_wakeup_fd(-1)

    def _run(self):
        told = None
        while not self._over.wait(0.5):
            if told is not None:
                if time.monotonic() - told > GRACE:
                    os.kill(os.getpid(), signal.SIGKILL)
            elif self._is_told():
                told = time.monotonic()
            elif self._is_alone():
                self._end("what started this job has ended, so that nobody waits for it")
            elif not self._is_log_mine():
                self._end("another job has begun to write this job's log")

    def _is_told(self):
        with contextlib.suppress(BlockingIOError):
            return not set(ENDS).isdisjoint(os.read(self._signals, 64))
        return False

    def _is_alone(self):
        try:
            os.kill(self._snakemake, 0)  # sends no signal, but fails if the process has ended
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return os.getppid() != self._parent

    def _is_log_mine(self):
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(2))
        except OSError as error:  # removed or unreachable; or, on NFS, replaced from another node
            return error.errno != errno.ESTALE

    def _end(self, why):
        log.info("%s", why)
        os.kill(os.getpid(), signal.SIGTERM)
