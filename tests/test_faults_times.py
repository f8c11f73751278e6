"""Clocks that jump and times that are all the same: nothing stale is kept, nothing is made again in
vain.
"""

import os
import shutil

import h5py
import numpy as np
import pytest
from running import edit, planned, snakemake
from small_files import arrays_of, write
from tiny_project import TEST_SET, TINY, TINY_RUN, copied, set_of, write_config

SMALL = TINY["fits"]["small"]
FITS = {"small": SMALL, "longer": SMALL | {"continue_from": "small"}}
SUMMARY = ("--", "results/tiny/summary.csv")
LONG_AGO = (1e9, 1e9)


@pytest.fixture(scope="module")
def drawn(root, tmp_path_factory):
    folder = copied(root, tmp_path_factory.mktemp("drawn"), fits=FITS)
    snakemake(folder, *TINY_RUN, *SUMMARY)
    return folder


@pytest.fixture(scope="module")
def used(root, tmp_path_factory):
    """A run of a user's files, with observed data."""
    folder = tmp_path_factory.mktemp("used")
    write(folder / "mine.h5", arrays_of(120, 100))
    np.save(folder / "observed.npy", np.zeros((2, 10), np.float32))
    sizes = {key: value for key, value in TINY.items() if not key.startswith("n_")}
    files = {"simulations": {"training": "mine.h5", "fractions": {"validation": 0.3, "test": 0.4}}}
    copied(root, folder)
    write_config(folder)
    text = sizes | files | {"observed": "observed.npy", "fits": {"small": SMALL}}
    (folder / "tiny.yaml").write_text(str(text).replace("'", '"'))
    snakemake(folder, *TINY_RUN, *OF_FILES)
    return folder


OF_FILES = (*SUMMARY, "results/tiny/fits/small/seed-1/observed.json")


@pytest.fixture
def copy_of(tmp_path):
    """Copies a finished run, to change at will."""
    return lambda folder: shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)


def of_results(folder):
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and ".snakemake" not in path.parts
    )


@pytest.mark.parametrize(
    "time",
    [
        lambda path: 1e9,
        lambda path: 1e10,
        lambda path: 1e10 - 1e6 * len(path.parts) - path.stat().st_mtime % 1000,
    ],
    ids=["equal", "in the future", "reversed"],
)
def test_times_alone_make_nothing_anew(drawn, copy_of, time):
    folder = copy_of(drawn)
    for path in of_results(folder):
        os.utime(path, (time(path),) * 2)
    assert planned(folder, *TINY_RUN, *SUMMARY) == {}


def remade(folder, *targets):
    """As if targets had been made again by a workflow that went no further, with a clock that was
    set back.
    """
    touch = ["--touch"] * all((folder / target).exists() for target in targets)
    snakemake(folder, *TINY_RUN, *touch, "--", *targets)
    for target in targets:
        os.utime(folder / target, LONG_AGO)


SETS = [set_of(split) for split in ("training", "validation", "test")]
OF_USER = [
    f"results/tiny/simulations/seed-1/{split}.h5" for split in ("training", "validation", "test")
]
AFTER_SETS = {"fit": 2, "evaluate": 2, "summarise": 1}


def test_new_simulations_that_are_older_than_the_fits_to_them(drawn, copy_of):
    folder = copy_of(drawn)
    edit(
        folder / "scripts/imnn_core/problems/simulations.py",
        "jax.random.key(seed)",
        "jax.random.key(seed + 1)",
    )
    remade(folder, *SETS)
    after = AFTER_SETS | {"analytic_fisher": 1}
    assert planned(folder, *TINY_RUN, *SUMMARY) == after


def test_a_new_parent_that_is_older_than_the_fit_that_continues_it(drawn, copy_of):
    folder = copy_of(drawn)
    write_config(folder, fits=FITS | {"small": SMALL | {"max_iterations": 4}})
    remade(folder, "results/tiny/fits/small/seed-1/fit.h5")
    assert planned(folder, *TINY_RUN, *SUMMARY) == {"fit": 1, "evaluate": 2, "summarise": 1}


@pytest.mark.parametrize(
    ("changes", "target", "expected"),
    [
        (
            {"n_monte_carlo": 30},
            "results/tiny/analytic_fisher.json",
            {"evaluate": 2, "summarise": 1},
        ),
        ({"n_test": 70}, TEST_SET.replace("60", "70"), {"evaluate": 2, "summarise": 1}),
    ],
)
def test_what_only_evaluations_need(drawn, copy_of, changes, target, expected):
    folder = copy_of(drawn)
    write_config(folder, fits=FITS, **changes)
    remade(folder, target)
    assert planned(folder, *TINY_RUN, *SUMMARY) == expected


@pytest.mark.parametrize(
    "age",
    [LONG_AGO, pytest.param(None, marks=pytest.mark.long)],
    ids=["older", "of the same time"],
)
def test_a_users_file_that_was_replaced(used, copy_of, age):
    """By numbers of the same size: even a copy that keeps times, or a clock that was set back, is
    seen.
    """
    folder = copy_of(used)
    assert planned(folder, *TINY_RUN, *OF_FILES) == {}
    path = folder / "mine.h5"
    before = path.stat()
    with h5py.File(path, "a") as file:
        file["fiducial"][7, 3] += 1
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns) if age is None else (10**18, 10**18))
    jobs = {
        "check_files": 1,
        "use_files": 1,
        "fit": 1,
        "evaluate": 1,
        "estimate": 1,
        "summarise": 1,
    }
    assert planned(folder, *TINY_RUN, *OF_FILES) == jobs
    remade(folder, "results/tiny/simulations/checked.json", *OF_USER)
    assert planned(folder, *TINY_RUN, *OF_FILES) == {
        job: jobs[job] for job in ("fit", "evaluate", "estimate", "summarise")
    }


def test_observed_data_that_were_replaced(used, copy_of):
    folder = copy_of(used)
    np.save(folder / "observed.npy", np.ones((2, 10), np.float32))
    os.utime(folder / "observed.npy", LONG_AGO)
    assert planned(folder, *TINY_RUN, *OF_FILES) == {"estimate": 1}
