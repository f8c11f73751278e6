"""What every script does around its function: log, threads, progress, its end, and a user's fault in one line."""

import contextlib
import errno
import fcntl
import hashlib
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from imnn_core.store.errors import InputError

log = logging.getLogger("imnn")


def has_gpu() -> bool:
    """Whether this machine has a GPU's driver; asks the system, not jax, and so costs nothing."""
    return any(os.path.exists(path) for path in ("/dev/nvidiactl", "/dev/kfd"))


def keep_compilations(folder: str | Path = ".snakemake/compilations") -> None:
    """Let jax, where the script has imported it, keep compiled programs there, for later jobs and those beside this one.

    Kinds of processors, as Linux tells them, have folders of their own, since programs are compiled
    for one. A folder that the user has chosen (JAX_COMPILATION_CACHE_DIR) stays.
    """
    jax = sys.modules.get("jax")
    if jax is None or jax.config.jax_compilation_cache_dir:
        return
    with contextlib.suppress(OSError):
        cpu = {
            line
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith(("model name", "flags", "Features"))
        }
        kind = hashlib.sha256("\n".join(sorted(cpu)).encode()).hexdigest()[:12]
        jax.config.update("jax_compilation_cache_dir", os.path.abspath(os.path.join(folder, kind)))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


GRACE = 15  # seconds in which a job that is told to end may save what it has
ENDS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
)  # Ctrl-C, a cluster, a terminal that is closed


def _interrupt(number, frame):
    """End as after Ctrl-C, temporary files removed; further signals have nothing to add."""
    for each in ENDS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt(number)


class Watch:
    """A thread that ends a job which nobody waits for any more, and one that does not end when it is told to.

    Where Snakemake was killed its jobs live on, and must not write later what is another job's by
    then. Where another job writes the same log, Snakemake was started again and knows nothing of
    this one. And Python heeds a signal only once a call, as of XLA's compiler, returns.
    """

    def __init__(self, is_mine: Callable[[], bool]):
        """Begin to watch, from the main thread.

        Args:
            is_mine: whether the log is still this job's.

        """
        self._is_mine, self._over, self._parent = is_mine, threading.Event(), os.getppid()
        self._snakemake = int(
            os.environ.get("IMNN_SNAKEMAKE", self._parent)
        )  # a shell may stand between
        self._signals, write = os.pipe()
        for end in (self._signals, write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)  # hears a signal at once
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def _run(self):
        told = None
        while not self._over.wait(0.5):
            if told is None and self._is_told():
                told = time.monotonic()
            elif told is None and self._is_alone():
                self._end("what started this job has ended, so that nobody waits for it")
            elif told is None and not self._is_mine():
                self._end("another job has begun to write this job's log")
            elif told is not None and time.monotonic() - told > GRACE:
                os.kill(os.getpid(), signal.SIGKILL)

    def _is_alone(self):
        try:
            os.kill(self._snakemake, 0)  # no signal, but a look whether it is there
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return os.getppid() != self._parent

    def _is_told(self):
        with contextlib.suppress(BlockingIOError):
            return not set(ENDS).isdisjoint(os.read(self._signals, 64))
        return False

    def _end(self, why):
        log.info("%s", why)
        os.kill(os.getpid(), signal.SIGTERM)

    def stop(self) -> None:
        """Watch no more."""
        self._over.set()
        signal.set_wakeup_fd(-1)


def _say(text: str, terminal: int) -> None:
    """Write a last word to the log, or to the terminal where the log can't take it, as on a full disk."""
    words = f"{text}\n".encode()
    try:
        sys.stderr.flush()
        whole = os.write(2, words) == len(words)
    except OSError:
        whole = False
    if not whole:
        with contextlib.suppress(OSError):
            os.write(terminal, words)


@contextlib.contextmanager
def job(path_to_log: str, threads: int = 1) -> Iterator["Bar"]:
    """Run a script's function with everything it prints in its log, child processes included.

    Args:
        path_to_log: from the rule's `log:`.
        threads: CPU threads for jax, which would else take every core in each of many parallel
            jobs.

    Yields:
        A progress bar on the terminal, if this job is the only one that has it.

    Raises:
        SystemExit: with code 1 after an InputError (one line in the log) or another error (a
            traceback).

    """
    for number in ENDS:
        if (
            signal.getsignal(number) is not signal.SIG_IGN
        ):  # as in the background of a shell, or under nohup
            signal.signal(number, _interrupt)
    os.environ["PJRT_NPROC"] = str(
        threads
    )  # jax reads it when its backend starts, not when it is imported
    terminal = os.dup(2)
    try:
        if os.path.isfile(path_to_log):
            os.unlink(path_to_log)  # a file of its own, by which another job's is known
        file = open(path_to_log, "w")
    except OSError as error:
        _say(
            f"error: {path_to_log}: expected a log that can be written, found: {error.strerror}",
            terminal,
        )
        sys.exit(1)

    def is_mine():
        try:
            return os.path.samestat(os.stat(path_to_log), os.fstat(2))
        except (
            OSError
        ) as error:  # removed, or not to be reached just now; or of NFS, replaced from another node
            return error.errno != errno.ESTALE

    with file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        keep_compilations()
        watch = Watch(is_mine)
        try:
            with Bar(terminal, "/".join(Path(path_to_log).with_suffix("").parts[-2:])) as bar:
                yield bar
        except InputError as error:
            _say(f"error: {error}", terminal)
            sys.exit(1)
        except KeyboardInterrupt as interrupt:
            number = interrupt.args[0] if interrupt.args else signal.SIGINT
            _say(f"interrupted by {signal.Signals(number).name}", terminal)
            signal.signal(
                number, signal.SIG_DFL
            )  # end by the signal: XLA may crash when Python winds down now
            os.kill(os.getpid(), number)
        except Exception:
            _say(traceback.format_exc().rstrip(), terminal)
            sys.exit(1)
        finally:
            watch.stop()
            os.close(terminal)


class Bar:
    """One line at the bottom of the terminal, where there is one and no other job of the workflow draws on it."""

    def __init__(self, terminal: int, name: str):
        self._name, self._terminal, self._is_mine = name, None, False
        if os.isatty(terminal):
            with contextlib.suppress(
                OSError
            ):  # an opening of its own: a lock on the one that jobs share would be shared
                self._terminal = os.open(os.ttyname(terminal), os.O_WRONLY | os.O_NOCTTY)

    def __enter__(self):
        if self._terminal is not None:
            with contextlib.suppress(OSError):  # another job holds the terminal: then without a bar
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
            except OSError:  # it was closed
                self._is_mine = False

    def show(self, done: int, end: int, text: str) -> None:
        """Draw the bar at ``done`` of ``end``, with a text behind it."""
        filled = round(20 * done / end)
        self._write(f"{self._name} [{'#' * filled}{'-' * (20 - filled)}] {done}/{end}  {text}")
