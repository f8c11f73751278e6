"""From a folder of files to |F| through Snakemake, and what follows when its files change."""

import json
import os
import shutil

import h5py
import numpy as np
import pytest
from archives import ARCHIVE, project, unpacked
from running import planned, snakemake
from tiny_project import TINY, TINY_RUN

ALL_AGAIN = {"check_files": 1, "use_files": 1, "fit": 1, "evaluate": 1}


@pytest.fixture(scope="module")
def example(root):
    """config/examples/make_folder.py."""
    found = {"__name__": "make_folder"}
    exec((root / "config/examples/make_folder.py").read_text(encoding="utf-8"), found)
    return found


def test_the_example_from_its_folder_to_the_information(root, tmp_path, example):
    """Oracles: F of a Gaussian with known mean and covariance, in closed form; and numpy's F of the
    best linear compression, that by the known covariance, of the same rows of the test set.
    """
    example["make"](tmp_path / "mocks")
    config = str(root / "config/examples/folder.yaml")
    where = ("--snakefile", str(root / "Snakefile"), "--configfile", config)
    snakemake(tmp_path, *where)
    results = tmp_path / "results/folder"
    information = json.loads((results / "fits/mlp/seed-1/information.json").read_text())
    with h5py.File(results / "simulations/seed-1/test.h5") as file:
        rows = file["rows"][:]
        assert "mocks/fiducial" in file["given"][()].decode()
    assert len(rows) == 3200
    d = np.concatenate([np.load(tmp_path / f"mocks/fiducial/pk_{i}.npy") for i in (1, 2, 3, 4)])
    slopes = example["FIDUCIAL"] * example["SLOPES"]
    t = d[rows] @ np.linalg.solve(example["COVARIANCE"], slopes.T)
    D, truth = example["fisher"](), np.linalg.det(example["fisher"]())
    best = np.linalg.det(D.T @ np.linalg.solve(np.cov(t, rowvar=False), D))
    for whose in ("linear", "network"):
        found = information["splits"]["test"][whose]["det_F"]
        assert abs(found["debiased"] - truth) < 3 * found["error"]
        assert 0.9 * best < found["value"] < 1.02 * best  # 2800 simulations tell C of 79 bins
    log = (results / "logs/check_files.log").read_text()
    assert (
        "4 files in natural order, from mocks/fiducial/pk_1.npy to mocks/fiducial/pk_4.npy" in log
    )
    assert planned(tmp_path, *where) == {}
    for path in tmp_path.glob("mocks/**/*.npy"):
        os.utime(path)
    assert planned(tmp_path, *where) == {}
    path, times = tmp_path / "mocks/Mnu_pp.npy", os.stat(tmp_path / "mocks/Mnu_pp.npy")
    np.save(path, np.load(path)[:900])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert planned(tmp_path, *where).items() >= ALL_AGAIN.items()
    example["make"](tmp_path / "mocks")
    assert planned(tmp_path, *where) == {}
    other = tmp_path / "mocks/fiducial/pk_10.npy"
    shutil.copy(tmp_path / "mocks/fiducial/pk_1.npy", other)
    assert planned(tmp_path, *where).items() >= ALL_AGAIN.items()
    output = snakemake(tmp_path, *where, ok=False)
    assert (
        f"index 0 (mocks/fiducial/pk_1.npy, row 0) and 8000 ({other.relative_to(tmp_path)}, ro"
        in (output + (results / "logs/check_files.log").read_text())
    )
    other.unlink()
    (tmp_path / "mocks/fiducial/pk_4.npy").unlink()
    assert planned(tmp_path, *where).items() >= ALL_AGAIN.items()


def test_many_files_stay_behind_when_a_run_is_handed_on(root, tmp_path):
    """And are not missed there; changed ones in their place are noticed. More than 100 are no
    inputs of Snakemake's.
    """
    here, rng = project(root, tmp_path / "here"), np.random.default_rng(4)
    z = rng.standard_normal((130, 10))
    (tmp_path / "sims").mkdir()
    for i, d in enumerate(z):
        np.save(tmp_path / f"sims/d_{i}.npy", d)
    for side in (-1, 1):
        np.savez(tmp_path / f"sims/{side}.npz", sims=z[:90].T + 0.1 * side)
    given = {
        "fiducial": "../sims/d_*.npy",
        "shifted": {
            "mu": {
                str(0.1 * side): {"files": [f"../sims/{side}.npz"], "axes": ["k", "n"]}
                for side in (-1, 1)
            }
        },
    }
    values = {key: value for key, value in TINY.items() if key not in ("n_s", "n_d", "n_test")}
    values |= {"problem": "files", "names": ["mu"], "theta_fid": [0.0], "input_shape": [10]}
    files = {"training": given, "fractions": {"validation": 0.3, "test": 0.4}}
    (here / "tiny.yaml").write_text(json.dumps(values | {"simulations": files}))
    snakemake(here, *TINY_RUN, "--", ARCHIVE)
    (tmp_path / "there").mkdir()
    elsewhere = unpacked(here / ARCHIVE, tmp_path / "there/unpacked")
    assert (
        "`../sims/d_*.npy`, `../sims/-1.npz`, `../sims/1.npz`"
        in (elsewhere / "UNPACKED.md").read_text()
    )
    assert planned(elsewhere) == {}
    sims = elsewhere.parent / "sims"
    shutil.copytree(tmp_path / "sims", sims)
    assert planned(elsewhere) == {}
    np.save(sims / "d_130.npy", rng.standard_normal(10))
    assert planned(elsewhere)["fit"] == 1
    np.save(sims / "d_130.npy", np.ones(3))
    output = snakemake(elsewhere, ok=False)
    assert "d_130.npy): expected shape (n, 10) or (10,), found (3,)" in output
    (sims / "d_130.npy").write_bytes(b"\x93NUMPY")
    output = snakemake(elsewhere, "-n", ok=False)
    assert "simulations.training.fiducial: ../sims/d_130.npy: expected an HDF5, npz or np" in output
