"""A process that looks at users' files as the workflow does, one after another, and may die."""

import json
import sys

import h5py
import numpy as np
from imnn_core.data import arrays, links, reading, user_files
from imnn_core.data.dataset_names import names_in
from imnn_core.problems import load
from imnn_core.store.errors import InputError
from imnn_core.workflow import checks, digest


def plainly(path, name):
    """An array as h5py or numpy read it."""
    with open(path, "rb") as file:
        is_zip = file.read(2) == b"PK"
    if is_zip:
        return np.load(path)[name]
    with h5py.File(path) as file:
        return file[name][()]


def read_back(path, problem):
    """Faults of what was accepted: numbers that are not those of h5py or numpy."""
    with arrays.open_users(path, problem) as source, reading.open_file(path) as found:
        names = names_in(found.arrays, problem)
        for part, name in names.items():
            shape = getattr(source, part)
            out = np.empty(shape.shape, shape.dtype)
            source.read(part, 0, out)
            if isinstance(name, list):
                columns = [plainly(path, each) for each in name]
                out = np.moveaxis(out.reshape(len(out), len(columns), *problem.input_shape), 1, 0)
                pairs = [(got[: len(d)], d) for got, d in zip(out, columns, strict=True)]
            else:
                pairs = [(out, plainly(path, name))]
            for got, expected in pairs:
                if not np.array_equal(got, expected):
                    yield f"other numbers in {name}"


def by_names(path, problem):
    """The arrays of a file, each named by itself, as the config may have them."""

    def named(name):
        return {"files": path, "dataset": name}

    if problem.delta_theta is None:
        return {"fiducial": named("fiducial"), "derivative": named("derivative")}
    if np.ndim(problem.delta_theta[0]) == 0:
        return {"fiducial": named("fiducial"), "shifted": named("shifted")}
    shifted = {name: {} for name in problem.names}
    for i, offset in problem.columns:
        key = f"{offset:g}"
        shifted[problem.names[i]][key] = named(f"shifted/{problem.names[i]}/{key}")
    return {"fiducial": named("fiducial"), "shifted": shifted}


def look(paths, kind, of_problem):
    """What comes of these files: {lines: of faults, wrong: what should not be}."""
    try:
        problem = load.build(**of_problem)
        if kind == "observed":
            arrays.read_observed(paths["observed"], problem)
            return {"lines": [], "wrong": []}
        for path in paths.values():
            links.others(path)
            digest.content_digest(path)
            checks._bytes_of_set(path, problem)
        found = user_files.check(paths, problem)
        named = {split: by_names(path, problem) for split, path in paths.items()}
        again, wrong = user_files.check(named, problem), []
        if not found.faults:
            wrong = [line for path in paths.values() for line in read_back(path, problem)]
            if again.faults or again.digests != found.digests:
                wrong += ["other numbers where arrays are named", *again.faults]
        lines = [*found.faults, *again.faults, *found.notes]
        return {"lines": InputError(*lines).lines, "wrong": wrong}
    except InputError as error:
        return {"lines": error.lines, "wrong": []}
    except Exception as error:
        return {"lines": [], "wrong": [f"{type(error).__name__}: {error}"]}


if __name__ == "__main__":
    for task in sys.stdin:
        print(json.dumps(look(*json.loads(task))), flush=True)
