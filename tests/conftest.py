"""Strictness for every test, and the small pieces that many of them use."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

import running

# Before jax is imported: eight CPU devices, and compilations that are quick and shared within the
# session and its workers.
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count=8 {running.QUICK_TO_COMPILE}"
if "PYTEST_XDIST_WORKER" not in os.environ:
    _cache = tempfile.TemporaryDirectory(prefix="imnn-tests-")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", _cache.name)  # a folder of yours is kept
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np
import pytest
import tiny_project
from imnn_core.data import sources
from imnn_core.gradient import derivatives
from imnn_core.networks import kinds

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Run the test in both precisions; jax computes in the one that is given."""
    with jax.enable_x64(request.param == "float64"):
        yield np.dtype(request.param)


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield np.dtype("float64")


@pytest.fixture
def rng():
    return np.random.default_rng(20180205)


def random_simulations(rng, dtype, n_s=23, n_d=23, input_shape=(3,), n_params=2):
    """Numbers in the shape of simulations, of no problem in particular."""
    fiducial = rng.standard_normal((n_s, *input_shape)).astype(dtype)
    derivative = rng.standard_normal((n_d, *input_shape, n_params)).astype(dtype)
    return fiducial, derivative


def small_network(n_summaries=2, seed=0, input_shape=(3,), activation="softplus"):
    """A network that compiles quickly: (summarise, weights)."""
    network = kinds.mlp(n_summaries, hidden=(5,), activation=activation)
    return derivatives.exact(network.apply), network.init(jax.random.key(seed), input_shape)


def loaded(engine, simulations, n_per_device):
    """Two arrays, as the engine wants them."""
    return engine.load(sources.in_memory(*simulations), n_per_device)


def everything(source):
    """All that a source has, as two arrays."""
    arrays = {
        name: np.empty(getattr(source, name).shape, getattr(source, name).dtype)
        for name in ("fiducial", "derivative")
    }
    for name, array in arrays.items():
        source.read(name, 0, array)
    return tuple(arrays.values())


@pytest.fixture(scope="session")
def root():
    """The project's folder."""
    return Path(__file__).parent.parent


# Files that take a minute or more: begun last, they would keep one worker waiting for the others.
LONG = (
    "test_slurm",
    "test_kills",
    "test_bring_your_own",
    "test_workflow",
    "test_aggregate",
    "test_module",
    "test_checkpoints",
    "test_observed",
    "test_faults_places",
    "test_faults_cache",
    "test_docs",
    "test_pack_own",
    "test_pack",
    "test_coming_back",
    "test_other_problems",
    "test_scripts",
    "test_fit",
    "test_right_or_told",
    "test_derivatives",
    "test_faults_times",
    "test_report_in_browser",
    "test_measure",
    "test_architecture",
    "test_faults_disk",
)


def pytest_collection_modifyitems(items):
    rank = {name: i for i, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(LONG)))


def once(tmp_path_factory, name, make):
    """A folder that the first of pytest's workers makes that needs it, for all of them."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with open(shared / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / name).exists():
            made = shared / f"making {name} ü"
            make(made)
            made.rename(shared / name)
    return shared / name


@pytest.fixture(scope="session")
def finished(root, tmp_path_factory):
    """A copy of the project with the quick run done, in a folder whose name is a trial in itself;
    not to be changed. Each worker has one.
    """

    def make(folder):
        running.snakemake(running.copied(root, folder), *running.QUICK)

    folder = tmp_path_factory.mktemp("finished") / "a project ü"
    return shutil.copytree(once(tmp_path_factory, "finished", make), folder)


@pytest.fixture(scope="session")
def tiny(root, tmp_path_factory):
    """A copy of the project with the run of tiny_project.py done; not to be changed."""

    def make(folder):
        running.snakemake(tiny_project.copied(root, folder), *tiny_project.TINY_RUN)

    return once(tmp_path_factory, "tiny", make)


@pytest.fixture(scope="session")
def path_to_fit(tmp_path_factory):
    """A small fit in a run of its own, see fitted_run.py; not to be changed."""
    import fitted_run

    return once(tmp_path_factory, "fitted", fitted_run.made) / fitted_run.FIT


@pytest.fixture(scope="session")
def compressor(path_to_fit):
    """The same, loaded."""
    import imnn_core

    return imnn_core.load(path_to_fit)


@pytest.fixture
def project(finished, tmp_path):
    """Another copy of the finished run, to change at will; times of modification are those of
    copying.
    """
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, copy_function=shutil.copyfile)
    return folder


@pytest.fixture
def tiny_copy(tiny, tmp_path):
    """The same of the tiny run."""
    return shutil.copytree(tiny, tmp_path / "tiny", copy_function=shutil.copyfile)
