"""A process that draws simulations, as the job has it that it works for; see `worker`."""

import contextlib
import os
import signal
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from imnn_core.problems.worker import Task

# Libraries' threads, of which each process has one: Snakemake gives a job as many as it has cores.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
Piece = tuple[str, int, int]  # array, first unit, one after the last


class Process:
    """A process at work on a piece, or on none."""

    def __init__(self, task: Task, folder: str):
        mine, other = Pipe()
        core = str(Path(__file__).parents[2])
        code = f"import sys; sys.path.append({core!r}); "
        code += "from imnn_core.problems.worker import main; main()"
        # In a group of its own, with what the simulator begins; Ctrl-C is the job's alone.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(os.getpid()), str(other.fileno())],
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
            env={**os.environ, **dict.fromkeys(THREADS, "1"), "TMPDIR": folder},
            start_new_session=True,
        )
        other.close()
        self.connection: Connection = mine
        self.piece: Piece | None = None
        self.is_again = False  # whether the piece is drawn for comparison only
        self.at: int | None = None  # the unit that it draws, if it says so
        self.is_ready = False  # whether it has loaded the problem
        with contextlib.suppress(OSError):  # it has ended already, which is seen below
            mine.send(task)

    def begin(self, piece: Piece, is_again: bool = False, is_careful: bool = False) -> None:
        """Tell it to draw a piece, and if careful, to tell before each unit."""
        self.piece, self.is_again, self.at = piece, is_again, None
        with contextlib.suppress(OSError):
            self.connection.send((*piece, True) if is_careful else piece)

    def memory(self) -> int:
        """Bytes that it has held at most, without those of programs that it calls."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return 1024 * int(line.split()[1])
        return 0

    def end(self) -> int:
        """End it, with what it has begun; its exit code."""
        self.connection.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()


def ended(code: int) -> tuple[str, str]:
    """How a process has ended, from its exit code, and a guess why, or nothing."""
    if code >= 0:
        return f"ended with exit code {code}", ""
    hint = " (as for want of memory)" if -code == signal.SIGKILL else ""
    return f"was ended by {signal.Signals(-code).name}", hint
