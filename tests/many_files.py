"""Sets of simulations whose arrays lie in files of their own, for the tests of them."""

import numpy as np
from imnn_core.problems import load
from small_files import THREE

OFFSETS = [[-0.1, 0.1], [0.1, 0.2, 0.4]]
COLUMNS = {**THREE, "kind": "files", "delta_theta": OFFSETS, "from_files": True}
BY_OFFSETS = load.build(**COLUMNS)


def save(path, array):
    path.parent.mkdir(exist_ok=True, parents=True)
    np.save(path, array)
    return str(path)


def by_offsets(folder, rng, n=60, counts=(50, 50, 50, 40, 30), n_files=3):
    """N(a + b x_k, 1) in files; what names them, and the arrays."""
    z, x = rng.standard_normal((n, 2, 2)), 1 + np.arange(4.0).reshape(2, 2)
    columns = [(a, offset) for a, each in enumerate(OFFSETS) for offset in each]
    shifted = {
        (a, offset): (z + offset * (1, x)[a])[:m]
        for (a, offset), m in zip(columns, counts, strict=True)
    }
    for i, part in enumerate(np.array_split(z, n_files)):
        save(folder / f"fiducial/sim_{9 + i}.npy", part)
    given = {"fiducial": str(folder / "fiducial"), "shifted": {"b": {}, "a": {}}}
    for (a, offset), d in shifted.items():
        path = save(folder / f"{'ab'[a]}_{offset}.npy", d)
        given["shifted"]["ab"[a]][f"{offset:+.2e}"] = path
    return given, z, list(shifted.values())


def spoiled(folder, name, change):
    path = folder / name
    np.save(path, change(np.load(path)))


def set_to(row, value):
    def change(d):
        d[row] = value
        return d

    return change
