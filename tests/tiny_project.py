"""A run of seconds, for the tests of faults."""

import json
import os
from pathlib import Path

import pytest
import running

TINY = {
    "run": "tiny",
    "seeds": [1],
    "n_s": 40,
    "n_d": 30,
    "n_test": 60,
    "n_monte_carlo": 20,
    "figures": {"formats": ["svg"]},
    "fits": {
        "small": {
            "network": {"hidden": [4]},
            "min_iterations": 0,
            "max_iterations": 3,
            "devices": "cpu",
        }
    },
}
PARTS = {"training": "0-40-30", "validation": "0-40-30", "test": "0-60"}


def set_of(split, seed=1):
    """The one part of a set."""
    return f"results/tiny/simulations/seed-{seed}/{split}/{PARTS[split]}.h5"


TEST_SET = set_of("test")
TINY_RUN = ("--configfile", "tiny.yaml")


def write_config(folder, **changes):
    """The configuration in a folder, with some keys changed; JSON is YAML."""
    (folder / "tiny.yaml").write_text(json.dumps(TINY | changes))


def copied(root, folder: Path, **changes):
    """A copy of the project with the configuration; the folder."""
    running.copied(root, folder)
    write_config(folder, **changes)
    return folder


def cannot(what: str, variable="IMNN_REQUIRE_MOUNT"):
    """Skip a test that this machine or user can't run; a failure where CI asks for all, by setting
    this variable to 1.
    """
    if os.environ.get(variable) == "1":
        pytest.fail(f"{what}, and {variable}=1 asks for this test")
    pytest.skip(what)
