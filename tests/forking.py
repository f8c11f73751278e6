"""A process that has imported Snakemake and what a plan and a job of the project need, and that
forks for each call of either.

Run as a program with the number of a listening socket and the path of the executable that calls it,
which is forked.py: `running.server` starts it. It ends with its standard input. Nothing of the
project is imported here, and no thread runs: what is forked is as `python -m snakemake` or
`python script.py` is once it has imported all this, but for its hashes' seed and that it can't miss
an import that it has not made itself. Calls in which that matters take `own_process=True`.
"""

import array
import contextlib
import gc
import importlib
import marshal
import os
import re
import runpy
import select
import signal
import socket
import sys
import tempfile

# Of the packages; what is left out here each call imports by itself.
MODULES = (
    "snakemake.cli",
    "snakemake.profiles",
    "snakemake.report.html_reporter",
    "smart_open",
    "nbformat.v4",
    "jsonschema",
    "jax",
    "jaxlib.mlir.dialects.mhlo",
    "optax.contrib",
    "pandas",
    "h5py",
    "pydantic",
    "matplotlib.style",
    "matplotlib.mathtext",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
)
# Variables that nothing looks at when it is imported: calls that differ in others have a process of
# their own.
READ_LATE = re.compile(
    "_|IMNN_.*|OLDPWD|PATH|PS1|PWD|PYTEST_CURRENT_TEST|SHLVL|SNAKEMAKE_OUTPUT_CACHE"
    "|TEMP|TEMPDIR|TMP|TMPDIR"
    "|XLA_PYTHON_CLIENT_PREALLOCATE|.*_(NUM|MAXIMUM)_THREADS"  # OpenBLAS looks, and has one here
)
REFUSED = -1000  # forked.py knows it, too
ENVIRONMENT = dict(os.environ)


def import_all():
    """Import what is slow, in one thread."""
    del sys.path[0]  # this folder, which a user's Snakemake does not look into
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # it would begin threads at once
    for name in MODULES:
        importlib.import_module(name)
    sys.modules["snakemake.cli"].get_argument_parser()  # it looks for plugins once
    mathtext = sys.modules["matplotlib.mathtext"]
    mathtext.MathTextParser._parser = mathtext._mathtext.Parser()  # its grammar, made once as well
    gc.freeze()
    assert len(os.listdir("/proc/self/task")) == 1
    assert not sys.modules["jax._src.xla_bridge"].backends_are_initialized()
    assert "imnn_core" not in sys.modules


def suits(environment):
    """Whether what was imported here is as it would be in another environment."""
    return not {
        name
        for name in environment.keys() | ENVIRONMENT
        if environment.get(name) != ENVIRONMENT.get(name) and not READ_LATE.fullmatch(name)
    }


def become(executable, environment, folder, umask, arguments, files):
    """Make this process one that was started as `python` with these arguments; run to its end."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    os.umask(umask)
    os.chdir(folder)
    sys.executable, tempfile.tempdir = executable, None
    if arguments[:2] == ["-m", "snakemake"]:
        sys.path.insert(0, folder)
        sys.argv = arguments[1:]
        sys.modules["snakemake.workflow"].Workflow._rundir = folder  # taken when it is imported
        runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, os.path.dirname(arguments[0]))
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


def serve(listening):
    """Fork for each call; the child returns what `become` wants, the server None after the last.

    A connection sends a call with its files 0, 1 and 2. The answer is a number: the return value at
    its end, minus the signal that ended it; or REFUSED. A caller that goes away takes its process
    with it.
    """
    begun = {}  # by the file that tells of a process's end: its number, and who waits for it
    while True:
        waiting = [sys.stdin, listening, *begun, *(caller for _, caller in begun.values())]
        for ready in select.select(waiting, [], [])[0]:
            if ready is sys.stdin:
                return None
            if ready is listening:
                caller, _ = listening.accept()
                message, files, _, _ = socket.recv_fds(caller, 2**20, 3)
                call = marshal.loads(message)
                if not suits(call[0]):
                    answer(caller, REFUSED)
                elif pid := os.fork():
                    begun[os.pidfd_open(pid)] = pid, caller
                else:
                    for file in (listening, caller, *(caller for _, caller in begun.values())):
                        file.close()
                    for file in begun:
                        os.close(file)
                    return *call, files
                for file in files:
                    os.close(file)
            elif ready in begun:
                pid, caller = begun.pop(ready)
                os.close(ready)
                answer(caller, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            else:
                for pid, caller in begun.values():
                    if caller is ready:
                        os.kill(pid, signal.SIGKILL)


def answer(caller, number):
    """The answer to a call, if there is still someone who waits for it."""
    with caller, contextlib.suppress(BrokenPipeError):
        caller.send(array.array("q", [number]).tobytes())


if __name__ == "__main__":
    import_all()
    call = serve(socket.socket(fileno=int(sys.argv[1])))
    if call:
        become(sys.argv[2], *call)
