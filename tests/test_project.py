"""The house: who imports whom, one list of dependencies, one test command, style."""

import ast
import re
import subprocess
import sys
import tomllib

import pandas as pd
import pytest
import yaml
from packaging.requirements import Requirement

CORE = "scripts/imnn_core"
JAX = {"jax", "jaxlib", "optax"}


def imports_of(path):
    """Top-level packages and modules of the core that a file imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module
            names |= {f"{module}.{alias.name}" for alias in node.names} if module == "imnn_core" else {module}
            names.add(module.split(".")[0])
    return names


def test_who_imports_whom(root):
    """Scripts -> core -> jax, optax, h5py, matplotlib; and each module of the core only what it knows of."""
    found = {path.stem: imports_of(path) for path in (root / CORE).glob("*.py")}
    scripts = {path.stem for path in (root / "scripts").glob("*.py")}
    for module, names in found.items():
        assert not names & ({"snakemake", "pandas", "yaml", "jinja2"} | scripts), module
        assert ("h5py" in names) == (module in ("storage", "arrays", "links")), module
        assert ("matplotlib" in names) == (module in ("styles", "plots", "figures", "histories", "graphs")), module
        assert ("pydantic" in names) == (module in ("keys", "schema", "network_schema", "problem_schema", "config")), module
    for module in (
        "__init__",
        "schema",
        "keys",
        "network_schema",
        "problem_schema",
        "consistency",
        "config",
        "digest",
        "errors",
        "faults",
        "files",
        "memory",
        "names",
        "styles",
        "plots",
        "figures",
        "histories",
        "graphs",
        "tables",
        "caveats",
        "limits",
        "git",
        "results",
    ):
        assert not found[module] & JAX, module
    standard = {"math", "functools", "itertools", "operator", "collections", "collections.abc", "typing", "time"}
    arrays = {"jax", "jax.numpy", "jax.sharding", "jax.tree_util", "jax.extend", "jax.extend.core.primitives", "numpy", "optax"}
    core = {
        f"imnn_core.{name}"
        for name in ("fisher", "aggregate", "passes", "products", "errors", "chunks", "stream", "host", "iteration")
    }
    for module in ("fisher", "networks", "products", "passes", "aggregate", "iteration", "fit"):
        assert found[module] <= standard | arrays | core | {"imnn_core"}, module


def test_parsing_the_snakefile_needs_no_jax(root):
    code = "import sys, imnn_core.config.read, imnn_core.workflow.digest; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=root / "scripts", check=True)


def requirements(lines):
    parsed = [Requirement(line) for line in lines]
    return {requirement.name.lower(): requirement.specifier for requirement in parsed}


def locked(path):
    """Versions per package in a lock, and its lines."""
    text = path.read_text()
    versions = {}
    for name, version in re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[a-z0-9,]+\])?==([^ ;\\]+)", text, flags=re.M):
        versions.setdefault(name.lower().replace("_", "-"), []).append(version)
    return versions, text


def test_the_lists_of_dependencies_are_equal(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    direct = requirements(project["project"]["dependencies"] + extras.pop("workflow"))
    conda = yaml.safe_load((root / "environment.yml").read_text())["dependencies"]
    renamed = {"snakemake-minimal": "snakemake", "matplotlib-base": "matplotlib"}
    in_conda = {renamed.get(name, name): specifier for name, specifier in requirements(conda).items()}
    assert str(in_conda.pop("python")) == project["project"]["requires-python"]
    assert in_conda == direct

    versions, text = locked(root / "requirements.txt")
    for name, specifier in direct.items():
        assert versions[name], name
        assert all(specifier.contains(version) for version in versions[name]), name
    for_clusters, text_for_clusters = locked(root / "requirements-slurm.txt")
    for_tests, text_for_tests = locked(root / "requirements-dev.txt")
    assert versions.items() <= for_clusters.items() <= for_tests.items()
    for plugins in extras.values():
        for name, specifier in requirements(plugins).items():
            assert all(specifier.contains(version) for version in for_clusters[name]), name
            assert name not in versions  # with SLURM's client installed it makes each start ask the controller
    assert requirements(project["dependency-groups"]["dev"]).keys() <= for_tests.keys()
    for lock in (text, text_for_clusters, text_for_tests):
        assert "://" not in lock
        assert all("--hash=sha256:" in block for block in re.split(r"\n(?=[a-z0-9])", lock) if "==" in block.split("\n")[0])


def test_ci_runs_the_command_of_the_readme(root):
    readme, ci = (root / "README.md").read_text(), (root / ".ci/run").read_text()
    (command,) = [line for line in readme.splitlines() if line.startswith("python3 -m venv") and "pytest" in line]
    assert command in ci.splitlines()


def test_the_readme_has_its_two_commands(root):
    lines = [line for line in (root / "README.md").read_text().splitlines() if line.startswith("python3 -m venv")]
    assert len(lines) == 2
    assert lines[0].endswith(".venv/bin/snakemake --cores all")


@pytest.mark.parametrize(
    "arguments", [["ruff", "check"], ["ruff", "format", "--check"], ["snakefmt", "--check", "Snakefile", "workflow"]]
)
def test_style(root, arguments):
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=root, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# What `snakemake --lint` may complain of, and why that stays.
LINT_EXCEPTIONS = {
    "Specify a conda environment or container for each rule.": "the workflow runs in one environment, that of the user",
}


def test_lint(root):
    done = subprocess.run([sys.executable, "-m", "snakemake", "--lint"], cwd=root, text=True, capture_output=True, check=False)
    titles = set(re.findall(r"^    \* (.+):$", done.stderr, flags=re.M))
    assert "Lints for rule" in done.stderr, done.stderr  # else its words have changed, and this test saw nothing
    assert titles <= LINT_EXCEPTIONS.keys()


def test_no_file_has_grown_too_long(root):
    for path in [*(root / "scripts").rglob("*.py"), *(root / "workflow").rglob("*.smk")]:
        assert len(path.read_text().splitlines()) <= 300, path


def test_the_benchmark_runs(root, tmp_path):
    """Its figures are for a person to read; here only that it still works."""
    small = ["--rounds=1", "--iterations=1", "--n-streamed=500", "--n-fields=100", "--n-large=5000", "--processes=1"]
    command = [sys.executable, "tests/benchmarks/engine.py", "--csv", tmp_path / "engine.csv", *small]
    subprocess.run(command, cwd=root, check=True)
    table = pd.read_csv(tmp_path / "engine.csv")
    assert list(table.columns) == ["figure", "value", "low", "high", "target"]
    assert (table["value"] > 0).all()
    assert len(table) == 11
