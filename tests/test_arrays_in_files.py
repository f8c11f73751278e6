"""Sets whose arrays lie in files of their own, which are checked as one file is."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from check_files import check_files
from conftest import everything
from imnn_core.data import named_sets, sets, trial, user_files
from imnn_core.data.arrays import open_users
from imnn_core.data.sets_given import open_given
from imnn_core.problems import load, shipped
from imnn_core.store.errors import InputError
from imnn_core.workflow import checks
from many_files import BY_OFFSETS, COLUMNS, by_offsets, save, set_to, spoiled
from small_files import PROBLEM, SHIFTED, THREE, arrays_of, only_fault, shifted_normal, write
from small_files import faults_of as faults_of_sets
from use_files import use_files


def faults_of(given, problem=BY_OFFSETS, **others):
    return faults_of_sets(given, problem, **others)


def test_a_folder_of_files_is_the_set_of_one_file(tmp_path, rng):
    """Oracle: the same arrays in one HDF5 file, and those of numpy."""
    given, z, shifted = by_offsets(tmp_path, rng)
    one = {
        f"shifted/{'ab'[a]}/{offset:g}": d
        for (a, offset), d in zip(BY_OFFSETS.columns, shifted, strict=True)
    }
    path = write(tmp_path / "one.h5", {"fiducial": z} | one)
    assert faults_of(given) == faults_of(path) == []
    found = user_files.check({"training": given}, BY_OFFSETS)
    assert found.digests == user_files.check({"training": path}, BY_OFFSETS).digests
    with open_users(given, BY_OFFSETS) as mine, open_users(path, BY_OFFSETS) as theirs:
        assert mine.counts == theirs.counts == (50, 50, 50, 40, 30)
        for a, b in zip(everything(mine), everything(theirs), strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(everything(mine)[0], z)


def test_derivatives_and_pairs_in_other_axes_and_kinds_of_files(tmp_path):
    """Oracle: the arrays, which lie in HDF5, npz and npy files, transposed."""
    arrays = arrays_of()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["deep/d"], file["other"] = arrays["derivative"].transpose(2, 0, 1), np.ones(3)
    np.savez(tmp_path / "one.npz", arrays["fiducial"][:20].T)
    np.savez(tmp_path / "two.npz", arrays["fiducial"][20:].T)
    given = {
        "fiducial": {
            "files": [str(tmp_path / "one.npz"), str(tmp_path / "two.npz")],
            "axes": ["k", "n"],
        },
        "derivative": {
            "files": str(tmp_path / "a.h5"),
            "dataset": "deep/d",
            "axes": ["n_params", "n", "k"],
        },
    }
    assert faults_of(given, PROBLEM) == []
    with open_users(given, PROBLEM) as source:
        for found, expected in zip(everything(source), arrays.values(), strict=True):
            np.testing.assert_array_equal(found, expected)
    with open_given(given, PROBLEM) as found:
        assert found.n_loaded == 2 * 40 * 10 * 4
    assert checks._bytes_of_set(given, PROBLEM) == (4 * (60 * 10 + 50 * 20), 2 * 40 * 10 * 4)
    pairs = shifted_normal(np.random.default_rng(3))
    moved = pairs["shifted"].transpose(3, 4, 2, 1, 0)
    given = {
        "fiducial": save(tmp_path / "f.npy", np.asfortranarray(pairs["fiducial"])),
        "shifted": {
            "files": save(tmp_path / "s.npy", moved.astype(">f8")),
            "axes": ["x", "y", "n_params", "sides", "n"],
        },
    }
    problem = load.build("files", **THREE, delta_theta=[0.2, 0.2], from_files=True)
    checked = user_files.check({"training": given}, problem)
    assert checked.faults == []
    (note,) = checked.notes  # no file says so
    assert "delta_theta = [0.2, 0.2] is taken to be the whole distance between minus and" in note
    with open_users(given, problem) as source:
        np.testing.assert_array_equal(everything(source)[1], pairs["shifted"])


def test_what_files_say_of_themselves(tmp_path):
    """Also where they are files of an array each; of pairs the whole distance."""
    problem, drawn = SHIFTED, replace(shipped.gaussian(), delta_theta=[0.1, 0.2])
    pairs = arrays_of(problem=drawn)
    paths = {name: write(tmp_path / f"{name}.h5", {name: d}) for name, d in pairs.items()}
    given = {name: str(path) for name, path in paths.items()}
    assert faults_of(given, problem) == []
    write(paths["shifted"], {"shifted": pairs["shifted"]}, {"delta_theta": [0.05, 0.1]})
    assert "expected delta_theta = [0.1, 0.2] as in the config, found [0.05, 0.1]" in only_fault(
        given, problem
    )
    write(paths["shifted"], {"shifted": pairs["shifted"]}, {"theta_fid": [0.0, 1.0]})
    write(paths["fiducial"], {"fiducial": pairs["fiducial"]}, {"theta_fid": [0.0, 2.0]})
    assert only_fault(given, problem).endswith(
        f"expected theta_fid = [0.0, 2.0] as in {paths['fiducial']}, found [0.0, 1.0]"
    )


def test_references_to_many_files(tmp_path, rng, monkeypatch):
    """Oracle: the rows of the fractions; a name for each of 3000 files has more than 64 kB."""
    given, z, shifted = by_offsets(tmp_path, rng, n=3000, counts=(3000,) * 5)
    for i, d in enumerate(z):
        np.save(tmp_path / f"sim_{i}.npy", d)
    given["fiducial"] = [str(tmp_path / f"sim_{i}.npy") for i in range(3000)]
    check_files({"training": given}, tmp_path / "checked.json", problem=COLUMNS)
    paths = {split: tmp_path / f"{split}.h5" for split in ("training", "test")}
    use_files(tmp_path / "checked.json", paths, problem=COLUMNS, fractions={"test": 0.3}, seed=1)
    rows = user_files.split_rows(3000, [3000], {"test": 0.3}, 1)
    for split, path in paths.items():
        with sets.open_simulations(path, BY_OFFSETS, seed=1, split=split, as_stored=True) as source:
            d, columns = everything(source)
        np.testing.assert_array_equal(d, z[rows[split]])
        np.testing.assert_array_equal(columns, np.stack(shifted, axis=1)[rows[split]])
    spoiled(tmp_path, f"sim_{rows['test'][2]}.npy", set_to((0, 1), np.nan))
    with pytest.raises(
        InputError, match=rf"index 2 \({tmp_path}/sim_{rows['test'][2]}.npy\); it is"
    ):
        with sets.open_simulations(paths["test"], BY_OFFSETS, seed=1, split="test"):
            pass
    assert len(json.loads((tmp_path / "checked.json").read_text())["training"]["file"]) == 2


def test_each_file_is_tried_by_a_process_that_may_die(tmp_path, monkeypatch):
    """A stand-in for the child is killed at one of them; all others are looked at as well."""
    (tmp_path / "imnn_core/data").mkdir(parents=True)
    (tmp_path / "imnn_core/data/trial.py").write_text(
        "import json, os, sys\n"
        "for key, path, *names in json.load(sys.stdin):\n"
        "    if 'crash' in path: os.abort()\n"
        "    print(json.dumps([f'{path} {names}']), flush=True)\n"
    )
    paths = [tmp_path / name for name in ("a.npy", "crash.npy", "b.npy")]
    for path in paths:
        path.touch()
    given = {"fiducial": {"files": list(map(str, paths)), "dataset": "x/y"}}
    files = [(f"simulations.training{key}", *rest) for key, *rest in named_sets.files_of(given)]
    assert [key for key, *_ in files] == ["simulations.training.fiducial"] * 3
    with monkeypatch.context() as patched:
        patched.setattr(trial, "CORE", tmp_path)
        lines = trial.faults(files)
    where = "simulations.training.fiducial"
    assert lines == [
        f"{where}: {paths[0]} ['x/y']",
        f"{where}: {paths[1]}: expected a file of arrays, found one that crashes its library "
        "(SIGABRT)",
        f"{where}: {paths[2]} ['x/y']",
    ]
    assert len(trial.faults(files * 5)) == 11
