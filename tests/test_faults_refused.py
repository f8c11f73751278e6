"""What is refused in a line, with nothing executed that the user has not named as code."""

import json
import os
import pickle
import re

import numpy as np
import pytest
from running import snakemake
from small_files import arrays_of
from tiny_project import TINY, TINY_RUN, copied

CHECKED = "results/tiny/simulations/checked.json"


class Evil:
    """Makes a file where its pickle is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.fixture(scope="module")
def project(root, tmp_path_factory):
    return copied(root, tmp_path_factory.mktemp("project"))


def write_yaml(folder, text):
    (folder / "mine.yaml").write_text(text)
    return ("--configfile", "mine.yaml")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("run: one\nn_s: 100\nrun: two\n", ["run: expected once, found it in lines 1 and 3 of"]),
        (
            "run: one\nfits:\n  a:\n    patience: 3\n    patience: 4\n  b: {network: {hidden: "
            "[4], hidden: [5]}}\n  a: {}\n",
            [
                "fits.a.patience: expected once, found it in lines 4 and 5 of",
                "fits.b.network.hidden: expected once, found it in lines 6 and 6 of",
                "fits.a: expected once, found it in lines 3 and 7 of",
            ],
        ),
        ('{"run": "one", "run": "two"}', ["run: expected once, found it in lines 1 and 1 of"]),
    ],
)
def test_a_key_that_stands_twice_in_a_file(project, text, lines):
    output = snakemake(project, "-n", *write_yaml(project, text), ok=False)
    found = [line.strip() for line in output.splitlines() if "expected once" in line]
    assert len(found) == len(lines)
    for line, expected in zip(found, lines, strict=True):
        assert line.startswith(expected)
        assert line.endswith("mine.yaml")
    assert "Traceback" not in output


def test_what_yaml_may_repeat(project):
    """The same key of two recipes; an alias; and a merged key that is given again."""
    text = "run: tiny\nfits:\n  a: &a {patience: 3}\n  b: *a\n  c: {<<: *a, patience: 4}\n"
    assert "total" in snakemake(project, "-n", *write_yaml(project, text))


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.mkdir [EXECUTED]", "!!python/object/new:os.mkdir [EXECUTED]"]
)
@pytest.mark.parametrize("where", ["file", "command line"])
def test_a_tag_that_would_run_code(project, tag, where):
    if where == "file":
        output = snakemake(project, "-n", *write_yaml(project, f"run: {tag}\n"), ok=False)
        assert "Config file is not valid JSON or YAML" in output  # Snakemake's words
    else:
        output = snakemake(project, "-n", *TINY_RUN, "--config", f"run={tag}", ok=False)
        assert re.search("run: expected .*, found ", output)
    assert "Traceback" not in output
    assert not (project / "EXECUTED").exists()


def write_evil(folder, name):
    """A file that makes a folder where what is pickled in it is read."""
    evil = Evil(folder / "EXECUTED")
    objects = np.array([evil], dtype=object)
    if name == "objects.npz":
        np.savez(folder / name, **arrays_of() | {"fiducial": objects})
    elif name == "objects.npy":
        np.save(folder / name, objects)
    else:
        (folder / name).write_bytes(pickle.dumps(evil))


def assert_refused(output, folder, name):
    assert (
        f"{name}: expected an HDF5, npz or npy file, found: something else, or a pickle, which is "
        "not read" in output
    )
    assert "Traceback" not in output
    assert not (folder / "EXECUTED").exists()


@pytest.mark.parametrize("name", ["objects.npz", "pickled.h5", "pickled.npz"])
def test_a_pickle_among_simulations(project, name):
    write_evil(project, name)
    files = f"simulations={{training: {name}, fractions: {{validation: 0.3, test: 0.3}}}}"
    sizes = {key: value for key, value in TINY.items() if not key.startswith("n_")}
    config = write_yaml(project, json.dumps(sizes))
    output = snakemake(project, *config, "--config", files, "--", CHECKED, ok=False)
    assert_refused(output, project, f"simulations.training: {name}")


@pytest.mark.parametrize("name", ["objects.npy", "pickled.npy", "pickled.h5"])
def test_a_pickle_as_observed_data(project, name):
    write_evil(project, name)
    assert_refused(
        snakemake(project, "-n", *TINY_RUN, "--config", f"observed={name}", ok=False), project, name
    )
