"""An archive of a run with a user's own files: those that it has, and those that stay behind."""

import json
import shutil

import numpy as np
import pytest
from archives import ARCHIVE, FIGURE, FIGURES, files_in, project, unpacked
from running import edit, planned, snakemake
from small_files import arrays_of, write
from tiny_project import TINY, TINY_RUN, write_config

PROBLEM = """
import jax
import jax.numpy as jnp
from imnn_core.problems import Problem
from my_parts.width import WIDTH

def simulator(key, theta):
    return theta[0] + theta[1] * jax.random.normal(key, (WIDTH,))

problem = Problem(simulator, theta_fid=[0, 1], names=["a", "b"], input_shape=(WIDTH,))
"""


@pytest.mark.long
def test_a_problem_outside_observed_data_and_refinements_in_another_folder(root, tmp_path):
    """With the code in one folder, the results in another, and recipes of every kind of value."""
    code, here, outside = (tmp_path / name for name in ("code", "here", "outside"))
    project(root, code)
    (outside / "my_parts").mkdir(parents=True)
    (outside / "mine.py").write_text(PROBLEM)
    (outside / "my_parts/width.py").write_text("WIDTH = 4\n")
    (outside / "unrelated.py").write_text("1 / 0\n")
    (outside / "wide.mplstyle").write_text("figure.figsize: 7, 3\n")
    (here / "data").mkdir(parents=True)
    np.save(here / "data/observed.npy", np.array([0.1, 1.1, -0.9, 0.3]))
    rate = {
        "schedule": "exponential_decay",
        "init_value": 1e-05,
        "transition_steps": 3,
        "decay_rate": 0.5,
    }
    optimiser = {"name": "adamw", "learning_rate": rate, "weight_decay": "1e-4"}
    fits = {"1.10": TINY["fits"]["small"] | {"optimiser": optimiser, "standardise": "each"}}
    given = {
        "problem": str(outside / "mine.py"),
        "observed": str(here / "data/observed.npy"),
        "figures": {"style": str(outside / "wide.mplstyle"), "formats": ["pdf"]},
        "refine": 1,
        "fits": fits,
    }
    write_config(here, **given)
    where = (
        "--snakefile",
        str(code / "Snakefile"),
        "--directory",
        str(here),
        "--configfile",
        str(here / "tiny.yaml"),
    )
    snakemake(tmp_path, *where, "--", ARCHIVE)
    elsewhere = unpacked(here / ARCHIVE, tmp_path / "elsewhere")
    shutil.rmtree(outside)
    shutil.rmtree(code)
    here.rename(tmp_path / "gone")
    found = files_in(elsewhere)
    assert {
        "config/mine.py",
        "config/my_parts/width.py",
        "data/observed.npy",
        "config/wide.mplstyle",
    } <= found.keys()
    assert "config/unrelated.py" not in found
    assert "results/tiny/refined-1/theta_fid.json" in found
    assert not [name for name in found if "/simulations/" in name]
    by_project = [path for name, path in found.items() if not name.startswith("results/")]
    assert str(tmp_path).encode() not in b"".join(path.read_bytes() for path in by_project)
    assert planned(elsewhere) == {}
    edit(elsewhere / "config/my_parts/width.py", "WIDTH = 4", "WIDTH = 2 * 2")
    jobs = planned(elsewhere)
    assert (jobs["simulate"], jobs["fit"], jobs["estimate"]) == (6, 2, 2)


def test_files_of_simulations_stay_behind(root, tmp_path):
    """And are not missed there, where their digests are remembered; others in their place are
    noticed.
    """
    here = project(root, tmp_path / "here")
    write(tmp_path / "mine.h5", arrays_of(120, 100))
    values = {key: value for key, value in TINY.items() if key not in ("n_s", "n_d", "n_test")}
    files = {"training": "../mine.h5", "fractions": {"validation": 0.3, "test": 0.4}}
    (here / "tiny.yaml").write_text(json.dumps(values | {"simulations": files}))
    snakemake(here, *TINY_RUN, "--", ARCHIVE)
    (tmp_path / "there").mkdir()
    elsewhere = unpacked(here / ARCHIVE, tmp_path / "there/unpacked")
    assert "`../mine.h5`" in (elsewhere / "UNPACKED.md").read_text()
    assert planned(elsewhere) == {}
    edit(elsewhere / "scripts/imnn_core/figures/plots.py", "MARGIN = 0.1", "MARGIN = 0.2")
    assert planned(elsewhere) == FIGURES
    snakemake(elsewhere, "--", FIGURE)
    write(elsewhere.parent / "mine.h5", arrays_of(110, 90))
    assert planned(elsewhere)["fit"] == 1
    shutil.copy(tmp_path / "mine.h5", elsewhere.parent / "mine.h5")
    assert planned(elsewhere) == {
        rule: n for rule, n in FIGURES.items() if rule != "plot_comparison"
    }
