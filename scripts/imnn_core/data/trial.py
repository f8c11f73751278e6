"""Users' files, opened for the first time by a process that may die or be stopped.

A damaged HDF5 file can crash its library, or keep it busy for ever. Imports neither jax nor h5py.
"""

import functools
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

FEW = 10  # lines of one key; files that crash
SECONDS = 60  # for one file; what is read says little of its size
CORE = Path(__file__).parents[2]


def faults(files: Sequence[tuple], seconds: float = SECONDS) -> list[str]:
    """What keeps files from being opened, a line each; those that are not there are left out.

    Args:
        files: of sets and of `observed` data: the config's key and a path; of files with one array
            each also the name of its dataset or None.
        seconds: after which a file counts as one that never opens.

    """
    left = [(key, str(path), *name) for key, path, *name in files if os.path.lexists(path)]
    lines, n_lines, crashes = [], Counter(), 0
    while left and crashes < FEW:
        found, why = _tried(left, seconds)
        for (key, *_), of_one in zip(left, found, strict=False):
            for line in of_one:
                n_lines[key] += 1
                lines += [f"{key}: {line}"] * (n_lines[key] <= FEW)
        left = left[len(found) :]
        if left:
            (key, path, *_), crashes = left.pop(0), crashes + 1
            lines.append(f"{key}: {path}: expected a file of arrays, found one that {why}")
    more = {key: n - FEW for key, n in n_lines.items() if n > FEW}
    return lines + [f"{key}: found {n} more faults like these" for key, n in more.items()]


def _tried(paths: list[tuple], seconds: float) -> tuple[list[list[str]], str]:
    """Lines about each file that was tried, and what became of the next one."""
    given = os.environ.get("PYTHONPATH")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(CORE), given]))}
    child = subprocess.Popen(
        [sys.executable, "-m", "imnn_core.data.trial"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        out, said = child.communicate(json.dumps(paths).encode(), seconds * len(paths))
        if child.returncode > 0:
            raise RuntimeError(said.decode(errors="replace"))
        name = signal.Signals(-child.returncode).name if child.returncode else ""
        why = f"crashes its library ({name})"
    except subprocess.TimeoutExpired:
        child.kill()
        out, _ = child.communicate()
        why = f"its library does not open within {seconds:g} s"
    finished = out.decode().splitlines() if out.endswith(b"\n") or not out else []
    return [json.loads(line) for line in finished], why


def main() -> None:
    """Open each file that standard input names; print a line for each, with its faults."""
    from imnn_core.data.one_array import USUAL, chosen
    from imnn_core.data.reading import open_file
    from imnn_core.store.errors import InputError

    for key, path, *names in json.load(sys.stdin):
        lines, kinds = [], "HDF5, npz or npy" if names or key == "observed" else "HDF5 or npz"
        try:
            choose = functools.partial(chosen, names[0], USUAL) if names else None
            with open_file(path, kinds, choose):
                pass
        except InputError as error:
            lines = error.lines
        print(json.dumps(lines), flush=True)


if __name__ == "__main__":
    main()
