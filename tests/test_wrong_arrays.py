"""Faults of sets whose arrays lie in files of their own: each names the file and the row."""

import numpy as np
import pytest
from many_files import BY_OFFSETS, by_offsets, set_to, spoiled
from small_files import faults_of as faults_of_sets
from small_files import only_fault


def faults_of(given, problem=BY_OFFSETS, **others):
    return faults_of_sets(given, problem, **others)


@pytest.mark.parametrize(
    ("name", "change", "faults"),
    [
        (
            "fiducial/sim_10.npy",
            set_to((7, 1, 0), np.nan),
            ["the first at index 27 (FOLDER/fiducial/sim_10.npy, row 7)"],
        ),
        (
            "b_0.2.npy",
            set_to((5, 0, 0), np.inf),
            ["in 1 of 50 simulations, the first at index 5 (FOLDER/b_0.2.npy, row 5)"],
        ),
        (
            "fiducial/sim_11.npy",
            set_to(3, 0),
            ["nothing but 0 in 1 simulations, the first at index 43 (FOLDER/fiducial/sim"],
        ),
        (
            "fiducial/sim_9.npy",
            set_to((slice(None), 0, 0), -1.6375e30),
            ["in simulation 0 (FOLDER/fiducial/sim_9.npy, row 0) at index 0, 0,"],
        ),
        (
            "b_0.4.npy",
            set_to((slice(2, None), 0, 0), -1.6375e30),
            ["in simulation 2 (FOLDER/b_0.4.npy, row 2) at index 0, 0,"],
        ),
        (
            "fiducial/sim_9.npy",
            lambda d: d[[0, 1, 1, *range(3, 20)]],
            ["found 1 of 60 twice, such as index 1 (FOLDER/fiducial/sim_9.npy, row 1) and 2 (FOL"],
        ),
        (
            "fiducial/sim_11.npy",
            lambda d: d[:, :1],
            [
                "fiducial (FOLDER/fiducial/sim_11.npy): expected shape (n, 2, 2) or (2, 2), found "
                "(20, 1, 2)"
            ],
        ),
        (
            "fiducial/sim_10.npy",
            lambda d: d.astype("f4"),
            [
                "fiducial (FOLDER/fiducial/sim_10.npy): expected float64 as in FOLDER/fiducial/"
                "sim_9.npy, found float32"
            ],
        ),
        (
            "a_0.1.npy",
            lambda d: d.astype("f4"),
            ["of one size, found float64 in fiducial and float32 in shifted/a/0.1"],
        ),
        (
            "b_0.1.npy",
            lambda d: d.reshape(-1, 4),
            ["expected shifted/b/0.1 of shape (n_d, 2, 2), found (50, 4)"],
        ),
        (
            "a_0.1.npy",
            lambda d: np.concatenate([d, d]),
            ["expected at most as many in shifted/a/0.1 as in fiducial, 60, found 100"],
        ),
        ("a_-0.1.npy", lambda d: d[:1], ["at least 2 simulations in shifted/a/-0.1, found 1"]),
        (
            "b_0.2.npy",
            lambda d: np.roll(d, -1, axis=0),
            ["found row 0 of it to be row 1 of fiducial (FOLDER/fiducial/sim_9.npy, row 1) ("],
        ),
    ],
)
def test_faults_name_the_file_and_the_row(tmp_path, rng, name, change, faults):
    given, *_ = by_offsets(tmp_path, rng)
    spoiled(tmp_path, name, change)
    lines = faults_of(given)
    assert len(lines) == len(faults)
    for line, fault in zip(lines, faults, strict=True):
        assert line.startswith("simulations.training")
        assert fault in line.replace(str(tmp_path), "FOLDER")


def test_all_faults_of_all_arrays_at_once(tmp_path, rng):
    given, *_ = by_offsets(tmp_path, rng)
    (tmp_path / "fiducial/sim_10.npy").write_bytes(b"\x93NUMPY")
    given["shifted"]["a"]["-1.00e-01"] = str(tmp_path / "none.npy")
    given["shifted"]["b"]["+1.00e-01"] = str(tmp_path / "x*.npy")
    given["shifted"]["b"]["+4.00e-01"] = {"files": str(tmp_path / "b_0.4.npy"), "axes": ["n", "x"]}
    lines = [line.replace(str(tmp_path), "FOLDER") for line in faults_of(given)]
    where = "simulations.training."
    assert [line.partition(" ")[0] for line in lines] == [
        f"{where}fiducial:",
        f"{where}shifted.b.+1.00e-01",
        f"{where}shifted.b.+4.00e-01.axes:",
        f"{where}shifted.a.-1.00e-01:",
    ]
    assert "FOLDER/fiducial/sim_10.npy: expected an HDF5, npz or npy file, found" in lines[0]
    assert lines[1].endswith("(FOLDER/x*.npy): expected files of that pattern, found none")


def test_a_shifted_file_that_is_another_one(tmp_path, rng):
    given, *_ = by_offsets(tmp_path, rng)
    given["shifted"]["a"]["+1.00e-01"] = given["shifted"]["a"]["-1.00e-01"]
    assert "shifted.a.+1.00e-01 (" in only_fault(given, BY_OFFSETS)
    given, *_ = by_offsets(tmp_path, rng, n_files=1)
    given["shifted"]["b"]["+1.00e-01"] = str(tmp_path / "fiducial/sim_9.npy")
    assert only_fault(given, BY_OFFSETS).endswith(
        "sim_9.npy): expected other simulations than those of fiducial, found the same file"
    )


def test_simulations_in_two_sets_are_named(tmp_path, rng):
    given, z, _ = by_offsets(tmp_path, rng)
    other, *_ = by_offsets(tmp_path / "test", rng)
    spoiled(tmp_path, "test/fiducial/sim_9.npy", set_to(4, z[25]))
    lines = [line.replace(f"{tmp_path}/", "") for line in faults_of(given, test=other)]
    assert lines[-1] == (
        "simulations: expected different simulations in training and test, found 1 in both, "
        "such as index 25 (fiducial/sim_10.npy, row 5) of training and index 4 "
        "(test/fiducial/sim_9.npy, row 4) of test"
    )
