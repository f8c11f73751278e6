"""Rows of HDF5 files and npz files that come from nowhere, which read as zeros."""

import os

import h5py
import numpy as np
import pytest
from imnn_core.data import links
from small_files import arrays_of, changed, faults_of, only_fault, write


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


@pytest.mark.parametrize("through", ["itself", "another file"])
def test_a_virtual_dataset_of_itself(tmp_path, monkeypatch, through):
    """h5py crashes the process that reads it."""
    monkeypatch.chdir(tmp_path)
    other = "a.h5" if through == "itself" else "b.h5"
    path = virtual(tmp_path, tmp_path / "a.h5", [(0, 60, other, "fiducial")])
    virtual(tmp_path, tmp_path / "b.h5", [(0, 60, "a.h5", "fiducial")])
    assert "a virtual dataset that takes its numbers from itself" in only_fault(path)


@pytest.mark.parametrize(("chunks", "found"), [(None, "0 to 59"), ((7, 10), "21 to 55")])
def test_rows_that_were_never_written(tmp_path, chunks, found):
    """A chunk that is written in part is there, as is a dataset in one stretch."""
    arrays, path = arrays_of(), tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["derivative"] = arrays["derivative"]
        file.create_dataset("fiducial", (60, 10), "f4", chunks=chunks)
        if chunks:
            file["fiducial"][:21] = arrays["fiducial"][:21]
            file["fiducial"][56:] = arrays["fiducial"][56:]
    assert f"found rows {found} that were never written" in only_fault(path)


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_rows_of_0(tmp_path, suffix):
    """As of an array that was made before its simulations, of which not all came."""
    arrays = arrays_of()
    arrays["fiducial"][40:] = 0
    line = only_fault(write(tmp_path / f"a{suffix}", arrays))
    assert "in all rows of fiducial, found nothing but 0 in 20 simulations, the first at" in line
    arrays = changed(derivative=lambda dd: dd * (np.arange(50) < 30)[:, None, None])(arrays_of())
    line = only_fault(write(tmp_path / f"a{suffix}", arrays))
    assert "of derivative, found nothing but 0 in 20 simulations, the first at index 30" in line


def test_blocks_of_files_whose_names_have_a_number(tmp_path, monkeypatch):
    """A source `b-%b.h5` without an end: block i is in b-i.h5. Oracle: h5py's own reading."""
    monkeypatch.chdir(tmp_path)
    arrays = arrays_of()
    for i in range(4):
        with h5py.File(f"b-{i}.h5", "w") as file:
            file["d"] = arrays["fiducial"][15 * i : 15 * i + 15]
    many = h5py.h5s.UNLIMITED
    with h5py.File("a.h5", "w") as file:
        file["derivative"] = arrays["derivative"]
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        space = h5py.h5s.create_simple((15, 10), (many, 10))
        space.select_hyperslab((0, 0), (many, 1), (15, 1), (15, 10))
        settings.set_virtual(space, b"b-%b.h5", b"d", h5py.h5s.create_simple((15, 10)))
        whole = h5py.h5s.create_simple((15, 10), (many, 10))
        h5py.h5d.create(file.id, b"fiducial", h5py.h5t.IEEE_F32LE, whole, settings)
    with h5py.File("a.h5") as file:
        np.testing.assert_array_equal(file["fiducial"][:], arrays["fiducial"])
    assert faults_of(tmp_path / "a.h5") == []
    assert links.others("a.h5") == [f"b-{i}.h5" for i in range(4)]


def test_a_source_without_an_end(tmp_path, monkeypatch):
    """A file that grows. Oracle: h5py's own reading."""
    monkeypatch.chdir(tmp_path)
    arrays, many = arrays_of(), h5py.h5s.UNLIMITED
    with h5py.File("part.h5", "w") as file:
        file.create_dataset("d", data=arrays["fiducial"], maxshape=(None, 10))
    source = h5py.VirtualSource("part.h5", "d", (60, 10), maxshape=(None, 10))
    layout = h5py.VirtualLayout((60, 10), "f4", maxshape=(None, 10))
    layout[0:many] = source[0:many]
    with h5py.File("a.h5", "w") as file:
        file.create_virtual_dataset("fiducial", layout)
        file["derivative"] = arrays["derivative"]
    with h5py.File("a.h5") as file:
        np.testing.assert_array_equal(file["fiducial"][:], arrays["fiducial"])
    assert faults_of(tmp_path / "a.h5") == []


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
