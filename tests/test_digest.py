"""What an edit in each package of the core makes again: exactly the scripts that depend on it."""

import shutil

import pytest
from imnn_core.workflow import digest

SIMULATING = {"infer", "calibrate"}  # population Monte Carlo, with a fit
LOADED = {"estimate", "export", "compress", "compress_prior"} | SIMULATING
EXACT = {"exact_posterior"}
SAMPLED = {"plot_posterior", "tabulate_posterior", "refine"}  # from samples alone
CHECK = {"check"}  # which is always made anew, and has no digest of its own
FITTED = {"fit", "evaluate"} | LOADED | CHECK
DRAWN = {"simulate", "analytic_fisher", "use_files", "check_files"} | EXACT | CHECK
FIGURES = {"plot_fit", "plot_comparison"}
TABLES = {"summarise", "report", "refine", "pack"}
EACH = FITTED | DRAWN | FIGURES | TABLES | SAMPLED | {"check_simulations"}


@pytest.fixture(scope="module")
def scripts(root, tmp_path_factory):
    """A copy of the scripts with the core."""
    folder = tmp_path_factory.mktemp("copy") / "scripts"
    return shutil.copytree(root / "scripts", folder, ignore=shutil.ignore_patterns("__pycache__"))


def digests(scripts):
    digest._module.cache_clear()
    paths = [path for path in scripts.glob("*.py") if path.stem != "document_config"]  # no rule's
    return {path.stem: digest.code_digest(path) for path in paths}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("store/files", EACH),
        ("store/fits", FITTED),
        ("config/recipe", FITTED),
        ("config/run", CHECK),  # only it and the Snakefile read a whole configuration
        ("problems/simulations", FITTED | DRAWN),
        ("data/stream", FITTED),
        ("data/user_files", {"check_files", "use_files"} | CHECK),
        ("networks/kinds", FITTED),
        ("gradient/passes", FITTED),
        ("gradient/fisher", FITTED),
        ("compression/linear", {"evaluate", "fit"} | CHECK),
        ("fitted/compressor", LOADED),
        ("fitted/export", {"export"}),
        ("inference/results", {"exact_posterior"} | SIMULATING | SAMPLED),
        ("inference/neural", SIMULATING),
        ("inference/page", {"report"}),
        ("inference/tables", {"report"}),
        ("training/loop", {"fit"} | CHECK),
        ("evaluation/tables", {"report"}),
        ("figures/ellipses", {"plot_comparison"}),
        ("figures/plots", FIGURES | {"plot_posterior"}),
        ("workflow/jobs", EACH),
        ("workflow/packing", set()),  # of the Snakefile
        ("__init__", set()),  # it only offers names
    ],
)
def test_what_an_edit_in_a_package_makes_again(scripts, module, expected):
    """Oracle: by hand, from what each script does."""
    before, path = digests(scripts), scripts / f"imnn_core/{module}.py"
    whole = path.read_text()
    try:
        path.write_text("# A comment.\n" + whole.replace('"""', '"""Other words. ', 1))
        assert digests(scripts) == before
        path.write_text(f"{whole}\nCHANGED = 1\n")
        after = digests(scripts)
    finally:
        path.write_text(whole)
    assert {name for name in before if before[name] != after[name]} == expected


def test_a_package_counts_for_what_imports_from_it(scripts):
    """Oracle: by hand: whoever imports a module of a package runs its `__init__.py`."""
    before, path = digests(scripts), scripts / "imnn_core/figures/__init__.py"
    path.write_text(path.read_text() + "CHANGED = 1\n")
    after = digests(scripts)
    assert {name for name in before if before[name] != after[name]} == FIGURES | {"plot_posterior"}
