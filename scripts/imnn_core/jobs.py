"""What every script does around its function: log, threads, progress, and a user's fault in one line."""

import contextlib
import fcntl
import hashlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from imnn_core.errors import InputError

log = logging.getLogger("imnn")


def has_gpu() -> bool:
    """Whether this machine has a GPU's driver; asks the system, not jax, and so costs nothing."""
    return any(os.path.exists(path) for path in ("/dev/nvidiactl", "/dev/kfd"))


def keep_compilations(folder: str | Path = ".snakemake/compilations") -> None:
    """Let jax, where the script has imported it, keep compiled programs there, for later jobs and those beside this one.

    Kinds of processors, as Linux tells them, have folders of their own, since programs are compiled for one. A folder that
    the user has chosen (JAX_COMPILATION_CACHE_DIR) stays.
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


def _interrupt(number, frame):
    """End as after Ctrl-C, temporary files removed, where a cluster ends the job."""
    raise KeyboardInterrupt(number)


@contextlib.contextmanager
def job(path_to_log: str, threads: int = 1) -> Iterator["Bar"]:
    """Run a script's function with everything it prints in its log, child processes included.

    Args:
        path_to_log: from the rule's `log:`.
        threads: CPU threads for jax, which would else take every core in each of many parallel jobs.

    Yields:
        A progress bar on the terminal, if this job is the only one that has it.

    Raises:
        SystemExit: with code 1 after an InputError (one line in the log) or another error (a traceback).

    """
    signal.signal(signal.SIGTERM, _interrupt)
    os.environ["PJRT_NPROC"] = str(threads)  # jax reads it when its backend starts, not when it is imported
    terminal = os.dup(2)
    with open(path_to_log, "w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        keep_compilations()
        try:
            with Bar(terminal) as bar:
                yield bar
        except InputError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            sys.exit(1)
        except KeyboardInterrupt as interrupt:
            number = interrupt.args[0] if interrupt.args else signal.SIGINT
            print(f"interrupted by {signal.Signals(number).name}", file=sys.stderr, flush=True)
            signal.signal(number, signal.SIG_DFL)  # end by the signal: XLA may crash when Python winds down now
            os.kill(os.getpid(), number)
        except Exception:
            traceback.print_exc()
            sys.exit(1)


class Bar:
    """One line at the bottom of the terminal, where there is one and no other job of the workflow draws on it."""

    def __init__(self, terminal: int):
        self._terminal = terminal
        self._mine = False

    def __enter__(self):
        if os.isatty(self._terminal):
            with contextlib.suppress(OSError):  # another job holds the terminal: then without a bar
                fcntl.flock(self._terminal, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._mine = True
        return self

    def __exit__(self, *_):
        self._write("")
        os.close(self._terminal)

    def _write(self, text: str) -> None:
        if self._mine:
            os.write(self._terminal, f"\r\033[K{text}".encode())

    def show(self, done: int, end: int, text: str) -> None:
        """Draw the bar at ``done`` of ``end``, with a text behind it."""
        filled = round(20 * done / end)
        self._write(f"[{'#' * filled}{'-' * (20 - filled)}] {done}/{end}  {text}")
