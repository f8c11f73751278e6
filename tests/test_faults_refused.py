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
    (line,) = [line for line in output.splitlines() if "a pickle, which is not read" in line]
    assert name in line
    assert "Traceback" not in output
    assert not (folder / "EXECUTED").exists()


@pytest.mark.parametrize("name", ["objects.npz", "pickled.h5", "pickled.npz"])
def test_a_pickle_among_simulations(project, name):
    write_evil(project, name)
    files = f"simulations={{training: {name}, fractions: {{validation: 0.3, test: 0.3}}}}"
    sizes = {key: value for key, value in TINY.items() if not key.startswith("n_")}
    config = write_yaml(project, json.dumps(sizes))
    output = snakemake(project, *config, "--config", files, "--", CHECKED, ok=False)
    assert_refused(output, project, name)


@pytest.mark.parametrize("name", ["objects.npy", "pickled.npy", "pickled.h5"])
def test_a_pickle_as_observed_data(project, name):
    write_evil(project, name)
    assert_refused(
        snakemake(project, "-n", *TINY_RUN, "--config", f"observed={name}", ok=False), project, name
    )


def faults_of(output):
    """The lines below Snakemake's headline."""
    assert "Traceback" not in output
    below = output.partition("The config has faults:\n")[2].splitlines()
    return [line for line in below if line and not line.startswith("  File")]


def test_observed_data_that_are_not_there(project):
    """Told at the start, with the other faults; not where there are estimates of them, and a figure
    of the old run may be all that is asked for.
    """
    config = ("--config", "observed=none.npy", "figures={style: none}", "fits={a: {optimiser: {}}}")
    assert faults_of(snakemake(project, "-n", *TINY_RUN, *config, ok=False)) == [
        "figures.style: expected a file, found none at none",
        "observed: expected a file, found none at none.npy",
    ]
    estimate = project / "results/tiny/fits/tiny/seed-1/observed.json"
    estimate.parent.mkdir(parents=True, exist_ok=True)
    estimate.touch()
    wanted = ("--", "results/tiny/analytic_fisher.json")
    snakemake(project, "-n", *TINY_RUN, "--config", "observed=none.npy", *wanted)
    estimate.unlink()


LONG = "a" * 300


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "long", "below a file"])
@pytest.mark.parametrize("key", ["problem", "style"])
def test_a_path_to_what_is_no_file(project, key, kind):
    """None is opened: a pipe would be waited for."""
    name = {"long": f"{LONG}.py", "below a file": "mine.py/other.py"}.get(kind, f"{kind}.py")
    path = project / name
    if kind == "pipe" and not path.exists():
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir(exist_ok=True)
    elif kind == "device" and not path.is_symlink():
        path.symlink_to("/dev/zero")
    elif kind == "below a file":
        (project / "mine.py").write_text("")
    config = f"problem={name}" if key == "problem" else f"figures={{style: {name}}}"
    (line,) = faults_of(snakemake(project, "-n", *TINY_RUN, "--config", config, ok=False))
    expected = {
        "problem": "problem: expected a Python file",
        "style": "figures.style: expected a file",
    }
    assert line == f"{expected[key]}, found none at {name}"


@pytest.mark.parametrize(
    "text",
    [
        f"import {LONG}\n",
        "x = " + "(" * 500 + ")" * 500,
        "x = " + "+".join(["1"] * 5000),
        "x = '\\0'\0",
        "raise ValueError('\\x1b[2J' * 1000)",
    ],
)
def test_a_python_file_that_can_not_be_read(project, text):
    (project / "odd.py").write_text(text)
    output = snakemake(project, "-n", *TINY_RUN, "--config", "problem=odd.py", ok=False)
    (line,) = faults_of(output)
    assert line.startswith("problem odd.py: ")
    assert len(line) < 600


def test_other_faults_of_values_end_in_lines_too(project):
    """As YAML reads them: a date, a list that holds itself, and numbers that are no such things."""
    text = "run: 2024-01-01\nseeds: &a [1, *a]\nn_s: 1e300\nn_d: .nan\n"
    lines = faults_of(snakemake(project, "-n", *write_yaml(project, text), ok=False))
    assert [line.partition(":")[0] for line in lines] == ["run", "seeds", "n_s", "n_d"]
