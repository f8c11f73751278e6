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

CORE = "imnn_core"
# Packages of the core; each imports only from itself and from those before it.
ROOMS = (
    "store",
    "config",
    "problems",
    "data",
    "networks",
    "gradient",
    "compression",
    "training",
    "evaluation",
    "figures",
    "workflow",
    "fitted",
    "inference",
)
# Libraries that only some parts of the core know: packages, or modules.
KNOWN_BY = {
    "jax": {
        "store.fits",
        "problems",
        "data",
        "networks",
        "gradient",
        "compression",
        "training",
        "evaluation",
        "workflow",
        "fitted",
        "inference",
    },
    "optax": {"training", "inference"},
    "h5py": {
        "store.hdf5",
        "store.fits",
        "data.part_layout",
        "data.reading",
        "data.links",
        "data.gaps",
        "data.file_kinds",
    },
    "matplotlib": {"figures"},
    "pydantic": {"config"},
    "scipy": {"problems.prior", "inference", "figures"},
}
# What no figure, table or check of the config needs jax for.
WITHOUT_JAX = (
    "imnn_core",
    "imnn_core.problems",
    "imnn_core.config.read",
    "imnn_core.workflow.digest",
    "imnn_core.workflow.jobs",
    "imnn_core.workflow.inventory",
    "imnn_core.workflow.simulator_code",
    "imnn_core.problems.worker",
    "imnn_core.workflow.requests",
    "imnn_core.workflow.packing",
    "imnn_core.workflow.costs",
    "imnn_core.workflow.findings",
    "imnn_core.figures.histories",
    "imnn_core.figures.ellipses",
    "imnn_core.figures.estimates",
    "imnn_core.figures.information",
    "imnn_core.evaluation.results",
    "imnn_core.evaluation.tables",
    "imnn_core.evaluation.warnings",
    "imnn_core.inference.page",
    "imnn_core.inference.results",
)


def imports_of(path):
    """Modules that a file imports anywhere, dotted, with the names that it takes from them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import, which this test can't follow"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules_of(root):
    """Files of the core by their dotted names below it."""
    core = root / "scripts" / CORE
    return {
        ".".join(path.relative_to(core).with_suffix("").parts): path for path in core.rglob("*.py")
    }


def test_the_core_has_rooms_and_no_other_module(root):
    """Oracle: the list above, in the order of the arrows."""
    core = root / "scripts" / CORE
    assert [path.name for path in core.glob("*.py")] == ["__init__.py"]
    assert {
        path.name for path in core.iterdir() if path.is_dir() and path.name != "__pycache__"
    } == set(ROOMS)


def test_imports_go_down_only(root):
    """Each import of each file is followed: between packages, and to libraries and scripts."""
    scripts = {path.stem for path in (root / "scripts").glob("*.py")}
    for module, path in modules_of(root).items():
        room = module.split(".")[0]
        below = ROOMS[: ROOMS.index(room) + 1] if room in ROOMS else ()
        for name in imports_of(path):
            top, _, rest = name.partition(".")
            if top == CORE and rest:
                assert rest.split(".")[0] in below, f"{module} imports {name}"
            assert top not in {"snakemake", "pandas", "yaml", "jinja2"} | scripts, (
                f"{module} imports {name}"
            )
            if top in KNOWN_BY:
                assert {room, module} & KNOWN_BY[top], f"{module} imports {name}"


def test_modules_of_a_room_import_each_other_in_no_circle(root):
    modules = modules_of(root)
    imported = {
        module: {name.removeprefix(f"{CORE}.") for name in imports_of(path)}
        & modules.keys() - {module}
        for module, path in modules.items()
    }
    while imported:
        free = [module for module, names in imported.items() if not names & imported.keys()]
        assert free, f"a circle among {sorted(imported)}"
        for module in free:
            del imported[module]


@pytest.mark.parametrize("module", WITHOUT_JAX)
def test_it_imports_no_jax(root, module):
    """Also not through what it imports."""
    code = f"import sys, {module}; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=root / "scripts", check=True)


def requirements(lines):
    parsed = [Requirement(line) for line in lines]
    return {requirement.name.lower(): requirement.specifier for requirement in parsed}


def locked(path):
    """Versions per package in a lock, and its lines."""
    text = path.read_text()
    versions = {}
    for name, version in re.findall(
        r"^([A-Za-z0-9_.-]+)(?:\[[a-z0-9,]+\])?==([^ ;\\]+)", text, flags=re.M
    ):
        versions.setdefault(name.lower().replace("_", "-"), []).append(version)
    return versions, text


def test_the_lists_of_dependencies_are_equal(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    direct = requirements(project["project"]["dependencies"] + extras.pop("workflow"))
    conda = yaml.safe_load((root / "environment.yml").read_text())["dependencies"]
    renamed = {
        "snakemake-minimal": "snakemake",
        "matplotlib-base": "matplotlib",
        "python-flatbuffers": "flatbuffers",
    }
    in_conda = {
        renamed.get(name, name): specifier for name, specifier in requirements(conda).items()
    }
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
            assert (
                name not in versions
            )  # with SLURM's client installed it makes each start ask the controller
    assert requirements(project["dependency-groups"]["dev"]).keys() <= for_tests.keys()
    for lock in (text, text_for_clusters, text_for_tests):
        assert "://" not in lock
        assert all(
            "--hash=sha256:" in block
            for block in re.split(r"\n(?=[a-z0-9])", lock)
            if "==" in block.split("\n")[0]
        )


def test_ci_runs_the_command_of_the_readme(root):
    readme, ci = (root / "README.md").read_text(), (root / ".ci/run").read_text()
    (command,) = [
        line
        for line in readme.splitlines()
        if line.startswith("python3 -m venv") and "pytest" in line
    ]
    assert command in ci.splitlines()


def test_the_readme_has_its_two_commands(root):
    lines = [
        line
        for line in (root / "README.md").read_text().splitlines()
        if line.startswith("python3 -m venv")
    ]
    assert len(lines) == 2
    assert lines[0].endswith(".venv/bin/snakemake --cores all")


@pytest.mark.parametrize(
    "arguments",
    [
        ["ruff", "check"],
        ["ruff", "format", "--check"],
        ["snakefmt", "--check", "Snakefile", "workflow"],
    ],
)
def test_style(root, arguments):
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=root, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


# What `snakemake --lint` may complain of, and why that stays.
LINT_EXCEPTIONS = {
    "Specify a conda environment or container for each "
    "rule.": "the workflow runs in one environment, that of the user",
}


def test_lint(root):
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--lint"],
        cwd=root,
        text=True,
        capture_output=True,
        check=False,
    )
    titles = set(re.findall(r"^    \* (.+):$", done.stderr, flags=re.M))
    assert "Lints for rule" in done.stderr, (
        done.stderr
    )  # else its words have changed, and this test saw nothing
    assert titles <= LINT_EXCEPTIONS.keys()


def test_no_file_has_grown_too_long(root):
    for path in [*(root / "scripts").rglob("*.py"), *(root / "workflow").rglob("*.smk")]:
        assert len(path.read_text().splitlines()) <= 300, path


@pytest.mark.parametrize("name", ["engine", "simulate", "compressor"])
def test_the_benchmark_can_be_imported(root, name):
    command = [sys.executable, f"tests/benchmarks/{name}.py", "--help"]
    subprocess.run(command, cwd=root, check=True)


@pytest.mark.long
def test_the_benchmark_runs(root, tmp_path):
    """Its figures are for a person to read; here only that it still works."""
    small = [
        "--rounds=1",
        "--iterations=1",
        "--n-streamed=500",
        "--n-fields=100",
        "--n-large=5000",
        "--processes=1",
    ]
    command = [
        sys.executable,
        "tests/benchmarks/engine.py",
        "--csv",
        tmp_path / "engine.csv",
        *small,
    ]
    subprocess.run(command, cwd=root, check=True)
    table = pd.read_csv(tmp_path / "engine.csv")
    assert list(table.columns) == ["figure", "value", "low", "high", "target"]
    assert (table["value"] > 0).all()
    assert len(table) == 11


@pytest.mark.long
def test_the_benchmark_of_simulating_runs(root, tmp_path):
    table = tmp_path / "simulate.csv"
    small = ["--rounds=1", "--n=60", "--n-large=20000"]
    command = [sys.executable, "tests/benchmarks/simulate.py", "--csv", table, *small]
    subprocess.run(command, cwd=root, check=True)
    table = pd.read_csv(table)
    assert list(table.columns) == ["figure", "value", "low", "high", "target"]
    assert len(table) == 6  # the default run is compared to a commit only if one is named


@pytest.mark.long
def test_the_benchmark_of_compressors_runs(root, finished, tmp_path):
    fit = finished / "results/quick/fits/deep_set/seed-1/fit.h5"
    command = [sys.executable, "tests/benchmarks/compressor.py", fit, "--rounds=1", "--n=50"]
    subprocess.run([*command, "--csv", tmp_path / "c.csv"], cwd=root, check=True)
    table = pd.read_csv(tmp_path / "c.csv")
    assert list(table["figure"]) == [
        f"deep_set_{what}" for what in ("kilobytes", "first_call", "later_call")
    ]
    assert (table["value"] > 0).all()
