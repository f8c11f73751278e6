"""A copy of the project and a run of seconds, for the tests of faults."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from test_workflow import PARTS

TINY = {
    "run": "tiny",
    "seeds": [1],
    "n_s": 40,
    "n_d": 30,
    "n_test": 60,
    "n_monte_carlo": 20,
    "fits": {"small": {"network": {"hidden": [4]}, "min_iterations": 0, "max_iterations": 3, "devices": "cpu"}},
}
TEST_SET = "results/tiny/simulations/seed-1/test.h5"
TINY_RUN = ("--configfile", "tiny.yaml")


def write_config(folder, **changes):
    """The configuration in a folder, with some keys changed; JSON is YAML."""
    (folder / "tiny.yaml").write_text(json.dumps(TINY | changes))


def copied(root, folder: Path, **changes):
    """A copy of the project with the configuration; the folder."""
    folder.mkdir(exist_ok=True)
    for part in PARTS:
        copy = shutil.copytree if (root / part).is_dir() else shutil.copy
        copy(root / part, folder / part)
    write_config(folder, **changes)
    return folder


def results_of(folder: Path, run="tiny"):
    """Digests of a run's results by name, but for logs and benchmarks, which have times in them, and checksums."""
    results = folder / "results" / run
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in results.rglob("*")
        if path.is_file() and path.relative_to(results).parts[0] not in ("logs", "benchmarks") and path.name[0] != "."
    }


def cannot(what: str):
    """Skip a test that this machine or user can't run; a failure where CI asks for all (IMNN_REQUIRE_MOUNT=1)."""
    if os.environ.get("IMNN_REQUIRE_MOUNT") == "1":
        pytest.fail(f"{what}, and IMNN_REQUIRE_MOUNT=1 asks for this test")
    pytest.skip(what)
