"""The key `compress` through the workflow: what it makes, makes again, and refuses."""

import os

import h5py
import imnn_core
import numpy as np
import pytest
from running import planned, snakemake
from tiny_project import TINY_RUN


@pytest.fixture
def folder(tiny_copy, rng):
    """The tiny run, with mocks in two files and a set in a group of a third."""
    (tiny_copy / "mocks").mkdir()
    for i in (2, 10):
        np.save(tiny_copy / f"mocks/m_{i}.npy", rng.standard_normal((8, 10)))
    with h5py.File(tiny_copy / "sims.h5", "w") as file:
        file["group/prior"] = rng.standard_normal((10, 6)).astype("f4")
    return tiny_copy


def keyed(*, mocks='"mocks/*.npy"'):
    prior = "{files: sims.h5, dataset: group/prior, axes: [draws, n]}"
    return "--config", f"compress={{mocks: {mocks}, prior: {prior}}}"


def test_each_fit_compresses_all_files(folder):
    """Oracle: the loaded fit, and the files in their natural order."""
    jobs = planned(folder, *TINY_RUN, *keyed())
    n_fits = len(list(folder.glob("results/tiny/fits/*")))
    assert jobs == {"compress": 2 * n_fits}
    snakemake(folder, *TINY_RUN, *keyed())
    assert planned(folder, *TINY_RUN, *keyed()) == {}
    (fit, *_) = sorted(folder.glob("results/tiny/fits/*/seed-1"))
    compressor = imnn_core.load(fit)
    mocks = np.concatenate([np.load(folder / f"mocks/m_{i}.npy") for i in (2, 10)])
    with h5py.File(folder / "sims.h5") as file:
        prior = file["group/prior"][:].T
    for name, d in (("mocks", mocks), ("prior", prior)):
        with h5py.File(fit / f"compressed/{name}.h5") as file:
            x, theta = file["summaries"][:], file["estimates"][:]
        np.testing.assert_allclose(x, compressor(d), rtol=1e-4, atol=1e-5)
        scale = np.sqrt(np.diag(compressor.covariance))
        np.testing.assert_allclose(theta / scale, compressor.estimates(d) / scale, atol=1e-4)
    # Other numbers with the same time and size: what was made of them, and nothing else.
    path = folder / "mocks/m_10.npy"
    times = path.stat()
    np.save(path, np.load(path) + 1)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert planned(folder, *TINY_RUN, *keyed()) == {"compress": n_fits}


def test_faults_come_at_the_start_in_one_message(folder):
    np.save(folder / "mocks/m_11.npy", np.zeros((3, 9)))
    output = snakemake(folder, "-n", *TINY_RUN, *keyed(), ok=False)
    assert (
        "compress.mocks (mocks/m_11.npy): expected shape (n, 10) or (10,), found (3, 9)" in output
    )
    values = "{a: none.npy, b: 'none/*.npy', c: [mocks/m_2.npy, mocks/m_2.npy], d: Snakefile}"
    output = snakemake(folder, "-n", *TINY_RUN, "--config", f"compress={values}", ok=False)
    for line in (
        "compress.a: expected a file, found none at none.npy",
        "compress.b (none/*.npy): expected files of that pattern, found none",
        "compress.c (mocks/m_2.npy): expected each file once, found it twice",
        "compress.d: Snakefile: expected an HDF5, npz or npy file, found a text file",
    ):
        assert line in output
    assert "Traceback" not in output
