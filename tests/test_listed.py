"""One array in many files: paths, patterns, folders, lists, axes, and what is wrong with them."""

import os
import pickle

import h5py
import numpy as np
import pytest
from imnn_core.config.listed import Arrays, fault_of_axes
from imnn_core.data import listing
from imnn_core.data.listed import open_listed, paths_of
from imnn_core.data.named_files import naturally
from imnn_core.store.errors import InputError


def saved(path, array, name="simulations"):
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez(path, **{name: array})
    else:
        with h5py.File(path, "w") as file:
            file[name] = array
    return str(path)


def read(given, shape=(4,), **how):
    with open_listed(given, shape, "compress.mocks", **how) as array:
        whole = array.whole()
        for start, stop in ((0, 1), (1, array.shape[0]), (array.shape[0] // 2, array.shape[0])):
            rows = np.empty((stop - start, *array.shape[1:]), array.dtype)
            array.read(start, rows)
            np.testing.assert_array_equal(rows, whole[start:stop])
        return whole


def faults_of(given, shape=(4,), **how):
    with pytest.raises(InputError) as caught:
        read(given, shape, **how)
    assert all(line.startswith("compress.mocks") for line in caught.value.lines)
    return caught.value.lines


def test_files_of_all_kinds_as_one_array(tmp_path, rng):
    """Oracle: numpy's concatenation; headers alone do not open more than a few files."""
    parts = [rng.standard_normal((n, 4)) for n in (3, 1, 5, 2)]
    names = ["b.npy", "c.h5", "a.npz", "d.hdf5"]
    given = [saved(tmp_path / name, d) for name, d in zip(names, parts, strict=True)]
    np.testing.assert_array_equal(read(given), np.concatenate(parts))
    found = read({"files": given, "axes": ["n", "bins"]})
    np.testing.assert_array_equal(found, np.concatenate(parts))
    order = [2, 0, 1, 3]  # of their names
    expected = np.concatenate([parts[i] for i in order])
    (tmp_path / "notes.txt").write_text("not an array")
    (tmp_path / "sub.npy").mkdir()
    np.testing.assert_array_equal(read(str(tmp_path)), expected)
    np.testing.assert_array_equal(read([str(tmp_path / "a*"), str(tmp_path / "[b-d].*")]), expected)


@pytest.mark.parametrize("ending", ["npy", "h5", "npz"])
def test_a_simulation_per_file_in_natural_order(tmp_path, rng, monkeypatch, ending):
    """Oracle: numpy's stack in the order of the numbers; few files are open at a time."""
    d = rng.standard_normal((30, 2, 3)).astype(np.float32)
    for i, each in enumerate(d):
        saved(tmp_path / f"sim_{i}.{ending}", each.T if ending == "npz" else each)
    given = str(tmp_path / "sim_*")
    if ending == "npz":
        with pytest.raises(InputError, match="expected shape"):
            read(given, (2, 3))
        d = d.transpose(0, 2, 1)
        np.testing.assert_array_equal(read({"files": given, "axes": ["x", "y"]}, (3, 2)), d)
    found = read(given, d.shape[1:])
    np.testing.assert_array_equal(found, d)
    assert found.dtype == np.float32
    before = len(os.listdir("/proc/self/fd"))
    with open_listed(given, d.shape[1:], "x") as array:
        array.whole()
        assert len(os.listdir("/proc/self/fd")) <= before + listing.OPEN
    assert len(os.listdir("/proc/self/fd")) == before


def test_natural_order():
    """Oracle: by hand."""
    names = ["s10/a2", "s9/a10", "s9/a9", "s10/a10", "a", "s010/a1", "s9/b", "1", ""]
    expected = ["", "1", "a", "s9/a9", "s9/a10", "s9/b", "s010/a1", "s10/a2", "s10/a10"]
    assert sorted(names, key=naturally) == expected


@pytest.mark.parametrize("ending", ["npy", "h5", "npz"])
@pytest.mark.parametrize("form", ["C", "F", ">"])
def test_axes_in_any_order(tmp_path, rng, ending, form):
    """Oracle: numpy's transpose."""
    d = rng.standard_normal((7, 2, 3))
    stored = {"F": np.asfortranarray, ">": lambda x: x.astype(">f8"), "C": np.copy}[form]
    for axes, order in (
        (["n", "x", "y"], (0, 1, 2)),
        (["x", "y", "n"], (1, 2, 0)),
        (["x", "n", "y"], (1, 0, 2)),
    ):
        path = saved(tmp_path / f"a.{ending}", stored(d.transpose(order)))
        found = read({"files": path, "axes": axes}, (2, 3))
        np.testing.assert_array_equal(found, d)
        assert found.dtype == np.float64
        assert found.dtype.isnative


def test_numbers_of_other_types_become_float64(tmp_path, rng):
    d = rng.integers(0, 9, (6, 4))
    one, two = (
        saved(tmp_path / "a.npy", d.astype("u1")),
        saved(tmp_path / "b.h5", d.astype("f4")),
    )
    for given, expected in (([one, two], np.concatenate([d, d])), (one, d)):
        found = read(given)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, expected)
    assert read(two).dtype == np.float32


def test_datasets_by_their_names(tmp_path, rng):
    d = rng.standard_normal((3, 4))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["deep/in/it"], file["other"], file["fiducial"] = d, d + 1, d + 2
        file["link"] = h5py.SoftLink("/deep")
    path = str(tmp_path / "a.h5")
    for name, add in (("deep/in/it", 0), ("/other/", 1), (None, 2), ("link/in/it", 0)):
        np.testing.assert_array_equal(read(Arrays(files=path, dataset=name)), d + add)
    (line,) = faults_of({"files": path, "dataset": "deep"})
    assert "expected a dataset 'deep', found deep/in/it, fiducial, link, other" in line
    (line,) = faults_of(path, names=("none",))
    assert "expected one dataset 'none', or one alone, or its name by `dataset`, found" in line
    only = str(tmp_path / "b.npz")
    np.savez(only, whatever=d, theta_fid=[0.0, 1.0])
    np.testing.assert_array_equal(read(only), d)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["deep/in/it"]
    (line,) = faults_of({"files": path, "dataset": "link/in/it"})
    assert "expected a dataset 'link/in/it', found a link that leads nowhere" in line


def test_faults_name_the_file(tmp_path, rng):
    d = rng.standard_normal((3, 4))
    files = [saved(tmp_path / f"{i}.npy", d) for i in range(6)]
    saved(tmp_path / "1.npy", d[:, :3])
    saved(tmp_path / "2.npy", d.astype(complex))
    whole = (tmp_path / "3.npy").read_bytes()
    (tmp_path / "3.npy").write_bytes(whole[:-8])
    (tmp_path / "4.npy").write_bytes(pickle.dumps(d))
    np.save(tmp_path / "5.npy", np.array([{}, 1]), allow_pickle=True)
    lines = faults_of([*files, str(tmp_path / "none.h5")])
    for line, found in zip(
        lines,
        (
            "3.npy: expected an HDF5, npz or npy file, found ValueError: an npy file that was",
            "4.npy: expected an HDF5, npz or npy file, found a pickle, which is not read",
            "5.npy: expected an HDF5, npz or npy file, found ValueError: objects of Python, a",
            "none.h5: expected an HDF5, npz or npy file, found none there",
        ),
        strict=True,
    ):
        assert found in line
    shape, numbers = faults_of(files[:3])
    assert shape.endswith(f"({files[1]}): expected shape (n, 4) or (4,), found (3, 3)")
    assert numbers.endswith("2.npy): expected real numbers of at most 8 bytes, found complex128")
    many = [saved(tmp_path / f"m{i}.npy", d[:, :3]) for i in range(30)]
    assert faults_of(many)[10:] == ["compress.mocks: found 20 more faults like these"]


def test_faults_of_names(tmp_path, rng):
    path = saved(tmp_path / "a.npy", rng.standard_normal((3, 4)))
    (tmp_path / "link.npy").symlink_to(path)
    (tmp_path / "empty").mkdir()
    (line,) = faults_of(str(tmp_path / "b*.npy"))
    assert line.endswith("b*.npy): expected files of that pattern, found none")
    (line,) = faults_of(str(tmp_path / "empty"))
    assert line.endswith("expected files in it (.npy, .npz, .h5, .hdf5, .hdf, .he5), found none")
    (line,) = faults_of([path, path])
    assert line.endswith("expected each file once, found it twice")
    (line,) = faults_of(str(tmp_path / "*.npy"))
    assert line.endswith(f"expected each file once, found it twice, also as {path}")
    bracket = saved(tmp_path / "c[1].npy", np.ones((2, 4)))
    assert paths_of(bracket) == [bracket]  # a name comes before a pattern
    (line,) = faults_of(saved(tmp_path / "none.npy", np.ones((0, 4))))
    assert line.endswith("expected simulations, found none")
    (line,) = faults_of(saved(tmp_path / "one.npy", np.float64(1)))
    assert line.endswith("expected an array of simulations, found one number")


@pytest.mark.parametrize(
    ("axes", "further", "n_grid", "is_right"),
    [
        (["bins", "n"], (), 1, True),
        (["bins"], (), 1, True),
        (["n", "x", "y"], (), 2, True),
        (["n", "x"], (), 2, False),
        (["n", "n"], (), 1, False),
        (["n", "n_params", "x"], (), 1, False),
        (["n", "n_params", "x"], ("n_params",), 1, True),
        (["n", "x"], ("n_params",), 1, False),
        (["sides", "x", "n_params", "n"], ("sides", "n_params"), 1, True),
        (["n"], (), None, False),
    ],
)
def test_names_of_axes(tmp_path, axes, further, n_grid, is_right):
    """Oracle: by hand."""
    assert (fault_of_axes(axes, n_grid, further) is None) == is_right


def test_axes_that_the_files_have_not(tmp_path):
    path = saved(tmp_path / "a.npy", np.ones((3, 4)))
    (line,) = faults_of({"files": path, "axes": ["n", "x", "y"]}, (2, 2))
    assert line.endswith("a.npy): expected the axes (n, x, y), found the shape (3, 4)")
    (line,) = faults_of({"files": path, "axes": ["n", "x", "y"]})
    assert line.startswith(
        "compress.mocks.axes: expected 'n' and 1 other name of input_shape, each"
    )


def test_a_file_that_becomes_shorter_is_named(tmp_path, rng):
    """Its header was read; a mapped file would kill the process."""
    for order in ("C", "F"):
        path = saved(tmp_path / "a.npy", np.array(rng.standard_normal((900, 4)), order=order))
        with open_listed(path, (4,), "x") as array:
            os.truncate(path, 1000)
            with pytest.raises(InputError, match=r"a\.npy: expected an npy file that can be read"):
                array.whole()


def test_of_two_arrays_with_usual_names_one_must_be_named(tmp_path, rng):
    a, b = rng.standard_normal((2, 3, 4))
    np.savez(tmp_path / "two.npz", fiducial=a, observed=b)
    (line,) = faults_of(str(tmp_path / "two.npz"))
    assert "expected one dataset" in line and line.endswith("found fiducial, observed")
    given = {"files": str(tmp_path / "two.npz"), "dataset": "observed"}
    with open_listed(given, (4,), "mocks") as d:
        np.testing.assert_array_equal(d.whole(), b)


def test_where_float32_has_too_few_digits_each_file_is_looked_at(tmp_path, rng):
    """A list with one file of float64 comes as float64, which would hide the others."""
    d = rng.standard_normal((3, 4))
    for name, dtype in (("a", "f8"), ("b", "f4"), ("c", "i8")):
        np.save(tmp_path / f"{name}.npy", d.astype(dtype))
    given = [str(tmp_path / f"{name}.npy") for name in "abc"]
    with open_listed(given, (4,), "mocks") as found:
        assert found.dtype == np.float64
    (line,) = faults_of(given, takes_float32=False)
    assert "b.npy): expected float64" in line and line.endswith("found float32")
    with open_listed(given[::2], (4,), "mocks", takes_float32=False) as found:
        assert found.shape == (6, 4)
