"""A process that has imported Snakemake and what a plan of the project needs, and that forks for
each call of it.

Run as a program with the number of a socket: `running.Server` starts it. Nothing of the project is
imported here, and no
thread runs: what is forked is as `python -m snakemake` is once it has imported all this, but for
its hashes' seed and that it can't miss an import that it has not made itself. Calls in which that
matters take `own_process=True`.
"""

import array
import gc
import importlib
import json
import os
import runpy
import socket
import sys

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
)


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


def become(call, output):
    """Make this process one that was started as `python -m snakemake`, and run that to its end."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(call["environment"])
    os.chdir(call["folder"])
    sys.path.insert(0, os.getcwd())
    sys.argv = ["snakemake", *call["arguments"]]
    sys.modules[
        "snakemake.workflow"
    ].Workflow._rundir = os.getcwd()  # which it takes when it is imported
    runpy.run_module("snakemake", run_name="__main__", alter_sys=True)


def serve(connection):
    """Fork for each call; the child's return value is what it is to run, None where there are no
    more calls.
    """
    while True:
        message, files, _, _ = socket.recv_fds(connection, 2**24, 1)
        if not message:
            return None
        if not (pid := os.fork()):
            connection.close()
            return json.loads(message), files[0]
        os.close(files[0])
        connection.send(array.array("q", [pid]).tobytes())
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        connection.send(array.array("q", [status]).tobytes())


if __name__ == "__main__":
    import_all()
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    if asked:
        become(*asked)
