"""Digests of a user's files by what is in them, and which files Snakemake is told of."""

import os

import h5py
import numpy as np
import pytest
from imnn_core.data.named_sets import MOST_INPUTS
from imnn_core.workflow import content


@pytest.fixture
def sims(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("sims")
    for i in range(4):
        np.save(f"sims/{i}.npy", np.full((2, 3), i))
    with h5py.File("linked.h5", "w") as file:
        file["deep/x"] = np.ones(3)
    with h5py.File("a.h5", "w") as file:
        file["mine/y"] = h5py.ExternalLink("linked.h5", "deep/x")
    return tmp_path


def of(**given):
    return content.of_set(given, {})


def test_a_digest_changes_with_content_order_and_axes_only(sims):
    """Oracle: by hand."""
    first = of(fiducial="sims", derivative="sims/0.npy")
    os.rename("sims", "moved")
    assert of(fiducial="moved", derivative="moved/0.npy") == first
    for path in os.scandir("moved"):
        os.utime(path)
    assert of(fiducial="moved", derivative="moved/0.npy") == first
    assert of(fiducial="moved/*.npy", derivative="moved/0.npy") == first  # the same files
    seen, listed = {first}, [f"moved/{i}.npy" for i in range(4)]
    seen.add(of(fiducial=listed, derivative="moved/0.npy"))
    seen.add(of(fiducial=listed[::-1], derivative="moved/0.npy"))
    seen.add(of(fiducial={"files": listed, "axes": ["x", "n"]}, derivative="moved/0.npy"))
    seen.add(of(fiducial=listed, shifted={"a": {"0.1": "moved/0.npy"}}))
    seen.add(of(fiducial=listed, shifted={"a": {"0.2": "moved/0.npy"}}))
    np.save("moved/4.npy", np.ones(3))
    seen.add(of(fiducial="moved", derivative="moved/0.npy"))
    times = os.stat("moved/4.npy")
    np.save("moved/4.npy", np.zeros(3))
    os.utime("moved/4.npy", ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    seen.add(of(fiducial="moved", derivative="moved/0.npy"))
    os.unlink("moved/1.npy")
    seen.add(of(fiducial="moved", derivative="moved/0.npy"))
    assert len(seen) == 9


def test_links_of_a_named_dataset_count(sims):
    given = {"files": "a.h5", "dataset": "mine/y"}
    before = of(fiducial=given, derivative="a.h5")
    with h5py.File("linked.h5", "a") as file:
        file["deep/x"][0] = 7
    assert of(fiducial=given, derivative="a.h5") != before


def test_what_is_known_of_files_that_are_not_here(sims):
    given = {"fiducial": ["sims", "sims/../a.h5"], "derivative": "sims/0.npy"}
    known = content.of_entries(given, {})
    assert known["sims"]["files"] == [f"sims/{i}.npy" for i in range(4)]
    digest, inputs = content.of_set(given, {}), content.inputs_of(given, {})
    assert inputs == [*known["sims"]["files"], "sims/../a.h5"]
    os.rename("sims", "gone")
    os.rename("a.h5", "gone/a.h5")
    assert content.of_set(given, known) == digest
    assert content.inputs_of(given, known) == inputs
    assert content.to_open({"simulations.training": given}, known) == ([], [])
    assert content.of_set("one.h5", {"one.h5": "abc"}) == "abc"


def test_many_files_are_no_inputs_and_must_be_there(sims):
    """One that is alone may be made by a rule of another workflow."""
    paths = [f"none/{i}.npy" for i in range(MOST_INPUTS + 1)]
    assert content.inputs_of({"fiducial": paths[1:], "derivative": paths[1]}, {}) == paths[1:]
    assert content.to_open({"simulations.training": {"fiducial": paths[1:]}}, {})[1] == []
    assert content.inputs_of({"fiducial": paths}, {}) == []
    _, lines = content.to_open(
        {"simulations.training": {"fiducial": paths, "derivative": "x*"}}, {}
    )
    assert lines == [
        "simulations.training.derivative (x*): expected files of that pattern, found none"
    ]
    _, lines = content.to_open({"simulations.training": {"fiducial": paths}}, {})
    where = "simulations.training.fiducial"
    assert lines[0] == f"{where}: expected a file, found none at none/0.npy"
    assert lines[10:] == ["simulations.training: found 91 more faults like these"]
    np.save("sims/{x}.npy", np.ones(3))  # Snakemake would take it for a wildcard
    assert len(content.inputs_of({"fiducial": "sims"}, {})) == 4
