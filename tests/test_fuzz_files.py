"""Files of simulations and observed data, changed in all ways that one can think of.

Whatever they are, lines of faults come out within ten seconds, or numbers that are those of the
file. A fault is told by hypothesis with what leads to it again.
"""

import json
import os
import select
import subprocess
import sys
import warnings
import zipfile

import h5py
import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from imnn_core.data import trial
from small_files import FILES, NAMES, write

SECONDS = 10  # of which each file takes a small part
STEPS = [0.2, 0.4]
OFFSETS = [[-0.1, 0.1], [0.1, 0.2, 0.4]]
PROBLEMS = {
    "derivative": FILES,
    "shifted": FILES | {"delta_theta": STEPS, "from_files": True},
    "summaries": FILES | {"delta_theta": STEPS, "from_files": True, "of_summaries": True},
    "columns": FILES | {"delta_theta": OFFSETS, "from_files": True},
    "observed": FILES,
}


def whole(kind, seed, n=40, n_d=30):
    """Arrays and attributes without a fault."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, 10)).astype(np.float32)
    if kind == "observed":
        return {"observed": z[:3]}, {}
    arrays = {"fiducial": z}
    slopes = np.stack([np.ones_like(z), z], axis=-1)
    if kind == "derivative":
        arrays["derivative"] = slopes[:n_d]
        return arrays, {"names": NAMES, "theta_fid": [0.0, 1.0]}
    if kind == "columns":
        for a, each in enumerate(OFFSETS):
            for i, offset in enumerate(each):
                arrays[f"shifted/{NAMES[a]}/{offset:g}"] = (z + offset * slopes[..., a])[: n_d - i]
        return arrays, {"names": NAMES}
    sides = [[z + side * STEPS[a] / 2 * slopes[..., a] for a in (0, 1)] for side in (-1, 1)]
    arrays["shifted"] = np.moveaxis(np.array(sides), 2, 0)[:n_d].astype(np.float32)
    return arrays, {"delta_theta": STEPS, "theta_fid": [0.0, 1.0]}


VALUES = [np.nan, np.inf, -1.6375e30, 1e-43, 0, 3e38, -9999, 1e18, 1e300]
TYPES = ["f2", "f4", "f8", ">f4", ">f8", "i4", "u1", "?", "c8", "S3", "O", "f4,f4", "2f4"]
ODD = [
    *(
        np.nan,
        "text",
        b"\xff\xfe",
        [],
        [[0.0, 1.0]],
        1e400,
        [1, "a"],
        np.void(b"x"),
        h5py.Empty("f"),
    ),
    *({"a": 1}, ["mu"], "x" * 5000, "\x1b[2J\n", None, True, 10**30),
]
SHAPES = [(), (0,), (1,), (40, 10), (10, 40), (40, 10, 1), (0, 10), (40, 0), (2, 2, 2, 2, 2, 2)]


def of_array(d, how, rng):
    """Another array in place of one."""
    d = np.array(d)
    if how == "value":
        d = d.astype(np.float64 if rng.random() < 0.3 else d.dtype)
        n = int(rng.integers(1, max(2, d.size)))
        d.reshape(-1)[rng.integers(0, max(1, d.size), n if d.size else 0)] = rng.choice(VALUES)
    elif how == "type":
        try:
            d = d.astype(rng.choice(TYPES))
        except (ValueError, TypeError):
            d = np.zeros(3, "f4,f4")
    elif how == "shape":
        d = np.resize(d, SHAPES[rng.integers(len(SHAPES))])
    elif how == "axes":
        d = d.transpose(rng.permutation(d.ndim))
    elif how == "rows":
        d = d[rng.permutation(len(d))] if rng.random() < 0.5 else d[: int(rng.integers(0, 50))]
    elif how == "repeated" and d.ndim and len(d):
        d = d[rng.integers(0, len(d), len(d))]
    elif how == "constant":
        d = np.zeros_like(d) + rng.integers(0, 2)
    elif how == "units":
        d = (d * 10.0 ** rng.integers(-45, 38)).astype(d.dtype)
    elif how == "offset":
        d = d + d.dtype.type(10.0 ** rng.integers(0, 12))
    return d


ARRAYS = "value type shape axes rows repeated constant units offset".split()
NAMED = "missing renamed group extra attribute attribute_gone".split()
STORED = "chunks virtual external link soft itself named_type empty unwritten reference".split()
BYTES = "flip cut zeros insert other".split()


def in_hdf5(path, arrays, attributes, how, rng):
    """Write a file of which one dataset is stored in an odd way."""
    name = str(rng.choice(list(arrays)))
    other = path.with_name("other.h5")
    with h5py.File(other, "w") as file:
        file["d"] = np.atleast_1d(arrays[name])[: rng.integers(1, 60)]
    write(path, {key: array for key, array in arrays.items() if key != name}, attributes)
    d, rows = np.asarray(arrays[name]), int(rng.integers(0, 40))
    with h5py.File(path, "a") as file:
        if how == "chunks":
            file.create_dataset(name, data=d, chunks=True, compression="gzip", shuffle=True)
        elif how in ("virtual", "itself"):
            layout = h5py.VirtualLayout(d.shape, d.dtype)
            source = (str(path), name) if how == "itself" else (other.name, "d")
            layout[rows:] = h5py.VirtualSource(*source, shape=(len(d) - rows, *d.shape[1:]))
            file.create_virtual_dataset(name, layout)
        elif how == "external":
            raw = path.with_name("raw.bin")
            raw.write_bytes(d.tobytes()[: int(rng.integers(0, d.nbytes + 1))])
            file.create_dataset(name, d.shape, d.dtype, external=[(str(raw), 0, d.nbytes)])
        elif how == "link":
            file[name] = h5py.ExternalLink(
                str(rng.choice(["other.h5", "none.h5", ".", "/dev/null"])), "d"
            )
        elif how == "soft":
            file[name] = h5py.SoftLink(str(rng.choice(["/fiducial", "/d", f"/{name}", "/"])))
        elif how == "named_type":
            file[name] = np.dtype("f4")
        elif how == "empty":
            file[name] = h5py.Empty("f4")
        elif how == "reference":
            file.create_dataset(name, (40,), h5py.ref_dtype)
        else:
            file.create_dataset(name, d.shape, d.dtype, chunks=(7, *d.shape[1:]))[:rows] = d[:rows]


def damage(path, how, rng):
    """Change a file's bytes, mostly where it says what it holds."""
    content = bytearray(path.read_bytes())
    at = int(rng.integers(len(content) if rng.random() < 0.3 else min(len(content), 6000)))
    n = int(rng.choice([1, 1, 4, 64]))
    if how == "flip":
        for i in range(at, min(len(content), at + n)):
            content[i] ^= int(rng.integers(1, 256))
    elif how == "cut":
        del content[at:]
    elif how == "zeros":
        content[at : at + n] = bytes(n)
    elif how == "insert":
        content[at:at] = rng.bytes(n)
    else:
        content = bytearray(
            rng.choice([b"", b"a,b\n1,2\n", b"SIMPLE  = ", b"\x93NUMPY", b"PK\3\4"])
        )
    path.write_bytes(content)


def make(folder, kind, suffix, seed, changes):
    """A file with these changes; its path."""
    rng = np.random.default_rng(seed)
    arrays, attributes = whole(kind, seed)
    stored, bytes_ = None, []
    for how in changes:
        name = str(rng.choice(list(arrays))) if arrays else None
        if how in ARRAYS and arrays:
            arrays[name] = of_array(arrays[name], how, rng)
        elif how == "missing" and arrays:
            del arrays[name]
        elif how == "renamed" and arrays:
            arrays[name.upper()] = arrays.pop(name)
        elif how == "group" and arrays:
            arrays[f"sims/{name}"] = arrays.pop(name)
        elif how == "extra":
            arrays[str(rng.choice(["shifted/mu/9", "x", "shifted/a/b", "ü"]))] = np.ones(3)
        elif how == "attribute":
            key = str(rng.choice(["names", "theta_fid", "delta_theta"]))
            attributes[key] = ODD[rng.integers(len(ODD))]
        elif how == "attribute_gone" and attributes:
            attributes.pop(str(rng.choice(list(attributes))))
        elif how in STORED:
            stored = how
        elif how in BYTES:
            bytes_.append(how)
    path = folder / f"a{suffix}"
    for old in folder.glob("*"):
        old.unlink()
    _write(path, arrays, attributes, stored, rng)
    for how in bytes_:
        damage(path, how, rng)
    return path


def _write(path, arrays, attributes, stored, rng):
    if path.suffix == ".npy":
        np.save(path, next(iter(arrays.values())))
    elif path.suffix == ".npz" and rng.random() < 0.3:
        np.savez_compressed(path, **arrays, **attributes)
    elif stored and path.suffix == ".h5":
        in_hdf5(path, arrays, attributes, stored, rng)
    else:
        write(path, arrays, attributes)


class Worker:
    """The process of file_worker.py; another one, where it has died or hangs."""

    def __init__(self, root, folder):
        self.root, self.folder, self.process = root, folder, None

    def ask(self, *task):
        if self.process is None:
            path = os.pathsep.join([str(self.root / "scripts"), str(self.root / "tests")])
            self.process = subprocess.Popen(
                [sys.executable, str(self.root / "tests/file_worker.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": path, "JAX_PLATFORMS": "cpu"},
                cwd=self.folder,
            )
            self.ask({}, "observed", {})  # when it answers it has imported all that it needs
        self.process.stdin.write(json.dumps(task).encode() + b"\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], 60 if not task[0] else SECONDS)
        answer = self.process.stdout.readline() if ready else b""
        if answer:
            return json.loads(answer)
        self.close()
        return None

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture(scope="module")
def worker(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "files").mkdir()
    worker = Worker(root, folder / "files")
    yield worker
    worker.close()


CASES = {
    "kind": st.sampled_from(list(PROBLEMS)),
    "suffix": st.sampled_from([".h5", ".h5", ".npz", ".npy"]),
    "seed": st.integers(0, 2**32 - 1),
    "changes": st.lists(st.sampled_from(ARRAYS + NAMED + STORED + BYTES), min_size=1, max_size=2),
    "is_twice": st.booleans(),
}


def settings(n):
    return hypothesis.settings(
        max_examples=n,
        deadline=None,
        derandomize=False,  # other files in each run, also where CI is set
        print_blob=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )


def look(worker, kind, suffix, seed, changes, is_twice):
    try:
        with warnings.catch_warnings(action="ignore"):  # of numpy, about these numbers
            path = make(worker.folder, kind, suffix, seed, changes)
    except (TypeError, ValueError, OSError, KeyError, RuntimeError, OverflowError, StopIteration):
        hypothesis.reject()  # neither numpy nor h5py make such a file
    paths = {"observed": str(path)} if kind == "observed" else {"training": str(path)}
    if is_twice and kind != "observed":
        other = write(path.with_name("b.h5"), *whole(kind, seed + 1))
        paths |= {"test": str(other)}
    found = worker.ask(paths, kind, PROBLEMS[kind])
    if found is None:  # the workflow's trial stands before it
        lines = trial.faults([(f"simulations.{key}", each) for key, each in paths.items()], SECONDS)
        assert lines, f"{path} kills or keeps its reader, and nothing says so"
        found = {"lines": lines, "wrong": []}
    assert not found["wrong"]
    lines = list(filter(None, found["lines"]))
    for line in lines:
        assert line.isprintable()
        assert "expected" in line
        assert len(line) < 1500
        assert " at 0x" not in line
    return lines


@settings(300)
@hypothesis.given(**CASES)
def test_files_of_all_kinds(worker, **case):
    look(worker, **case)


@pytest.mark.long
@settings(3000)
@hypothesis.given(**CASES)
def test_many_files_of_all_kinds(worker, **case):
    look(worker, **case)


@pytest.mark.parametrize("suffix", [".h5", ".npz", ".npy"])
@pytest.mark.parametrize("kind", list(PROBLEMS))
def test_what_has_no_fault_is_accepted(worker, kind, suffix):
    if suffix != ".npy" or kind == "observed":
        assert look(worker, kind, suffix, 5, [], is_twice=True) == []


def test_zip_files_of_other_kinds(worker):
    """An archive that is no npz, and one with another compression."""
    for method, name in ((zipfile.ZIP_LZMA, "fiducial.npy"), (zipfile.ZIP_STORED, "a.txt")):
        path = worker.folder / "zip.npz"
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr(name, b"hello")
        found = worker.ask({"training": str(path)}, "derivative", FILES)
        assert found["lines"]
        assert not found["wrong"]
