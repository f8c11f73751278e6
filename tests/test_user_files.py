"""A user's files of simulations: every fault is found before any fit."""

import re

import h5py
import numpy as np
import pytest
from imnn_core.data import numbers, user_files
from imnn_core.problems import shipped
from small_files import NAMES, PROBLEM, SHIFTED, arrays_of, changed, write


def faults_of(path, problem=PROBLEM, **others):
    return user_files.check({"training": path, **others}, problem).faults


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_files_without_a_fault(tmp_path, suffix):
    attributes = {"names": NAMES, "theta_fid": [0.0, 1.0]}
    path = write(tmp_path / f"a{suffix}", arrays_of(), attributes)
    other = write(tmp_path / f"b{suffix}", arrays_of(split="test"))
    assert faults_of(path, test=other) == []


def with_nan(array):
    array = array.copy()
    array[7, 3] = np.nan
    return array


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (changed(derivative=None), "expected a dataset 'derivative', found fiducial"),
        (
            lambda arrays: {"fiducial": arrays["fiducial"], "derivatives": arrays["derivative"]},
            "expected a dataset 'derivative', found derivatives, fiducial (nearest: derivatives)",
        ),
        (
            lambda arrays: {"fiducial": arrays["fiducial"], "shifted": arrays["derivative"]},
            "expected a dataset 'derivative', found fiducial, shifted (`derivative: "
            "finite_difference, with delta_theta` takes 'shifted')",
        ),
        (
            changed(fiducial=lambda d: d.T),
            "expected fiducial of shape (n_s, 10), found (10, 60); its axes seem to be "
            "(*input_shape, n_s): transpose them to (n_s, *input_shape)",
        ),
        (
            changed(derivative=lambda d: np.moveaxis(d, -1, 1)),
            "expected derivative of shape (n_d, 10, 2), found (50, 2, 10); its axes seem to be "
            "(n_d, n_params, *input_shape): transpose them to (n_d, *input_shape, n_params)",
        ),
        (
            changed(derivative=lambda d: np.moveaxis(d, -1, 0)),
            "expected derivative of shape (n_d, 10, 2), found (2, 50, 10); its axes seem to be "
            "(n_params, n_d, *input_shape): transpose them to (n_d, *input_shape, n_params)",
        ),
        (
            changed(derivative=lambda d: d[:, :7]),
            "expected derivative of shape (n_d, 10, 2), found (50, 7, 2)",
        ),
        (
            changed(fiducial=lambda d: d.astype(np.float64)),
            "expected numbers of one size, found float64 in fiducial and float32 in derivative",
        ),
        (
            changed(fiducial=lambda d: (100 * d).astype(int)),
            "expected fiducial of float32 or float64, found int64",
        ),
        (
            changed(fiducial=lambda d: d[:1], derivative=lambda d: d[:1]),
            "expected at least n_params + 3 = 5 simulations, found 1",
        ),
        (
            changed(fiducial=lambda d: d[:40]),
            "expected at most as many in derivative as in fiducial, 40, found 50",
        ),
        (
            changed(derivative=lambda d: d[:1]),
            "expected at least 2 simulations in derivative, found 1",
        ),
        (
            changed(fiducial=with_nan),
            "expected finite numbers in fiducial, found NaN, infinity, or what float32 can't "
            "hold in 1 of 60 simulations, the first at index 7",
        ),
        (
            changed(derivative=with_nan),
            "expected finite numbers in derivative, found NaN, infinity, or what float32 can't "
            "hold in 1 of 50 simulations, the first at index 7",
        ),
        (
            changed(derivative=lambda d: d * np.float32([0, 1])),
            "expected simulations that depend on each parameter, found in derivative a derivative "
            "of 0 everywhere by mu",
        ),
        (
            changed(
                fiducial=lambda d: 1e300 * d.astype(float), derivative=lambda d: d.astype(float)
            ),
            "expected finite numbers in fiducial, found NaN, infinity, or what float32 can't "
            "hold in 60 of 60 simulations, the first at index 0",
        ),
        (
            changed(fiducial=lambda d: np.float32(3)),
            "expected fiducial of shape (n_s, 10), found ()",
        ),
    ],
)
def test_faults_of_a_file(tmp_path, suffix, change, fault):
    arrays = change(arrays_of())
    path = write(tmp_path / f"a{suffix}", dict(sorted(arrays.items())))
    assert fault in [
        line.removeprefix(f"simulations.training ({path}): ") for line in faults_of(path)
    ]
    assert len(faults_of(path)) in (1, 2)  # a file of one simulation has two faults


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
@pytest.mark.parametrize(
    ("attributes", "fault"),
    [
        (
            {"names": ["Sigma", "mu"]},
            "expected names = ['mu', 'Sigma'] as in the config, found ['Sigma', 'mu']",
        ),
        (
            {"theta_fid": [0.0, 2.0]},
            "expected theta_fid = [0.0, 1.0] as in the config, found [0.0, 2.0]",
        ),
        (
            {"theta_fid": [1e-9, 1.0]},  # in units of its own
            "expected theta_fid = [0.0, 1.0] as in the config, found [1e-09, 1.0]",
        ),
    ],
)
def test_what_a_file_says_of_itself_must_be_so(tmp_path, suffix, attributes, fault):
    path = write(tmp_path / f"a{suffix}", arrays_of(), attributes)
    assert faults_of(path) == [f"simulations.training ({path}): {fault}"]


def test_shifted_simulations(tmp_path):
    from dataclasses import replace

    arrays = arrays_of(problem=replace(shipped.gaussian(), delta_theta=[0.1, 0.2]))
    path = write(tmp_path / "a.h5", arrays, {"delta_theta": [0.1, 0.2]})
    assert faults_of(path, SHIFTED) == []
    path = write(tmp_path / "b.h5", arrays, {"delta_theta": [0.1, 0.3]})
    assert faults_of(path, SHIFTED) == [
        f"simulations.training ({path}): expected delta_theta = [0.1, 0.2] as in the config, "
        "found [0.1, 0.3]"
    ]
    path = write(tmp_path / "c.h5", arrays | {"shifted": arrays["shifted"][..., :3]})
    shape, attribute = faults_of(path, SHIFTED)[::-1]
    assert shape.endswith("expected shifted of shape (n_d, 2, 2, 10), found (50, 2, 2, 3)")
    assert "expected an attribute delta_theta (of npz an array), the whole distance" in attribute


def test_all_faults_of_all_files_at_once(tmp_path):
    training = write(tmp_path / "a.h5", changed(derivative=None)(arrays_of()))
    validation = write(
        tmp_path / "b.npz",
        changed(fiducial=with_nan, derivative=with_nan)(arrays_of(split="validation")),
    )
    lines = faults_of(training, validation=validation, test=tmp_path / "none.h5")
    assert [line.partition(" ")[0] for line in lines] == ["simulations.training"] + 2 * [
        "simulations.validation"
    ] + ["simulations.test:"]
    assert (
        lines[-1]
        == f"simulations.test: {tmp_path / 'none.h5'}: expected an HDF5 or npz file, found none there"
    )


def test_files_that_are_none(tmp_path):
    (tmp_path / "text.h5").write_text("hello")
    np.save(tmp_path / "pickle.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(
        tmp_path / "pickle.npz", fiducial=np.array([{"a": 1}], dtype=object), derivative=np.ones(3)
    )
    for name, found in (
        ("text.h5", "text.h5: expected an HDF5 or npz file, found a text file that begins with "),
        ("pickle.npy", "found an npy file, which has one array without a name"),
        ("pickle.npz", "'fiducial', found ValueError: objects of Python, a pickle, which is not"),
    ):
        assert found in faults_of(tmp_path / name)[0]
    whole = write(tmp_path / "a.npz", arrays_of()).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (line,) = faults_of(tmp_path / "cut.npz")
    assert "cut.npz: expected an HDF5 or npz file, found an npz file that was cut off" in line
    with h5py.File(tmp_path / "group.h5", "w") as file:
        file.create_group("fiducial")
        file["derivative"] = arrays_of()["derivative"]
    (line,) = faults_of(tmp_path / "group.h5")
    assert "expected a dataset 'fiducial', found a group" in line


def test_simulations_in_two_sets_are_found(tmp_path, monkeypatch):
    """Three of the test set are the training set's, in another order."""
    monkeypatch.setattr(numbers, "BYTES", 300)
    training, test = arrays_of(), arrays_of(split="test")
    test["fiducial"][[5, 20, 40]] = training["fiducial"][[33, 8, 2]]
    paths = {
        name: write(tmp_path / f"{name}.h5", arrays)
        for name, arrays in (("training", training), ("test", test))
    }
    (line,) = user_files.check(paths, PROBLEM).faults
    assert line.startswith(
        "simulations: expected different simulations in training and test, found 3 in both, such "
        "as index "
    )
    one, other = map(
        int, re.search(r"index (\d+) of training and index (\d+) of test", line).groups()
    )
    assert {33: 5, 8: 20, 2: 40}[one] == other
    for arrays in (training, test):  # which begin with the same number, but for that
        arrays["fiducial"][:, 0] = 1
        arrays["derivative"][:, 0] = 0
    path = write(tmp_path / "prefix.h5", training)
    assert len(faults_of(path, test=write(tmp_path / "other.h5", test))) == 1
    training["fiducial"][11] = training["fiducial"][50]
    path = write(tmp_path / "again.h5", training)
    (line,) = faults_of(path)
    assert line.endswith(
        "expected different simulations, found 1 of 60 twice, such as index 11 and 50"
    )


def test_discrete_simulations_may_repeat_and_big_endian_numbers_are_read(tmp_path, rng):
    arrays = [
        {"fiducial": rng.poisson(1, (60, 10)).clip(0, 1) * np.ones(10) * (np.arange(10) < 3)}
        for _ in range(2)
    ]
    paths = []
    for i, one in enumerate(arrays):
        one["derivative"] = rng.standard_normal((50, 10, 2))
        paths.append(
            write(tmp_path / f"{i}.h5", {name: array.astype(">f4") for name, array in one.items()})
        )
    assert faults_of(paths[0], test=paths[1]) == []


def test_mixed_sizes_of_numbers_between_files(tmp_path):
    training = write(tmp_path / "a.h5", arrays_of())
    test = write(
        tmp_path / "b.h5",
        {name: array.astype(np.float64) for name, array in arrays_of(split="test").items()},
    )
    assert faults_of(training, test=test) == [
        "simulations: expected numbers of one size in all files, found float32 in training, "
        "float64 in test"
    ]
