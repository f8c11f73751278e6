"""A simulator that is a program: each simulation has a folder of its own, in which it runs."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from imnn_core.problems import Problem

PROGRAM = [sys.executable, str(Path(__file__).with_name("outside_program.py"))]


def simulator(rng, theta):
    with tempfile.TemporaryDirectory() as folder:  # gone with all that is in it
        seed = rng.integers(2**31)  # the same at whatever theta
        Path(folder, "input.txt").write_text(f"{seed} {float(theta[0])} {float(theta[1])}\n")
        # An exit code other than 0, or no end within a minute, is an error, told with theta.
        subprocess.run(PROGRAM, cwd=folder, check=True, timeout=60)
        return np.loadtxt(Path(folder, "output.txt"))


problem = Problem(
    simulator,
    theta_fid=[1.0, 0.5],
    names=["height", "rate"],
    input_shape=[20],
    numpy=True,
)
