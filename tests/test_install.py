"""The core installed beside other packages: what the wheel holds; it works without the clone."""

import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from importlib import metadata

import pytest
import running
from packaging.requirements import Requirement
from packaging.version import Version


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    """The wheel, built without network from a copy: setuptools leaves folders where it builds."""
    if Version(metadata.version("setuptools")) < Version("77"):
        pytest.skip("needs the setuptools of requirements-dev.txt")
    folder = running.copied(root, tmp_path_factory.mktemp("source") / "clone")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (folder / name).write_bytes((root / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation"]
    command += ["--no-index", "--quiet", "--wheel-dir", folder / "dist"]
    subprocess.run(command, cwd=folder, check=True)
    (path,) = (folder / "dist").glob("*.whl")
    return path


def outside(folder, code):
    """Run Python in a folder with what lies there and this environment; its output, in lines."""
    environment = os.environ | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, check=True
    )
    return done.stdout.splitlines()


def test_the_wheel_holds_the_core_and_nothing_else(root, wheel):
    """Oracle: the files of scripts/imnn_core as they lie in the clone."""
    names = zipfile.ZipFile(wheel).namelist()
    core = {
        str(p.relative_to(root / "scripts")) for p in (root / "scripts/imnn_core").rglob("*.py")
    }
    assert {name for name in names if ".dist-info/" not in name} == core


def test_the_wheel_asks_for_what_the_core_imports(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        described = Parser().parsestr(archive.read(name).decode())
    wanted = [Requirement(line) for line in described.get_all("Requires-Dist")]
    core = {each.name for each in wanted if each.marker is None}
    assert core == {
        "jax",
        "jaxlib",
        "optax",
        "numpy",
        "scipy",
        "h5py",
        "matplotlib",
        "pydantic",
        "flatbuffers",
    }
    extra = {
        each.name for each in wanted if each.marker and each.marker.evaluate({"extra": "workflow"})
    }
    assert extra - core == {"snakemake", "pandas", "jinja2", "docutils", "pyyaml", "pygments"}


def test_the_installed_core_works_outside_the_clone(root, wheel, tmp_path):
    """Importing it imports no jax; what it offers is imported when it is asked for."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = """
import sys
import imnn_core
print(imnn_core.__file__, 'jax' in sys.modules)
from imnn_core import Problem
print(Problem.__module__)
print(*sys.path, sep='\\n')
"""
    first, second, *path = outside(tmp_path, code)
    assert first == f"{tmp_path / 'imnn_core/__init__.py'} False"
    assert second == "imnn_core.problems.problem"
    assert not {str(root), str(root / "scripts"), str(root / "tests")} & set(path)


def test_every_module_of_the_wheel_can_be_imported(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = """
import importlib, pkgutil, imnn_core
for found in pkgutil.walk_packages(imnn_core.__path__, 'imnn_core.'):
    importlib.import_module(found.name)
    print(found.name)
"""
    assert "imnn_core.training.loop" in outside(tmp_path, code)


def test_the_wheel_loads_a_fit_and_compresses_without_the_clone(finished, wheel, tmp_path):
    """Oracle: estimates.csv of the run, to 1e-5 of the parameters' bounds; 10 000 simulations, of
    which the test set's come first.
    """
    zipfile.ZipFile(wheel).extractall(tmp_path)
    fit = finished / "results/quick/fits/deep_set/seed-1"
    tests = sorted((finished / "results/quick/simulations/seed-1/test").glob("*.h5"))
    code = f"""
import csv, h5py, imnn_core, numpy as np
compressor = imnn_core.load({str(fit / "fit.h5")!r})
d = np.concatenate([h5py.File(path)["fiducial"][:] for path in {[str(path) for path in tests]}])
estimates = compressor.estimates(np.resize(d, (10_000, *d.shape[1:])))
with open({str(fit / "estimates.csv")!r}) as file:
    rows = list(csv.DictReader(file))
table = np.array([[float(row[name]) for name in compressor.names] for row in rows])
away = (estimates[: len(table)] - table) / np.sqrt(np.diag(compressor.covariance))
print(imnn_core.__file__, len(estimates), len(table), np.abs(away).max() < 1e-5)
"""
    last = outside(tmp_path, code)[-1].split()
    assert last == [str(tmp_path / "imnn_core/__init__.py"), "10000", "500", "True"]
