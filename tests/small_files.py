"""Small files of simulations, as a user may bring them, for the tests of more than one file."""

import h5py
import numpy as np
from imnn_core.problems import load, shipped, simulations

NAMES = ["mu", "Sigma"]
FILES = {"kind": "files", "names": NAMES, "theta_fid": [0.0, 1.0], "input_shape": [10]}
PROBLEM = load.build(**FILES)
SHIFTED = load.build(**FILES, delta_theta=[0.1, 0.2])


def arrays_of(n_s=60, n_d=50, split="training", problem=None):
    problem = problem or shipped.gaussian()
    (piece,) = simulations.draw(problem, simulations.seed_key(1, split), n_s, n_d)
    name = "derivative" if problem.delta_theta is None else "shifted"
    return {"fiducial": piece.fiducial.copy(), name: piece.derivative.copy()}


def write(path, arrays, attributes=()):
    if path.suffix == ".npz":
        np.savez(path, **arrays, **dict(attributes))
        return path
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
        file.attrs.update(dict(attributes))
    return path


def changed(**changes):
    def change(arrays):
        arrays = arrays | {
            name: new(arrays[name]) for name, new in changes.items() if new is not None
        }
        return {name: array for name, array in arrays.items() if changes.get(name, 0) is not None}

    return change
