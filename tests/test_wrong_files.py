"""Files that are none or damaged, and what files say of themselves: named, never waited for."""

import fcntl
import os
import socket
import zipfile

import h5py
import numpy as np
import pytest
from check_files import check_files
from imnn_core.data import trial
from imnn_core.data.arrays import read_observed
from imnn_core.store.errors import InputError
from small_files import FILES, NAMES, PROBLEM, arrays_of, faults_of, only_fault, write
from use_files import use_files

# What a file says of itself


@pytest.mark.parametrize(
    ("attributes", "fault"),
    [
        ({"theta_fid": [[0.0, 1.0], [0.0, 1.0]]}, "expected theta_fid = [0.0, 1.0] as in the"),
        ({"theta_fid": [[0.0, 1.0]]}, "expected theta_fid = [0.0, 1.0] as in the config"),
        ({"theta_fid": 0.0}, "expected theta_fid = [0.0, 1.0] as in the config, found 0.0"),
        ({"theta_fid": "0, 1"}, "expected theta_fid = [0.0, 1.0] as in the config, found '0, 1'"),
        ({"names": np.bytes_(b"\xff\xfe")}, "an attribute names that can be read, found"),
        ({"names": h5py.Empty("f4")}, "an attribute names that can be read, found"),
        ({"names": np.void(b"mu")}, "expected names"),
        ({"names": [1.0, 2.0]}, "expected names = ['mu', 'Sigma'] as in the config, found [1.0"),
        ({"names": "a\n\x1b[2J" * 10_000}, "expected names = ['mu', 'Sigma'] as in the config"),
    ],
)
def test_attributes_of_any_kind(tmp_path, attributes, fault):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, array in arrays_of().items():
            file[name] = array
        for name, value in attributes.items():
            try:
                file.attrs[name] = value
            except Exception:  # too long for an attribute of this file
                file.attrs[name] = value[:1000]
    assert fault in only_fault(tmp_path / "a.h5")


def odd_datasets(file):
    file["fiducial"] = h5py.Empty("f4")
    file["derivative"] = np.dtype("f4")


def odd_types(file):
    file.create_dataset("fiducial", (60,), np.dtype(("f4", (10,))))[:] = np.ones((60, 10), "f4")
    file.create_dataset("derivative", (50, 10, 2), np.complex64)[:] = 1


def in_a_group(file):
    for name, array in arrays_of().items():
        file[f"sims/of/{name}"] = array


@pytest.mark.parametrize(
    ("make", "faults"),
    [
        (odd_datasets, ["'fiducial', found an empty dataset", "'derivative', found a named type"]),
        (odd_types, ["expected fiducial of float32 or float64, found", "float64, found complex64"]),
        (in_a_group, ["'fiducial', found 'sims/of/fiducial'; it belongs at the top", "top of"]),
    ],
)
def test_what_is_no_array_of_numbers(tmp_path, make, faults):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        make(file)
    lines = "\n".join(faults_of(tmp_path / "a.h5"))
    for fault in faults:
        assert fault in lines


def test_too_few_simulations_in_any_set(tmp_path):
    """60 simulations, 20 summaries, fractions 0.4 and 0.2: det F was 5.9e31."""
    path = write(tmp_path / "a.h5", arrays_of())
    check_files({"training": str(path)}, tmp_path / "checked.json", problem=FILES)
    sets = {split: tmp_path / f"{split}.h5" for split in ("training", "validation", "test")}
    with pytest.raises(InputError, match="n_summaries \\+ 3 = 23 simulations .* in test, found 12"):
        use_files(
            tmp_path / "checked.json",
            sets,
            problem=FILES,
            fractions={"validation": 0.4, "test": 0.2},
            seed=1,
            n_summaries=20,
        )


# Files that are none


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"1.0 2.0\n3.0 4.0\n", "a text file that begins with '1.0 2.0"),
        ("µ, Σ\n1, 2\n".encode() * 200, "a text file that begins with 'µ, Σ"),
        (b"SIMPLE  =                    T", "a FITS file"),
        (b"\x80\x04\x95abc", "a pickle, which is not read"),
        (b"\x1f\x8b\x08\x00", "a gzip file"),
        (b"\x89HDF\r\n", "an HDF5 file whose beginning is damaged"),
        (bytes(range(256)), "something else"),
    ],
)
def test_other_files_are_called_what_they_are(tmp_path, content, found):
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    assert f"{path}: expected an HDF5 or npz file, found {found}" in only_fault(path)
    with pytest.raises(InputError, match="expected an HDF5, npz or npy file, found"):
        read_observed(path, PROBLEM)


@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "folder", "long", "null", "loop"])
def test_what_is_no_file_is_not_waited_for(tmp_path, kind):
    path = tmp_path / "a.h5"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    else:
        path = tmp_path / {"long": "x" * 300, "null": "a\0b"}[kind]
    assert "expected an HDF5 or npz file, found" in only_fault(path)
    with pytest.raises(InputError):
        read_observed(path, PROBLEM)


def test_links_to_a_pipe_are_not_followed(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["fiducial"] = h5py.ExternalLink("pipe", "fiducial")
        file["derivative"] = arrays_of()["derivative"]
    assert "found a link that leads nowhere" in only_fault(tmp_path / "a.h5")


def test_a_file_that_another_program_has_open(tmp_path):
    path = write(tmp_path / "a.h5", arrays_of())
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as HDF5 does
        assert "found a file that another program has open for writing" in only_fault(path)


def test_npz_and_npy_files_that_are_damaged(tmp_path):
    """Oracle: zipfile's checksums, and the sizes that headers give."""
    whole = write(tmp_path / "a.npz", arrays_of()).read_bytes()
    flipped = bytearray(whole)
    flipped[700] ^= 4
    (tmp_path / "flipped.npz").write_bytes(flipped)
    assert "found BadZipFile: Bad CRC-32" in only_fault(tmp_path / "flipped.npz")
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "large.npz", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content.replace(b"(60, 10)", b"(9**16,)"))
    assert "'fiducial', found ValueError: " in only_fault(tmp_path / "large.npz")
    with zipfile.ZipFile(tmp_path / "large.npz", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content.replace(b"(60, 10)", b"(99999,)"))
    assert "2400 bytes of 399996 for the shape (99999,)" in only_fault(tmp_path / "large.npz")
    with zipfile.ZipFile(tmp_path / "locked.npz", "w") as archive:
        archive.writestr("fiducial.npy", b"x")
    locked = bytearray((tmp_path / "locked.npz").read_bytes())
    for start in (6, locked.index(b"PK\1\2") + 8):
        locked[start] |= 1  # a password
    (tmp_path / "locked.npz").write_bytes(locked)
    assert "found an archive with a password" in faults_of(tmp_path / "locked.npz")[0]
    np.save(tmp_path / "a.npy", np.ones((3, 10)))
    header = bytearray((tmp_path / "a.npy").read_bytes())
    at = header.index(b"(3, 10)")
    header[at : at + 7] = b"(9**9,)"
    (tmp_path / "a.npy").write_bytes(header)
    with pytest.raises(InputError, match="expected an HDF5, npz or npy file, found "):
        read_observed(tmp_path / "a.npy", PROBLEM)


def test_observed_data_that_float32_can_not_hold(tmp_path):
    for value in (1e39, -1.6375e30, 1e200):
        np.save(tmp_path / "a.npy", np.array([np.ones(10), np.full(10, value)]))
        with pytest.raises(InputError, match="squares float32 can hold, .* first at index 1"):
            read_observed(tmp_path / "a.npy", PROBLEM)


# Files that libraries do not survive


def text_of_child():
    """A stand-in for the child: it is killed, or does not end, at files of these names."""
    return (
        "import json, os, sys, time\n"
        "for key, path in json.load(sys.stdin):\n"
        "    if 'crash' in path: os.abort()\n"
        "    if 'hang' in path: time.sleep(100)\n"
        "    print(json.dumps(['a fault'] if 'fault' in path else []), flush=True)\n"
    )


def test_a_file_that_kills_or_keeps_its_reader_is_named(tmp_path, monkeypatch):
    """All other files are looked at as well."""
    (tmp_path / "imnn_core/data").mkdir(parents=True)
    (tmp_path / "imnn_core/data/trial.py").write_text(text_of_child())
    monkeypatch.setattr(trial, "CORE", tmp_path)
    paths = {}
    for name in ("crash", "fault", "hang"):
        path = tmp_path / f"{name}.h5"
        path.touch()
        paths[f"simulations.{name}"] = str(path)
    lines = trial.faults([*paths.items(), ("observed", str(tmp_path / "none.npy"))], seconds=1)
    assert lines == [
        f"simulations.crash: {tmp_path}/crash.h5: expected a file of arrays, found one that "
        "crashes its library (SIGABRT)",
        "simulations.fault: a fault",
        f"simulations.hang: {tmp_path}/hang.h5: expected a file of arrays, found one that its "
        "library does not open within 1 s",
    ]


def test_a_trial_of_real_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    np.save(tmp_path / "a.npy", np.ones((3, 10)))
    whole = write(tmp_path / "a.h5", arrays_of())
    paths = {"simulations.training": whole, "simulations.test": tmp_path / "pipe.h5"}
    paths |= {"simulations.validation": tmp_path / "a.npy", "observed": tmp_path / "a.npy"}
    test, validation = trial.faults([*paths.items()])
    assert test.startswith(f"simulations.test: {tmp_path / 'pipe.h5'}: expected an HDF5 or npz")
    assert "found an npy file, which has one array without a name" in validation


def test_a_heap_of_texts_without_an_end(tmp_path):
    """HDF5 walks on the spot where an entry has no size."""
    path = write(tmp_path / "a.h5", arrays_of(), {"names": NAMES})
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL\x01\0\0\0")
    content[heap + 16 : heap + 32] = bytes(16)
    path.write_bytes(content)
    (line,) = trial.faults([("simulations.training", path)], seconds=2)
    assert "found one that its library does not open within 2 s" in line
