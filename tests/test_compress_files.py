"""Files of simulations that a fit compresses, block by block."""

import json
import subprocess
import sys

import h5py
import imnn_core
import numpy as np
import pytest
from compress import compress
from fitted_run import RECIPE
from imnn_core.fitted import files
from imnn_core.store import hdf5, texts
from imnn_core.store.errors import InputError
from small_run import PROBLEM, NoBar, recipe_of


class Bar:
    """Keeps what it is shown."""

    def __init__(self):
        self.shown = []

    def show(self, done, n, text):
        self.shown.append((done, n))


def do_compress(given, path_to_fit, target, bar=None):
    compress(
        given,
        path_to_fit,
        path_to_fit.with_name("information.json"),
        target,
        name="mocks",
        problem=PROBLEM,
        fit="one",
        seed=1,
        recipe=recipe_of(**RECIPE),
        bar=bar or NoBar(),
    )
    with hdf5.opened(target, "compressed") as file:
        return {name: file[name][:] for name in file}, dict(file.attrs)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
def test_summaries_and_estimates_come_in_the_order_of_the_files(
    path_to_fit, tmp_path, rng, monkeypatch, dtype
):
    """Oracle: the loaded fit, called on each simulation alone; in blocks of 560 bytes."""
    monkeypatch.setattr(files, "PIECE", 7 * 10 * 8)
    d = (3 * rng.standard_normal((45, 10))).astype(dtype)
    np.save(tmp_path / "m_2.npy", d[:20])
    np.save(tmp_path / "m_10.npy", d[20:])
    bar = Bar()
    found, about = do_compress(str(tmp_path / "m_*.npy"), path_to_fit, tmp_path / "out.h5", bar)
    compressor = imnn_core.load(path_to_fit)
    expected = np.stack([compressor(each) for each in d])
    np.testing.assert_allclose(found["summaries"], expected, rtol=1e-4, atol=1e-5)
    expected = np.stack([compressor.estimates(each) for each in d])
    scale = np.sqrt(np.diag(compressor.covariance))
    np.testing.assert_allclose(found["estimates"] / scale, expected / scale, atol=1e-4)
    blocks = [28, 42, 45] if dtype == "f4" else [14, 21, 28, 35, 42, 45]  # the first tells no rate
    assert bar.shown == [(done, 45) for done in blocks]
    assert (about["fit"], about["seed"], about["n"]) == ("one", 1, 45)
    assert about["trusted"]
    np.testing.assert_array_equal(about["covariance"], compressor.covariance)


def test_what_is_not_finite_is_named_with_its_place(path_to_fit, tmp_path, rng, monkeypatch):
    """In blocks of 7 simulations."""
    monkeypatch.setattr(files, "PIECE", 7 * 10 * 8)
    d = rng.standard_normal((30, 10)).astype("f4")
    d[17, 3] = np.nan
    np.save(tmp_path / "m.npy", d)
    with pytest.raises(
        InputError,
        match="^compress.mocks: .*found NaN, infinity or larger ones in simulation 17 of 30",
    ):
        do_compress(str(tmp_path / "m.npy"), path_to_fit, tmp_path / "out.h5")
    d[17, 3] = 3e38
    d[17, 4] = -3e38
    np.save(tmp_path / "m.npy", d)
    with pytest.raises(InputError, match="that are not finite for simulation 17 of 30, with"):
        do_compress(str(tmp_path / "m.npy"), path_to_fit, tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


def test_estimates_far_from_theta_fid_are_counted(path_to_fit, tmp_path, rng, caplog, monkeypatch):
    """Oracle: by hand: the estimates move with the simulations, by far more than five bounds; in
    blocks of 7.
    """
    monkeypatch.setattr(files, "PIECE", 7 * 10 * 8)
    caplog.set_level("INFO", logger="imnn")
    compressor = imnn_core.load(path_to_fit)
    d = rng.standard_normal((40, 10))
    bound = np.sqrt(np.diag(compressor.covariance))
    away = np.abs(compressor.estimates(d + 300.0) - [0, 1]) / bound
    assert (away.max(axis=1) > 5).all()
    np.save(tmp_path / "m.npy", np.concatenate([d[:2] + 300.0, d, d[:1] + 300.0]))
    do_compress(str(tmp_path / "m.npy"), path_to_fit, tmp_path / "out.h5")
    assert "3 of 43 estimates are more than 5 bounds from theta_fid" in caplog.text


def test_without_an_F_there_are_summaries_alone(path_to_fit, tmp_path, rng, caplog):
    caplog.set_level("INFO", logger="imnn")
    np.save(tmp_path / "m.npy", rng.standard_normal((5, 10)))
    information = json.loads(path_to_fit.with_name("information.json").read_text())
    information["splits"]["test"]["network"]["F"]["debiased"] = [[1, 2], [2, 1]]
    texts.write_json(tmp_path / "information.json", information)
    (tmp_path / "fit.h5").write_bytes(path_to_fit.read_bytes())
    found, about = do_compress(str(tmp_path / "m.npy"), tmp_path / "fit.h5", tmp_path / "out.h5")
    assert set(found) == {"summaries"}
    assert not about["trusted"]
    assert "expected a positive definite F" in about["why_not"]
    assert "there are summaries alone, and no estimates" in caplog.text


MEASURED = """
import resource, sys
sys.path[:0] = sys.argv[5:]
import numpy as np
from imnn_core.fitted import files
from imnn_core.fitted.load import load
from imnn_core.data.listed import open_listed
compressor = load(sys.argv[1])
compressor(np.zeros((2**15, 10), "f4"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open_listed(sys.argv[2], (10,), "m") as d:
    files.compress(compressor, d, sys.argv[3], {}, "m")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_large_file_takes_the_memory_of_a_block(root, path_to_fit, tmp_path):
    """Oracle: the size of the file, 480 MB in float64, of which a tenth and two blocks are taken
    at most; as a file with holes it takes no room on the disk.
    """
    n = 6 * 10**6
    array = np.lib.format.open_memmap(tmp_path / "m.npy", "w+", "f8", (n, 10))
    array[-1] = 1.0
    del array
    arguments = [path_to_fit, tmp_path / "m.npy", tmp_path / "out.h5", "", root / "scripts"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments],
        text=True,
        capture_output=True,
        check=True,
    )
    unit = 1024 if sys.platform != "darwin" else 1
    assert int(done.stdout) * unit < 0.1 * 80 * n + 2 * files.PIECE
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["summaries"].shape == (n, 2)
        x = file["summaries"][-2:]
    np.testing.assert_allclose(
        x, imnn_core.load(path_to_fit)([np.zeros(10), np.ones(10)]), rtol=1e-4
    )
