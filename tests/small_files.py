"""Small files of simulations, as a user may bring them, for the tests of more than one file."""

import h5py
import numpy as np
from imnn_core.data import sets, user_files
from imnn_core.data.parts import Part
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


def faults_of(path, problem=PROBLEM, **others):
    """Lines of faults, as a user gets them."""
    lines = user_files.check({"training": path, **others}, problem).faults
    for line in lines:
        assert line.isprintable()
        assert len(line) < 1500
    return lines


def only_fault(path, problem=PROBLEM):
    (line,) = faults_of(path, problem)
    return line


THREE = {"names": ["a", "b"], "theta_fid": [0.0, 0.0], "input_shape": [2, 2]}


def shifted_normal(rng, n=60, steps=(0.2, 0.2), shape=(2, 2)):
    """N(a + b x_k, 1) at theta -+ step / 2, (n, 2, n_params, *shape), matched seeds."""
    z, x = rng.standard_normal((n, *shape)), 1 + np.arange(np.prod(shape)).reshape(shape)
    slopes = (np.ones(shape), x)
    shifted = np.stack(
        [
            np.stack(
                [z + side * step / 2 * slope for slope, step in zip(slopes, steps, strict=True)],
                axis=1,
            )
            for side in (-1, 1)
        ],
        axis=1,
    )
    return {"fiducial": z, "shifted": shifted}


def shifted_problem(of_summaries=False, **changes):
    """That of `shifted_normal`."""
    steps = {"delta_theta": [0.2, 0.2], "from_files": True, "of_summaries": of_summaries}
    return load.build("files", **THREE | steps | changes)


def saved(folder, arrays, name="a.h5"):
    """A file of arrays whose steps are those of `shifted_problem`."""
    return write(folder / name, arrays, {"delta_theta": [0.2, 0.2]})


def fiducial(problem, n):
    """Pieces of n simulations for the Monte-Carlo estimate."""
    key = simulations.seed_key(0, "monte_carlo")
    return (piece.fiducial for piece in simulations.draw(problem, key, n, 0))


def write_set(path, pieces, problem, *, n_s, n_d, seed, split):
    """Write pieces of a set, as `simulations.draw` yields them, as one part."""
    part, first = Part(0, n_s, n_d), 0
    with sets.writing(path, part, problem, seed=seed, split=split) as writer:
        for piece in pieces:
            for name, rows in piece._asdict().items():
                if len(rows):
                    writer.add(name, first * writer.layout.units(name), rows)
            first += len(piece.fiducial)
