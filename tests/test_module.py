"""This workflow as a module of another one: from a folder, under a prefix, and from git."""

import json
import re
import subprocess

import pytest
import running
from running import planned, snakemake
from tiny_project import TINY

ANALYTIC = "results/tiny/analytic_fisher.json"
# Snakemake's documentation has these; of the others docs/as_a_module.md says why they are used.
DOCUMENTED = {"workflow.source_path"}


def other_workflow(folder, snakefile, **module):
    """A workflow in a folder whose own rule needs a result of this one; the folder."""
    folder.mkdir(exist_ok=True)
    module = {"snakefile": snakefile, "config": TINY | {"n_monte_carlo": 50}} | module
    lines = [f"    {key}:\n        {value!r}" for key, value in module.items()]
    wanted = f"{module['prefix']}/{ANALYTIC}" if "prefix" in module else ANALYTIC
    text = f"""
rule all:
    input:
        "size.txt",

module imnn:
{chr(10).join(lines)}

use rule * from imnn as imnn_*

rule size:
    input:
        {wanted!r},
    output:
        "size.txt",
    shell:
        "wc -c < {{input}} > {{output}}"
"""
    (folder / "Snakefile").write_text(text)
    profile = folder / "profiles" / "default"
    profile.mkdir(parents=True)
    profile.joinpath("config.yaml").write_text(
        "rerun-triggers: [mtime, params, input, software-env]\n"
    )
    return folder


@pytest.fixture
def repository(root, tmp_path):
    """A repository of git with this project at the tag v1; the folder."""
    folder = running.copied(root, tmp_path / "repository")
    (folder / "pyproject.toml").write_bytes((root / "pyproject.toml").read_bytes())
    author = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        [*author, "commit", "-qm", "All"],
        ["tag", "v1"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def installed(root, folder):
    """The core alone in a folder, as pip puts it into an environment; the folder."""
    core = folder / "imnn_core"
    for path in (root / "scripts/imnn_core").rglob("*.py"):
        copy = core / path.relative_to(root / "scripts/imnn_core")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return folder


ALL = {
    f"imnn_{rule}"
    for rule in (
        *("simulate", "analytic_fisher", "fit", "evaluate", "summarise", "report"),
        *("plot_fit", "plot_comparison", "export"),
    )
}


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_from_a_folder(root, tmp_path, snakefile):
    """The other workflow's own `all` stays the default; the module's has all of the run."""
    folder = other_workflow(tmp_path / "other", str(root / snakefile))
    assert planned(folder) == {"imnn_analytic_fisher": 1, "size": 1}
    assert planned(folder, "--", "imnn_all").keys() - {"imnn_all"} == ALL
    snakemake(folder)
    assert json.loads((folder / ANALYTIC).read_text())["monte_carlo"]["n"] == 50
    assert planned(folder) == {}


def test_under_a_prefix(root, tmp_path):
    """Results lie under it; this project's own files and the user's stay where they are."""
    folder = other_workflow(tmp_path / "other", str(root / "workflow/Snakefile"), prefix="part")
    (folder / "config").mkdir()
    (folder / "config/figures.mplstyle").write_bytes(
        (root / "config/figures.mplstyle").read_bytes()
    )
    assert planned(folder, "--", "imnn_all").keys() - {"imnn_all"} == ALL
    snakemake(folder)
    assert (folder / "part" / ANALYTIC).exists()
    assert (folder / "part/results/tiny/logs/analytic_fisher.log").exists()
    assert not (folder / "results").exists()


def test_from_git(root, repository, tmp_path, monkeypatch):
    """The core is that of the environment, all other files are those of the tag."""
    source = f"git+file://{repository}/workflow/Snakefile@v1"
    folder = other_workflow(tmp_path / "other", source)
    monkeypatch.setenv("PYTHONPATH", str(installed(root, tmp_path / "environment")))
    (repository / "workflow/rules/fit.smk").write_text("raise RuntimeError('not of the tag')")
    assert planned(folder, "--", "imnn_all").keys() - {"imnn_all"} == ALL
    snakemake(folder)
    assert json.loads((folder / ANALYTIC).read_text())["monte_carlo"]["n"] == 50
    assert planned(folder) == {}  # whatever times Snakemake's copies have
    style = folder / ".snakemake/imnn/source/config/figures.mplstyle"
    assert style.read_text().strip() == (root / "config/figures.mplstyle").read_text().strip()


def test_observed_data_that_the_other_workflow_makes(root, tmp_path):
    """They need not be there at the start."""
    config = TINY | {"observed": "made.npy"}
    folder = other_workflow(tmp_path / "other", str(root / "Snakefile"), config=config)
    rule = 'rule make:\n    output:\n        "made.npy",\n    shell:\n        "false"\n'
    snakefile = folder / "Snakefile"
    snakefile.write_text(snakefile.read_text() + rule)
    assert planned(folder, "--", "imnn_all").keys() >= {"make", "imnn_estimate"}


@pytest.mark.long
def test_from_a_host(root, repository, tmp_path, monkeypatch):
    """With git's own word for it that the host's repository lies here; no network is needed."""
    (tmp_path / "hosted/owner").mkdir(parents=True)
    bare = tmp_path / "hosted/owner/imnn"
    subprocess.run(["git", "clone", "-q", "--bare", repository, bare], check=True)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{tmp_path}/hosted/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = other_workflow(tmp_path / "other", "HERE")
    snakefile = folder / "Snakefile"
    hosted = 'github("owner/imnn", path="workflow/Snakefile", tag="v1")'
    snakefile.write_text(snakefile.read_text().replace("'HERE'", hosted))
    output = snakemake(folder, "-n", ok=False)
    assert 'pip install "git+https://github.com/owner/imnn@v1"' in output
    monkeypatch.setenv("PYTHONPATH", str(installed(root, tmp_path / "environment")))
    assert planned(folder, "--", "imnn_all").keys() - {"imnn_all"} == ALL
    snakemake(folder)
    assert json.loads((folder / ANALYTIC).read_text())["monte_carlo"]["n"] == 50
    assert planned(folder) == {}


def test_two_modules_side_by_side(root, tmp_path):
    """Of different runs and problems; the rules of each have its own settings."""
    text = ""
    for name, config in (
        ("a", {"run": "one", "seeds": [1]}),
        ("b", {"run": "two", "seeds": [2], "problem": "exponential_rate"}),
    ):
        snakefile, fits = str(root / "workflow/Snakefile"), {"fits": {name: {}}}
        text += f"module {name}:\n    snakefile:\n        {snakefile!r}\n"
        text += f"    config:\n        {config | fits!r}\n\nuse rule * from {name} as {name}_*\n\n"
    (tmp_path / "Snakefile").write_text(text)
    targets = ("results/one/fits/a/seed-1/fit.h5", "results/two/fits/b/seed-2/fit.h5")
    jobs = {"a_simulate": 2, "a_fit": 1, "b_simulate": 2, "b_fit": 1}
    assert planned(tmp_path, "--", *targets) == jobs


def test_from_git_and_from_a_folder_code_has_the_same_digest(
    root, repository, tmp_path, monkeypatch
):
    """A run goes on with the other source, and makes nothing anew but for the style's last line."""
    folder = other_workflow(tmp_path / "other", str(repository / "workflow/Snakefile"))
    snakemake(folder)
    text = (folder / "Snakefile").read_text()
    source = f"git+file://{repository}/workflow/Snakefile@v1"
    (folder / "Snakefile").write_text(text.replace(str(repository / "workflow/Snakefile"), source))
    monkeypatch.setenv("PYTHONPATH", str(installed(root, tmp_path / "environment")))
    assert planned(folder) == {}


@pytest.mark.long
def test_the_snippets_of_the_documentation(root, repository, tmp_path, monkeypatch):
    """As they stand there, with places and tags of this test; `all` is the first rule there."""
    page = (root / "docs/as_a_module.md").read_text()
    whole, of_github, of_git = re.findall(r"^```snakemake\n(.*?)^```", page, re.M | re.S)
    (profile,) = re.findall(r"^```yaml\n(.*?)^```", page, re.M | re.S)
    (tmp_path / "profiles/default").mkdir(parents=True)
    (tmp_path / "profiles/default/config.yaml").write_text(profile)
    (tmp_path / "config.yaml").write_text(json.dumps({"imnn": TINY}))
    snakefile = '"../imnn-pipeline/workflow/Snakefile"'
    assert f"    snakefile:\n        {snakefile}\n" in whole
    local = whole.replace(snakefile, repr(str(repository / "workflow/Snakefile")))
    address = of_git.replace("/path/to/repository", str(repository)).replace("TAG", "v1")
    git = whole.replace(f"    snakefile:\n        {snakefile}\n", address)
    monkeypatch.setenv("PYTHONPATH", str(installed(root, tmp_path / "environment")))
    for text in (local, git):
        (tmp_path / "Snakefile").write_text(text)
        jobs = planned(tmp_path, "--configfile", "config.yaml", "--", "all")
        assert jobs.keys() - {"imnn_all"} == ALL
    assert 'github("OWNER/REPOSITORY", path="workflow/Snakefile", tag="TAG")' in of_github


def test_from_git_without_the_core_says_what_to_install(repository, tmp_path):
    folder = other_workflow(tmp_path / "other", f"git+file://{repository}/workflow/Snakefile@v1")
    output = snakemake(folder, "-n", ok=False)
    line = "imnn_core: expected it to be installed, since {0} is no folder, found none; "
    address = f"git+file://{repository}@v1"
    assert f'{line.format(address)}pip install "{address}"' in output.splitlines()
    assert "Traceback" not in output


def test_from_git_another_version_of_the_core_is_refused(root, repository, tmp_path, monkeypatch):
    environment = installed(root, tmp_path / "environment")
    (environment / "imnn_pipeline-9.9.dist-info").mkdir()
    (environment / "imnn_pipeline-9.9.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: imnn-pipeline\nVersion: 9.9\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(environment))
    folder = other_workflow(tmp_path / "other", f"git+file://{repository}/workflow/Snakefile@v1")
    output = snakemake(folder, "-n", ok=False)
    assert re.search(r"^imnn_core: expected version \S+, .* found 9.9 installed; pip", output, re.M)


def test_the_core_beside_the_snakefile_goes_before_an_installed_one(root, tmp_path, monkeypatch):
    """In the workflow's own process and in a job's: the decoy fails as soon as it is imported."""
    (tmp_path / "decoy/imnn_core").mkdir(parents=True)
    (tmp_path / "decoy/imnn_core/__init__.py").write_text("raise RuntimeError('a decoy')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "decoy"))
    config = tmp_path / "tiny.yaml"
    config.write_text(json.dumps(TINY | {"n_monte_carlo": 50}))
    where = ("--snakefile", str(root / "Snakefile"), "--directory", str(tmp_path))
    snakemake(tmp_path, *where, "--configfile", str(config), "--", ANALYTIC)
    assert (tmp_path / ANALYTIC).exists()


def test_a_core_that_was_imported_before_is_refused(root, tmp_path):
    folder = other_workflow(tmp_path / "other", str(root / "workflow/Snakefile"))
    environment = installed(root, tmp_path / "environment")
    snakefile = folder / "Snakefile"
    head = f"import sys\nsys.path.insert(0, {str(environment)!r})\nimport imnn_core\n"
    snakefile.write_text(head + snakefile.read_text())
    output = snakemake(folder, "-n", ok=False)
    expected = root / "scripts/imnn_core"
    assert f"imnn_core: expected {expected}, found {environment}/imnn_core/" in output


def test_only_these_attributes_of_snakemake_are_used_that_it_does_not_document(root):
    """The table in docs/as_a_module.md has each with the reason and the test that watches it."""
    files = [*(root / "workflow").rglob("*.smk"), *root.glob("**/Snakefile")]
    code = "\n".join(re.sub("#.*", "", path.read_text()) for path in files)
    used = set(re.findall(r"(?<!imnn_core\.)\bworkflow\.(?!rst|svg)\w+\b", code))
    used |= set(re.findall(r"\brules?\.(?:rule\.)?_\w+|\brules\.has", code))
    page = (root / "docs/as_a_module.md").read_text()
    table = set(re.findall(r"^\| `([\w.]+)`", page, flags=re.M))
    assert used - DOCUMENTED <= table, used
    watching = set(re.findall(r"`(test_\w+)`", page))
    tests = "\n".join(path.read_text() for path in (root / "tests").glob("test_*.py"))
    assert watching <= set(re.findall(r"^def (test_\w+)", tests, flags=re.M))
    assert len(watching) >= len(table) > 0


def test_nodes_are_counted_where_jobs_go_to_them(tmp_path):
    """`workflow.resource_settings`: without them the memory is that of this machine."""
    text = (
        'print("nodes:", workflow.resource_settings.nodes, flush=True)\nrule all:\n    input: []\n'
    )
    (tmp_path / "Snakefile").write_text(text)
    for more, nodes in ((), "None"), (("--jobs", "3"), "3"):
        assert re.findall(r"nodes: (\w+)", snakemake(tmp_path, "-n", *more)) == [nodes]


def test_a_jobs_own_process_knows_that_it_is_one(tmp_path):
    """`workflow.is_main_process`: what is checked at the start is not checked in each job."""
    text = """
print("main:", workflow.is_main_process, flush=True)

rule all:
    output: "made.txt"
    run: open(output[0], "w").close()
"""
    (tmp_path / "Snakefile").write_text(text)
    assert re.findall("main: (True|False)", snakemake(tmp_path)) == ["True", "False"]
