"""What every script does around its function: log, threads, progress, and how it ends."""

import contextlib
import faulthandler
import hashlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from imnn_core.store.errors import InputError
from imnn_core.store.wording import in_line
from imnn_core.workflow.bar import Bar
from imnn_core.workflow.watch import ENDS, Watch

log = logging.getLogger("imnn")


def has_gpu() -> bool:
    """Whether this machine has a GPU's driver. Asks the system, not jax, which would take time."""
    return any(os.path.exists(path) for path in ("/dev/nvidiactl", "/dev/kfd"))


def keep_compilations(folder: str | Path = ".snakemake/compilations") -> None:
    """Let jax, if it was imported, keep compiled programs in a folder for other jobs.

    Each kind of processor, as Linux names it, has a folder of its own, since programs are compiled
    for one. A folder that the user has chosen (JAX_COMPILATION_CACHE_DIR) stays.
    """
    jax = sys.modules.get("jax")
    if jax is None or jax.config.jax_compilation_cache_dir:
        return
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = {line for line in lines if line.startswith(("model name", "flags", "Features"))}
        kind = hashlib.sha256("\n".join(sorted(cpu)).encode()).hexdigest()[:12]
        jax.config.update("jax_compilation_cache_dir", os.path.abspath(os.path.join(folder, kind)))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _interrupt(number, frame):
    """Raise KeyboardInterrupt, so that temporary files are removed; ignore further signals."""
    for each in ENDS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt(number)


def _handle_signals():
    for number in ENDS:
        # Ignored in the background of a shell and under nohup, and then left so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


class _Lines(logging.Formatter):
    """Each message in one line, whatever names or libraries put into it."""

    def format(self, record):
        return in_line(super().format(record))


def _say(text, terminal):
    """Write to the log, or to the terminal if the log can't take it, as on a full disk."""
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
def _output_in(path_to_log, terminal):
    """Send everything that the process prints to a new log."""
    try:
        if os.path.isfile(path_to_log):
            os.unlink(path_to_log)  # `Watch` knows another job's log by its being another file
        file = open(path_to_log, "w")
    except OSError as error:
        expected = "expected a log that can be written"
        _say(f"error: {path_to_log}: {expected}, found: {error.strerror}", terminal)
        sys.exit(1)
    with file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
        faulthandler.enable(2)  # says where a library has crashed, and leaves the signal as it was
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Lines("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        yield


@contextlib.contextmanager
def _errors_in_log(terminal):
    """End the process after an error, with one line in the log, or a traceback."""
    try:
        yield
    except InputError as error:
        _say(f"error: {error}", terminal)
        sys.exit(1)
    except KeyboardInterrupt as interrupt:
        number = interrupt.args[0] if interrupt.args else signal.SIGINT
        _say(f"interrupted by {signal.Signals(number).name}", terminal)
        # End by the signal: XLA may crash while Python shuts down.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    except Exception:
        _say(traceback.format_exc().rstrip(), terminal)
        sys.exit(1)


@contextlib.contextmanager
def job(path_to_log: str, threads: int = 1) -> Iterator[Bar]:
    """Run a script's function with all that it and its child processes print in the log.

    Args:
        path_to_log: from the rule's `log:`.
        threads: CPU threads for jax, which would else take every core in each of many jobs.

    Yields:
        A progress bar on the terminal, if no other job has one there.

    Raises:
        SystemExit: with code 1 after an InputError (one line in the log) or another error (a
            traceback).

    """
    _handle_signals()
    os.environ["PJRT_NPROC"] = str(threads)  # jax reads it when its backend starts
    terminal, name = os.dup(2), "/".join(Path(path_to_log).with_suffix("").parts[-2:])
    with (
        _output_in(path_to_log, terminal),
        Watch(path_to_log),
        _errors_in_log(terminal),
        Bar(terminal, name) as bar,
    ):
        keep_compilations()
        yield bar
