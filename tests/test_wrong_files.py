"""Files that are wrong in a way that can be seen: each kind is named, with where."""

import fcntl
import os
import re
import socket
import threading
import zipfile

import h5py
import numpy as np
import pytest
from imnn_core.data import reading, trial, user_files
from imnn_core.data.arrays import read_observed
from imnn_core.problems import load
from imnn_core.store.errors import InputError
from small_files import FILES, NAMES, PROBLEM, arrays_of, changed, write
from user_run import numpy_problem

THREE = {"names": ["a", "b"], "theta_fid": [0.0, 0.0], "input_shape": [2, 2]}


def faults_of(path, problem=PROBLEM, **others):
    lines = user_files.check({"training": path, **others}, problem).faults
    for line in lines:
        assert line.isprintable()
        assert len(line) < 1500
    return lines


def only_fault(path, problem=PROBLEM):
    (line,) = faults_of(path, problem)
    return line


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
    steps = {"delta_theta": [0.2, 0.2], "from_files": True, "of_summaries": of_summaries}
    return load.build("files", **THREE | steps | changes)


def saved(folder, arrays, name="a.h5"):
    return write(folder / name, arrays, {"delta_theta": [0.2, 0.2]})


# The order of axes and rows


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ((0, 2, 1, 3, 4), "(n_d, n_params, 2, input_shape[0], input_shape[1])"),
        ((0, 1, 2, 4, 3), "(n_d, 2, n_params, input_shape[1], input_shape[0])"),
        ((0, 3, 4, 1, 2), "(n_d, input_shape[0], input_shape[1], 2, n_params)"),
        ((0, 4, 1, 2, 3), "(n_d, n_params, input_shape[0], input_shape[1], 2)"),
    ],
)
def test_exchanged_axes_of_equal_sizes(tmp_path, rng, order, found):
    """Oracle: the same numbers in the right order have no fault."""
    arrays = shifted_normal(rng)
    assert faults_of(saved(tmp_path, arrays), shifted_problem()) == []
    wrong = arrays | {"shifted": arrays["shifted"].transpose(order)}
    line = only_fault(saved(tmp_path, wrong), shifted_problem())
    assert f"found ones that seem to be {found}" in line or "midpoints" in line


def test_exchanged_axes_are_named_as_they_lie(tmp_path, rng):
    arrays = shifted_normal(rng)
    arrays["shifted"] = arrays["shifted"].transpose(0, 2, 1, 3, 4)
    assert "found ones that seem to be (n_d, n_params, 2, input_shape[0]" in only_fault(
        saved(tmp_path, arrays), shifted_problem()
    )


@pytest.mark.parametrize("offsets", [None, [[-0.1, 0.1], [0.1, 0.2]], [[0.1], [0.2]]])
def test_rows_of_shifted_in_another_order(tmp_path, rng, offsets):
    """Oracle: the permutation, of which the message gives one pair that is right. In differences of
    summaries the order does no harm, and is a note.
    """
    arrays = shifted_normal(rng)
    problem, changes = shifted_problem(), {}
    if offsets is not None:
        changes = {"delta_theta": offsets}
        slopes = (np.ones((2, 2)), 1 + np.arange(4).reshape(2, 2))
        columns = [
            arrays["fiducial"] + offset * slope
            for slope, each in zip(slopes, offsets, strict=True)
            for offset in each
        ]
        arrays["shifted"] = np.stack(columns, axis=1)
    problem = shifted_problem(**changes)
    assert faults_of(saved(tmp_path, arrays), problem) == []
    order = rng.permutation(60)
    arrays["shifted"] = arrays["shifted"][order]
    path = saved(tmp_path, arrays)
    line = only_fault(path, problem)
    i, j = map(int, re.search(r"found row (\d+) of it to be row (\d+) of", line).groups())
    assert order[i] == j
    checked = user_files.check({"training": path}, shifted_problem(of_summaries=True, **changes))
    assert checked.faults == []
    assert "expected row i of shifted" in checked.notes[0]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rows_of_derivative_in_another_order(tmp_path, seed):
    """Which can be guessed only, and is a note. Derivatives that are the same in all rows, as those
    by mu, tell nothing.
    """
    arrays = arrays_of(200, 150)
    order = np.random.default_rng(seed).permutation(150)
    problem = load.build(**FILES)

    def notes():
        found = user_files.check({"training": write(tmp_path / "a.h5", arrays)}, problem)
        assert found.faults == []
        return found.notes

    assert notes() == []
    arrays["derivative"] = arrays["derivative"][order]
    (line,) = notes()
    assert "expected row i of derivative to be the derivative of row i of fiducial" in line
    arrays["derivative"][..., 1] = arrays["derivative"][..., 0]
    assert notes() == []


@pytest.mark.parametrize("kind", ["counts", "independent", "bent"])
def test_what_is_no_exchange_is_left_alone(tmp_path, rng, kind):
    """Matched counts, draws that do not match, and simulations that bend are other matters."""
    arrays = shifted_normal(rng)
    if kind == "counts":
        arrays = {name: np.floor(5 * array) for name, array in arrays.items()}
    elif kind == "independent":
        arrays["shifted"] = rng.standard_normal(arrays["shifted"].shape)
    else:
        arrays["shifted"] = arrays["shifted"] + 0.1
    assert faults_of(saved(tmp_path, arrays), shifted_problem()) == []


# Simulations that repeat


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_continuous_simulations_that_repeat(tmp_path, suffix, share):
    arrays, n = arrays_of(), max(1, round(share * 60))
    arrays["fiducial"][60 - n :] = arrays["fiducial"][:n]
    line = only_fault(write(tmp_path / f"a{suffix}", arrays))
    assert f"expected different simulations, found {n} of 60 twice, such as index 0 and" in line


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.3, 2])
@pytest.mark.parametrize("unit", [1, 0.1, 1e-7])
def test_discrete_simulations_may_repeat_and_it_is_told(tmp_path, rng, rate, unit):
    """Oracle: numpy's count of different rows; counts in any unit."""
    counts = rng.poisson(rate, (400, 3))
    counts[:2] = [[0, 1, 2], [3, 0, 1]]
    arrays = {
        "fiducial": (unit * counts).astype(np.float32),
        "derivative": rng.standard_normal((50, 3, 2)),
    }
    arrays["derivative"] = arrays["derivative"].astype(np.float32)
    problem = load.build(**FILES | {"input_shape": [3]})
    paths = {"training": write(tmp_path / "a.h5", arrays), "test": write(tmp_path / "b.h5", arrays)}
    found = user_files.check(paths, problem)
    assert found.faults == []
    n = 400 - len(np.unique(counts, axis=0))
    assert any(f"found {n} of 400 twice" in note for note in found.notes)
    assert "in both" in found.notes[-1]


# Numbers that are no data


@pytest.mark.parametrize("value", [-1.6375e30, 9.96921e36, -9999.0, 1e20])
@pytest.mark.parametrize("places", ["one number", "some rows", "anywhere"])
def test_masks_are_named_with_where(tmp_path, rng, value, places):
    arrays = arrays_of()
    wanted = {
        "one number": (np.arange(4, 14), 3),
        "some rows": ([11, 30], slice(None)),
        "anywhere": (np.arange(0, 60, 7), np.arange(9)),
    }[places]
    arrays["fiducial"][wanted] = value
    line = only_fault(write(tmp_path / "a.h5", arrays))
    n = int((arrays["fiducial"] == np.float32(value)).sum())
    assert f"expected data in fiducial, found {np.float32(value):.6g} {n} times in" in line
    k = int((arrays["fiducial"] == np.float32(value)).any(axis=0).argmax())
    row = int((arrays["fiducial"][:, k] == np.float32(value)).argmax())
    assert f"the first in simulation {row} at index {k}," in line


@pytest.mark.parametrize("value", [-1.6375e30, -9999.0])
@pytest.mark.parametrize("part", ["derivative", "shifted"])
def test_masks_in_derivatives(tmp_path, rng, value, part):
    """In shifted simulations a mask at minus and plus alike leaves no trace in differences."""
    if part == "derivative":
        arrays, problem = arrays_of(), PROBLEM
        arrays[part][3:9, 2, 1] = value
    else:
        arrays, problem = shifted_normal(rng), shifted_problem()
        arrays[part][3:9, :, 1, 0, 1] = value
    line = only_fault(saved(tmp_path, arrays), problem)
    assert f"expected data in {part}, found {np.float32(value):.6g} 6 times in 1 of" in line
    assert "the first in simulation 3 at index" in line


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("unit", "expected"),
    [(1e-43, "holds with all digits"), (1e-41, "holds with"), (1e25, "whose squares float32 can")],
)
def test_units_that_float32_has_not(tmp_path, dtype, unit, expected):
    arrays = {name: unit * array.astype(np.float64) for name, array in arrays_of().items()}
    path = write(tmp_path / "a.h5", {name: each.astype(dtype) for name, each in arrays.items()})
    line = only_fault(path)
    assert expected in line
    assert "at index" in line


@pytest.mark.parametrize("heavy", ["cauchy", "lognormal", "zeros and ones", "saturated"])
def test_data_with_tails_and_jumps_are_no_masks(tmp_path, rng, heavy):
    d = rng.standard_normal((500, 10))
    d = {
        "cauchy": np.tan(np.pi * (rng.random((500, 10)) - 0.5)),
        "lognormal": np.exp(3 * d),
        "zeros and ones": (d > 2).astype(float),
        "saturated": np.minimum(d, 1.5),
    }[heavy]
    arrays = {"fiducial": d, "derivative": rng.standard_normal((50, 10, 2))}
    assert faults_of(write(tmp_path / "a.h5", arrays)) == []


# Infinite information


def test_a_number_that_never_varies_and_depends_on_a_parameter(tmp_path):
    arrays = arrays_of()
    arrays["fiducial"][:, 6] = 0.25
    arrays["derivative"][:, 6] = [0, 2]
    line = only_fault(write(tmp_path / "a.h5", arrays))
    assert "vary where they depend on Sigma, found 0.25 in all simulations at index 6 (1 of" in line
    arrays["derivative"][:, 6] = 0
    assert faults_of(write(tmp_path / "a.h5", arrays)) == []


def test_a_shifted_number_that_never_varies(tmp_path, rng):
    """A rare count that is 0 at theta_fid, and now and then 1 elsewhere, does vary."""
    arrays = shifted_normal(rng)
    arrays["fiducial"][:, 1, 0] = 3
    arrays["shifted"][:, :, :, 1, 0] = [[2, 3], [4, 3]]
    assert "depend on a, found 3 in all simulations at index 1, 0" in only_fault(
        saved(tmp_path, arrays), shifted_problem()
    )
    arrays["shifted"][:, :, :, 1, 0] = 3
    assert faults_of(saved(tmp_path, arrays), shifted_problem()) == []
    arrays["shifted"][17, 1, 0, 1, 0] = 4
    assert faults_of(saved(tmp_path, arrays), shifted_problem()) == []


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [10, 120, 300])
def test_a_combination_that_never_varies_and_depends_on_a_parameter(tmp_path, rng, dtype, n):
    """The sum of all numbers is 1, as of a normalised histogram; derivatives that keep it so are
    no fault.
    """
    problem = load.build(**FILES | {"input_shape": [n]})
    d = np.exp(0.3 * rng.standard_normal((4 * n, n)))
    d /= d.sum(axis=1, keepdims=True)
    derivative = rng.standard_normal((4 * n, n, 2))
    derivative -= derivative.mean(axis=1, keepdims=True)
    arrays = {"fiducial": d.astype(dtype), "derivative": derivative.astype(dtype)}
    assert faults_of(write(tmp_path / "a.h5", arrays), problem) == []
    derivative[:, 4, 1] += 0.1
    arrays["derivative"] = derivative.astype(dtype)
    line = only_fault(write(tmp_path / "a.h5", arrays), problem)
    assert "combinations of numbers that vary where they depend on Sigma, found one" in line


# Rows that come from nowhere


def virtual(folder, path, pieces, n=60):
    layout = h5py.VirtualLayout((n, 10), "f4")
    for start, stop, name, dataset in pieces:
        layout[start:stop] = h5py.VirtualSource(str(name), dataset, shape=(stop - start, 10))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("fiducial", layout)
        file["derivative"] = arrays_of()["derivative"]
    return path


def test_rows_of_virtual_datasets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    d = arrays_of()["fiducial"]
    for i in range(4):
        with h5py.File(f"part-{i}.h5", "w") as file:
            file["d"] = d[15 * i : 15 * i + 15]
    parts = [(15 * i, 15 * i + 15, f"part-{i}.h5", "d") for i in range(4)]
    path = virtual(tmp_path, tmp_path / "a.h5", parts)
    assert faults_of(path) == []
    (tmp_path / "part-1.h5").unlink()
    with h5py.File("part-2.h5", "w") as file:
        file["another"] = d[:15]
    with h5py.File("part-3.h5", "w") as file:
        file["d"] = d[:14]
    line = only_fault(path)
    assert "rows 15 to 29 from 'd' of 'part-1.h5': there is no such file" in line
    assert "rows 30 to 44 from 'd' of 'part-2.h5'" in line
    assert "rows 45 to 59 from 'd' of 'part-3.h5': expected 150 numbers there, found 140" in line
    path = virtual(tmp_path, tmp_path / "b.h5", parts[:1])
    assert "rows 15 to 59 of a virtual dataset that come from nowhere" in only_fault(path)
    with h5py.File("part-0.h5", "w") as file:
        file.create_dataset("d", (15, 10), "f4", chunks=(5, 10))[:5] = d[:5]
    assert "rows 0 to 14 from 'd' of 'part-0.h5': rows 5 to 14 that were never" in only_fault(path)


@pytest.mark.parametrize("through", ["itself", "another file"])
def test_a_virtual_dataset_of_itself(tmp_path, monkeypatch, through):
    """h5py crashes the process that reads it."""
    monkeypatch.chdir(tmp_path)
    other = "a.h5" if through == "itself" else "b.h5"
    path = virtual(tmp_path, tmp_path / "a.h5", [(0, 60, other, "fiducial")])
    virtual(tmp_path, tmp_path / "b.h5", [(0, 60, "a.h5", "fiducial")])
    assert "a virtual dataset that takes its numbers from itself" in only_fault(path)


def test_rows_that_were_never_written(tmp_path):
    d = arrays_of()
    for name, options in (("whole", {}), ("chunks", {"chunks": (7, 10)}), ("npz", {})):
        path = tmp_path / f"{name}.h5"
        with h5py.File(path, "w") as file:
            file["derivative"] = d["derivative"]
            file.create_dataset("fiducial", (60, 10), "f4", **options)
            if name == "chunks":
                file["fiducial"][:21] = d["fiducial"][:21]
                file["fiducial"][56:] = d["fiducial"][56:]
        expected = {"whole": "rows 0 to 59", "chunks": "rows 21 to 55"}.get(name, "rows 0 to 59")
        assert f"found {expected} that were never written" in only_fault(path)
    d["fiducial"][40:] = 0
    line = only_fault(write(tmp_path / "zeros.npz", d))
    assert "in all rows of fiducial, found nothing but 0 in 20 simulations, the first at" in line
    d = changed(derivative=lambda dd: dd * (np.arange(50) < 30)[:, None, None])(arrays_of())
    line = only_fault(write(tmp_path / "end.h5", d))
    assert "of derivative, found nothing but 0 in 20 simulations, the first at index 30" in line


def test_external_storage_that_is_missing_or_too_short(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arrays = arrays_of()
    arrays["fiducial"].tofile("raw.bin")
    with h5py.File("a.h5", "w") as file:
        file["derivative"] = arrays["derivative"]
        file.create_dataset("fiducial", (60, 10), "f4", external=[("raw.bin", 0, 2400)])
    assert faults_of(tmp_path / "a.h5") == []
    os.truncate("raw.bin", 1000)
    assert "rows from 25 on in 'raw.bin': it ends before them" in only_fault(tmp_path / "a.h5")
    os.unlink("raw.bin")
    assert "rows from 0 on in 'raw.bin': there is no such file" in only_fault(tmp_path / "a.h5")
    os.mkfifo("raw.bin")
    assert "there is no such file" in only_fault(tmp_path / "a.h5")


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


def test_half_the_step_as_delta_theta(tmp_path, rng):
    """Which makes det F 16 times too large; an attribute of the file is asked for and compared."""
    arrays = shifted_normal(rng)
    problem = shifted_problem(delta_theta=[0.1, 0.1])
    assert "expected delta_theta = [0.1, 0.1] as in the config, found [0.2, 0.2]" in only_fault(
        saved(tmp_path, arrays), problem
    )
    for suffix in (".h5", ".npz"):
        path = write(tmp_path / f"without{suffix}", arrays)
        assert "expected an attribute delta_theta (of npz an array)" in only_fault(path, problem)


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


def test_too_few_simulations_in_any_set(tmp_path):
    """60 simulations, 20 summaries, fractions 0.4 and 0.2: det F was 5.9e31."""
    from check_files import check_files
    from use_files import use_files

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


def test_a_file_that_is_read_by_many_threads_is_read_whole(tmp_path):
    """Of an npz file each array is loaded once, whoever asks first."""
    path, found = write(tmp_path / "a.npz", arrays_of()), []
    with reading.open_file(path) as opened:
        threads = [
            threading.Thread(target=lambda: found.append(opened.arrays["fiducial"].whole()))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for array in found:
        np.testing.assert_array_equal(array, arrays_of()["fiducial"])


# Files that libraries do not survive


def killed(path):
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
    (tmp_path / "imnn_core/data/trial.py").write_text(killed(tmp_path))
    monkeypatch.setattr(trial, "CORE", tmp_path)
    paths = {}
    for name in ("crash", "fault", "hang"):
        path = tmp_path / f"{name}.h5"
        path.touch()
        paths[f"simulations.{name}"] = str(path)
    lines = trial.faults(paths | {"observed": str(tmp_path / "none.npy")}, seconds=1)
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
    test, validation = trial.faults(paths)
    assert test.startswith(f"simulations.test: {tmp_path / 'pipe.h5'}: expected an HDF5 or npz")
    assert "found an npy file, which has one array without a name" in validation


def test_a_heap_of_texts_without_an_end(tmp_path):
    """HDF5 walks on the spot where an entry has no size."""
    path = write(tmp_path / "a.h5", arrays_of(), {"names": NAMES})
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL\x01\0\0\0")
    content[heap + 16 : heap + 32] = bytes(16)
    path.write_bytes(content)
    (line,) = trial.faults({"simulations.training": path}, seconds=2)
    assert "expected" in line


# Simulators that are wrong in the same ways


@pytest.mark.parametrize(
    ("simulator", "fault"),
    [
        ("np.round(rng.random()) + theta + rng.choice([0, 0.1], 3)", None),
        (
            "theta + np.random.default_rng(rng.integers(5)).random(3)",
            "expected different simulations",
        ),
        ("np.append(theta * rng.standard_normal(3), theta)", "in all simulations at index 3"),
        ("np.append(theta + rng.random(3), -9e30 * (rng.random() < 0.1))", "is it a mask?"),
        ("1e-43 * (theta + rng.standard_normal(3))", "that float32 holds with all digits"),
        (
            "(lambda z: np.append(z + theta, z.sum()))(rng.standard_normal(3))",
            "expected combinatio",
        ),
    ],
)
def test_what_a_simulator_draws_is_looked_at_as_files_are(tmp_path, simulator, fault):
    """By the first set of a run, before any fit."""
    from simulate import simulate

    n = 3 if fault is None or "append" not in simulator else 4
    problem = numpy_problem(
        tmp_path,
        f"def simulator(rng, theta):\n    return {simulator}\n"
        f"problem = Problem(simulator=simulator, theta_fid=[1.0], names=['a'], input_shape=({n},), "
        "numpy=True)\n",
    )
    settings = {"kind": str(problem), "delta_theta": [0.1], "of_summaries": True}
    sizes = {"n_s": 200, "n_d": 200, "seed": 1, "split": "training", "checks": True}
    if fault is None:
        simulate(tmp_path / "a.h5", problem=settings, **sizes)
        return
    with pytest.raises(InputError, match=re.escape(fault)):
        simulate(tmp_path / "a.h5", problem=settings, **sizes)


# What a tester found


def test_columns_of_a_virtual_dataset_that_come_from_nowhere(tmp_path, monkeypatch):
    """The same columns twice, the others never: as many numbers in each row as it has."""
    monkeypatch.chdir(tmp_path)
    with h5py.File("part.h5", "w") as file:
        file["d"] = arrays_of()["fiducial"]
    for columns in ((slice(0, 5), slice(5, 10)), (slice(0, 5), slice(0, 5))):
        layout = h5py.VirtualLayout((60, 10), "f4")
        source = h5py.VirtualSource("part.h5", "d", shape=(60, 10))
        layout[:, columns[0]] = source[:, :5]
        layout[:, columns[1]] = source[:, 5:]
        with h5py.File("a.h5", "w") as file:
            file.create_virtual_dataset("fiducial", layout)
            file["derivative"] = arrays_of()["derivative"]
        if columns[0] != columns[1]:
            assert faults_of(tmp_path / "a.h5") == []
    assert "rows 0 to 59 of a virtual dataset that come from nowhere" in only_fault(
        tmp_path / "a.h5"
    )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda s: 1000 * s, "expected shifted simulations that vary about as much as fiducial"),
        (lambda s: changed_at(s, (slice(None), 0, 1, 1, 1), 2.5), "found 2.5 in all at b -0.1 at"),
        (lambda s: changed_at(s, (slice(30, 60), 1, 1), 0.0), "nothing but 0 in 30 simulations"),
        (lambda s: np.concatenate([s[9::-1], s[10:]]), "expected row i of shifted"),
        (lambda s: changed_at(s, (slice(None), 0), s.mean(axis=(1, 2))[:, None]), "themselves"),
    ],
)
def test_shifted_simulations_that_are_others(tmp_path, rng, change, fault):
    """In other units, constant, not all there, partly in another order, or fiducial ones."""
    arrays = shifted_normal(rng)
    arrays["shifted"] = change(arrays["shifted"])
    if fault == "themselves":
        arrays["fiducial"] = arrays["shifted"][:, 0, 0]
    assert fault in only_fault(saved(tmp_path, arrays), shifted_problem())


def changed_at(array, where, value):
    array = array.copy()
    array[where] = value
    return array


@pytest.mark.parametrize(
    ("value", "share", "part"),
    [(-99.0, 0.05, "fiducial"), (0.0, 0.05, "offset"), (-999.0, 0.001, "fiducial")],
)
def test_masks_that_are_not_far_off(tmp_path, rng, value, share, part):
    """A value that repeats needs no distance; one that is known for it need not repeat."""
    arrays = arrays_of(400, 300)
    arrays["fiducial"] += 5000 * (part == "offset")
    masked = rng.random((400, 10)) < share
    masked[7, 3] = True
    arrays["fiducial"][masked] = value
    assert f"expected data in fiducial, found {value:g}" in only_fault(
        write(tmp_path / "a.h5", arrays)
    )


def test_a_mask_in_all_rows_of_a_derivative(tmp_path):
    arrays = arrays_of()
    arrays["derivative"][:, 3, 0] = -999
    assert "found -999 in all rows at index 3" in only_fault(write(tmp_path / "a.h5", arrays))


@pytest.mark.parametrize("kind", ["images", "rounded"])
def test_data_on_a_grid_that_can_not_repeat_by_chance(tmp_path, rng, kind):
    n = 36 if kind == "images" else 10
    d = rng.standard_normal((300, n))
    d = np.clip(np.round(128 + 20 * d), 0, 255) if kind == "images" else d.round(4)
    arrays = {"fiducial": d, "derivative": rng.standard_normal((50, n, 2))}
    problem = load.build(**FILES | {"input_shape": [n]})
    assert faults_of(write(tmp_path / "a.h5", arrays), problem) == []
    arrays["fiducial"][200:] = arrays["fiducial"][:100]
    assert "found 100 of 300 twice" in only_fault(write(tmp_path / "a.h5", arrays), problem)
    arrays["fiducial"][200:] = 0
    assert "nothing but 0 in 100 simulations" in only_fault(
        write(tmp_path / "a.h5", arrays), problem
    )


@pytest.mark.parametrize("n_d", [49, 50, 99, 100, 101, 150, 200])
def test_right_derivatives_are_in_order_whatever_their_number(tmp_path, n_d):
    arrays = arrays_of(200, n_d)
    found = user_files.check({"training": write(tmp_path / "a.h5", arrays)}, PROBLEM)
    assert (found.faults, found.notes) == ([], [])
