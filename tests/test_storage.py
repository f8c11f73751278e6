"""Files of simulations: what goes in comes out, what is broken is named, and nothing is left
half-written.
"""

import os
import shutil
import subprocess
from types import SimpleNamespace

import h5py
import jax
import numpy as np
import pytest
import small_files
from conftest import everything
from imnn_core.data import drawn_files, sets
from imnn_core.problems import shipped, simulations
from imnn_core.store import heads, texts
from imnn_core.store.errors import InputError

PROBLEM = shipped.gaussian()
ASKED = {"n_s": 30, "n_d": 20, "seed": 1, "split": "training"}


@pytest.fixture
def path(tmp_path):
    """A file of simulations as the pipeline writes it."""
    path = tmp_path / "training.h5"
    small_files.write_set(
        path, simulations.draw(PROBLEM, jax.random.key(1), 30, 20), PROBLEM, **ASKED
    )
    return path


def fault_of(path, problem=PROBLEM, **asked):
    with pytest.raises(InputError) as caught:
        with sets.open_simulations(path, problem, **ASKED | asked):
            pass
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert message.endswith(f"rm {path}")
    return message


def test_simulations_come_back_as_they_were(path):
    (expected,) = simulations.draw(PROBLEM, jax.random.key(1), 30, 20)
    with sets.open_simulations(path, PROBLEM, **ASKED) as source:
        found = everything(source)
    np.testing.assert_array_equal(found[0], expected.fiducial)
    np.testing.assert_array_equal(found[1], expected.derivative)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_same_simulations_are_the_same_bytes(path):
    first = path.read_bytes()
    small_files.write_set(
        path, simulations.draw(PROBLEM, jax.random.key(1), 30, 20), PROBLEM, **ASKED
    )
    assert path.read_bytes() == first


@pytest.mark.parametrize("most", [1000, 10**9])
def test_rows_are_read_from_anywhere_whatever_the_system_gives_at_once(path, monkeypatch, most):
    """Oracle: HDF5's own reading. Linux gives 2 GiB at most in one call."""
    read = os.preadv
    monkeypatch.setattr(
        os, "preadv", lambda file, memory, offset: read(file, [memory[0][:most]], offset)
    )
    with sets.open_simulations(path, PROBLEM, **ASKED) as source, h5py.File(path) as file:
        for name, start, n in (("fiducial", 7, 23), ("derivative", 3, 17), ("derivative", 20, 0)):
            rows = np.zeros((n, *file[name].shape[1:]), np.float32)
            source.read(name, start, rows)
            np.testing.assert_array_equal(rows, file[name][start : start + n])


def shortened():
    """HDF5's type of numbers that lie in the file as bfloat16."""
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_precision(16)
    kind.set_size(2)
    return h5py.Datatype(kind)


def test_a_read_that_ends_early_is_named_and_one_after_closing_reads_nothing(path, monkeypatch):
    with sets.open_simulations(path, PROBLEM, **ASKED) as source:
        with (
            monkeypatch.context() as patch,
            pytest.raises(
                InputError,
                match="expected simulations that can be read, found it ended early",
            ),
        ):
            patch.setattr(os, "preadv", lambda *_: 0)
            everything(source)
    with open(path, "rb"), pytest.raises(KeyError):  # under the number of the closed one
        everything(source)


@pytest.mark.parametrize("keep", [0, 100, 0.5, -8])
def test_a_truncated_file_is_named(path, keep):
    whole = path.read_bytes()
    keep = int(keep * len(whole)) if isinstance(keep, float) else keep
    path.write_bytes(whole[:keep])
    fault = (
        "expected the bytes that were written"
        if keep not in (0, 100)
        else "expected a whole file of this pipeline"
    )
    assert fault in fault_of(path)


def test_a_flipped_bit_is_named_wherever_it_is(path):
    """In the checksum itself, the note of where rows lie, HDF5's structures, and numbers."""
    whole = path.read_bytes()
    places = [*range(0, heads.SIZE, 9), heads.SIZE - 1, *range(heads.SIZE, len(whole), 97)]
    for at in [*places, len(whole) - 1]:
        changed = bytearray(whole)
        changed[at] ^= 1
        path.write_bytes(changed)
        assert "expected " in fault_of(path)


@pytest.mark.parametrize(
    ("problem", "asked", "fault"),
    [
        (PROBLEM, {"n_s": 31}, "expected fiducial of shape (31, 10), found (30, 10)"),
        (PROBLEM, {"n_d": 19}, "expected derivative of shape (19, 10, 2), found (20, 10, 2)"),
        (PROBLEM, {"seed": 2}, "expected seed = 2 as in the config, found 1"),
        (PROBLEM, {"split": "test"}, "expected split = test as in the config, found training"),
        (
            shipped.gaussian(theta_fid=(0.0, 2.0)),
            {},
            "expected theta_fid = [0.0, 2.0] as in the config, found [0.0, 1.0]",
        ),
        (
            shipped.gaussian(input_shape=(9,)),
            {},
            "expected fiducial of shape (n, 9), found (30, 10)",
        ),
    ],
)
def test_simulations_of_something_else_are_refused(path, problem, asked, fault):
    assert fault in fault_of(path, problem, **asked)


def test_another_kind_of_file_is_named(path, tmp_path):
    with h5py.File(path, "w", userblock_size=heads.SIZE):
        pass
    heads.seal(path)
    assert (
        "expected a file of kind 'simulations' or 'reference', format 2, found None, None"
        in fault_of(path)
    )
    assert "expected a whole HDF5 file" in fault_of(tmp_path / "nowhere.h5")


def test_an_error_while_writing_leaves_what_was_there(path):
    before = path.read_bytes()

    def broken():
        yield from simulations.draw(PROBLEM, jax.random.key(2), 30, 20)
        raise InputError("no more")

    with pytest.raises(InputError):
        small_files.write_set(path, broken(), PROBLEM, **ASKED)
    assert path.read_bytes() == before
    beside = {
        drawn_files.journal(path).name,
        drawn_files.kept(path).name,
        drawn_files.unfinished(path).name,
    }
    assert {p.name for p in path.parent.iterdir()} == {path.name, *beside}  # what it had drawn


@pytest.mark.parametrize("text", ["", '{"F": [1, 2'])
def test_a_broken_json_file_is_named(tmp_path, text):
    path = tmp_path / "information.json"
    path.write_text(text)
    with pytest.raises(
        InputError, match=r"information.json: expected a whole JSON file, found: .* rm /"
    ):
        texts.read_json(path)


def test_a_number_that_json_cannot_hold_is_named_with_its_place(tmp_path):
    """Not by a traceback, and nothing is written."""
    path = tmp_path / "information.json"
    values = {"a": 1.0, "b": {"c": [[0.5], [2, float("nan")]]}, "d": float("-inf")}
    with pytest.raises(
        InputError, match=rf"^{path}: expected finite numbers to write, found nan in b.c\[1\]\[1\]$"
    ):
        texts.write_json(path, values)
    values["b"] = (None, "nan", True)
    with pytest.raises(InputError, match="found -inf in d$"):
        texts.write_json(path, values)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def large(tmp_path):
    """A file of more than HDF5 keeps in memory, (path, n_s)."""
    path, n = tmp_path / "training.h5", 3000
    problem = shipped.gaussian(input_shape=(300,))
    pieces = simulations.draw(problem, jax.random.key(1), n, n)
    small_files.write_set(path, pieces, problem, n_s=n, n_d=n, seed=1, split="training")
    return path, problem, n


@pytest.mark.parametrize("keep", [0, 0.5])
def test_a_file_that_shrinks_while_it_is_read_is_named(large, keep):
    """HDF5 itself would give zeros."""
    path, problem, n = large
    whole = path.stat().st_size
    with sets.open_simulations(path, problem, n_s=n, n_d=n, seed=1, split="training") as source:
        os.truncate(path, int(keep * whole))
        fault = f"^{path}: (expected {whole} bytes as at the beginning|expected fiducial that can)"
        with pytest.raises(InputError, match=fault) as caught:
            everything(source)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_deleted_while_it_is_read_is_read_to_its_end(large):
    path, problem, n = large
    with sets.open_simulations(path, problem, n_s=n, n_d=n, seed=1, split="training") as source:
        expected = everything(source)
        path.unlink()
        for one, other in zip(everything(source), expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_too_little_room_is_found_before_anything_is_drawn_in_vain(tmp_path, monkeypatch):
    """Oracle: by hand: 30 simulations of 10 numbers and 20 times 20 derivatives, 4 bytes each."""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2799))
    path = tmp_path / "training.h5"
    with pytest.raises(
        InputError,
        match=f"^{path}: expected 2800 bytes free on the disk, found 2799; make room there",
    ):
        small_files.write_set(
            path, simulations.draw(PROBLEM, jax.random.key(1), 30, 20), PROBLEM, **ASKED
        )
    assert list(tmp_path.iterdir()) == [drawn_files.journal(path)]


def test_a_disk_that_fills_up_is_named_and_leaves_nothing(tmp_path):
    """A file system of one megabyte, really full; only root may make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs to mount a small file system, which this user may not")
    try:
        path, problem = folder / "training.h5", shipped.gaussian(input_shape=(300,))

        def pieces():
            yield next(simulations.draw(problem, jax.random.key(1), 50, 50))
            (folder / "other").write_bytes(
                bytes(shutil.disk_usage(folder).free - 1000)
            )  # fills up after the check
            yield from simulations.draw(problem, jax.random.key(2), 150, 150)

        with pytest.raises(
            InputError, match=f"^{path}: no space left on the disk .*make room there"
        ) as caught:
            small_files.write_set(
                path, pieces(), problem, n_s=200, n_d=200, seed=1, split="training"
            )
        assert "\n" not in str(caught.value)
        beside = {drawn_files.journal(path).name, drawn_files.unfinished(path).name}
        assert {p.name for p in folder.iterdir()} == {"other", *beside}
    finally:
        subprocess.run(["umount", folder], check=True)


def test_what_a_killed_job_left_behind_goes_when_the_file_is_made_anew(tmp_path):
    """And nothing else does, whatever its name."""
    path, others = (
        tmp_path / "a[1].csv",
        [".a[1].csv.txt", ".a1.csv.x.part", ".b.csv.x.part", "a[1].csv.x.part"],
    )
    for name in [".a[1].csv.x.part", *others]:
        (tmp_path / name).touch()
    texts.write_text(path, "x")
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        [*others, path.name, f".{path.name}.sha256"]
    )
