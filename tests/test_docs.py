"""What the documents say to do works: every command, as it stands, in a copy with small runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from running import edit, server, variables

ROOT = Path(__file__).parent.parent
PATTERNS = ("*.md", "config/README.md", "docs/*.md", "profiles/README.md")
PAGES = sorted(str(path.relative_to(ROOT)) for pattern in PATTERNS for path in ROOT.glob(pattern))
# Those that this file does not run, and what does or why nothing can.
ELSEWHERE = {
    "python3 -m venv .venv && .venv/bin/pip install --require-hashes -r requirements.txt && "
    ".venv/bin/snakemake --cores "
    "all": "pip's part as in the next one; snakemake's is run below, before all others",
    "python3 -m venv .venv && .venv/bin/pip install --require-hashes -r requirements-dev.txt && "
    ".venv/bin/pytest": ".ci/run",
    '.venv/bin/pip install "jax[cuda13]"': "needs a GPU",
    'pip install "imnn-pipeline[workflow] @ git+https://HOST/OWNER/REPOSITORY@TAG"': "names no real place; test_install.py",
    ".venv/bin/python tests/benchmarks/engine.py --rounds 11 --csv "
    "engine.csv": "test_project.py, with smaller numbers",
    ".venv/bin/python tests/benchmarks/simulate.py --against HEAD~1 --csv simulate.csv": "test_project.py, "
    "with smaller numbers",
    ".venv/bin/python tests/benchmarks/recipes.py results/ten_seeds": "test_workflow.py",
    "snakemake --cores all --configfile config/posterior.yaml": "test_posterior_run.py, smaller",
    "snakemake --cores all --configfile config/influenza.yaml": "test_influenza.py, smaller",
    "snakemake --workflow-profile profiles/slurm": "test_slurm.py",
    "snakemake --workflow-profile profiles/cluster-generic": "test_slurm.py",
    'snakemake --workflow-profile profiles/slurm --config "seeds=[$(seq -s, 100)]"': "test_slurm.py",
    'squeue --me -o "%.9i %.9T %.10M %.10l %k"': "test_slurm.py",
    "squeue --me -h -o \"%i %j\" | awk '$2 ~ /^imnn_/ {print $1}' | xargs -r scancel && "
    "snakemake --unlock": "test_slurm.py",
}
# Those that are only planned here, and what runs the same; pytest -m long runs them as they stand.
PLANNED = {
    ".venv/bin/pytest -n 2 tests/test_fisher.py": "pytest itself",
    "snakemake --cores all --configfile config/quick.yaml": "the fixture `finished`, in full",
    "snakemake --cores all --configfile config/ten_seeds.yaml": "the first command, of one seed",
    "snakemake --cores all --config n_s=2000 n_d=2000 run=larger": "test_bring_your_own.py",
    'snakemake --cores all --config "fits={mlp: {patience: 20}}" run=patient': "test_bring_your_own.py",
    "snakemake --cores all --directory elsewhere": "test_workflow.py, test_bring_your_own.py",
    "snakemake --cores 1 --configfile config/quick.yaml -- results/quick/summary.csv": "`finished`",
    'snakemake --cores all --config "figures={formats: [svg, png, pdf]}"': "test_coming_back.py",
    "snakemake --cores all -- results/gaussian/gaussian.zip": "test_pack.py",
    "snakemake --cores all --configfile config/examples/decay.yaml --config "
    "problem=my_problem.py run=mine": "test_bring_your_own.py",
    "snakemake --cores all --configfile config/examples/folder.yaml": "test_folder.py",
}
# What comes before a command that is run alone, by what it names.
BEFORE = {
    "my_problem.py": "cp config/examples/decay.py my_problem.py",
    "folder.yaml": "python config/examples/make_folder.py mocks",
}


def commands_of(text):
    """Commands of a document's blocks of shell, without the remarks behind them."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.M | re.S)
    lines = [re.sub(r"\s+#\s.*", "", line) for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.strip()]


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


COMMANDS = [command for page in PAGES for command in commands_of(text_of(page))]


def shrink(path):
    """Make a config's run one of seconds, under the same names."""
    config = yaml.safe_load(path.read_text())
    fits = config["fits"]
    (name, recipe), *_ = fits.items()
    small = {"min_iterations": 0, "max_iterations": 3, "n_per_device": 100}
    config |= {
        "seeds": [1],
        "n_s": 60,
        "n_d": 50,
        "n_test": 200,
        "n_monte_carlo": 50,
        "fits": {name: recipe | small},
    }
    path.write_text(yaml.safe_dump(config, sort_keys=False))


@pytest.fixture(scope="module")
def folder(root, tmp_path_factory):
    """The project as a clone has it, with an environment that is this one's, after the run of the
    first command.
    """
    folder = tmp_path_factory.mktemp("clone")
    for path in subprocess.run(
        ["git", "ls-files"], cwd=root, text=True, capture_output=True, check=True
    ).stdout.splitlines():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / path, folder / path)
    for name in (
        "config.yaml",
        "quick.yaml",
        "ten_seeds.yaml",
        "examples/decay.yaml",
        "examples/expensive.yaml",
    ):
        shrink(folder / "config" / name)
    edit(folder / "config/examples/expensive.py", "12_000, 600, 0.001", "240, 12, 0.05")
    commands = folder / ".venv/bin"
    commands.mkdir(parents=True)
    for path in Path(sys.prefix, "bin").iterdir():
        (commands / path.name).symlink_to(path)
    for name, arguments in (("snakemake", "-m snakemake"), ("python", "")):
        (commands / name).unlink()
        (commands / name).write_text(f'#!/bin/sh\nexec {server()[1]} {arguments} "$@"\n')
        (commands / name).chmod(0o755)
    do(folder, ".venv/bin/snakemake --cores all")
    return folder


def do(folder, command):
    path = {"PATH": f"{folder}/.venv/bin{os.pathsep}{os.environ['PATH']}"}
    environment = variables() | path
    done = subprocess.run(
        command.replace("tail -f", "tail"),
        shell=True,
        cwd=folder,
        env=environment,
        text=True,
        timeout=600,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def cases():
    """Commands as they are run: a plan in place of some."""
    for command in dict.fromkeys(COMMANDS):
        if command in PLANNED:
            plan = command.replace("snakemake ", "snakemake -n ", 1)
            yield plan.replace("pytest ", "pytest --collect-only ", 1)
            before = [f"{each} && " for name, each in BEFORE.items() if name in command]
            yield pytest.param("".join([*before, command]), marks=pytest.mark.long)
        elif command not in ELSEWHERE:
            yield command


def test_no_command_is_left_out():
    assert ELSEWHERE.keys() | PLANNED.keys() <= set(COMMANDS)
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("command", list(cases()))
def test_the_command_works(folder, command):
    output = do(folder, command)
    assert "Traceback" not in output


def anchors_of(page):
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(
        r"^#+ (.*)", re.sub(r"^```.*?^```", "", text_of(page), flags=re.M | re.S), flags=re.M
    )
    return {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_is_there(page):
    for target in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text_of(page)):
        path, _, anchor = "".join(target).partition("#")
        linked = (ROOT / page).parent / path if path else ROOT / page
        assert linked.exists(), path
        assert not anchor or anchor in anchors_of(linked), f"{path}#{anchor}"


def test_the_readme_links_to_every_page():
    assert len(text_of("README.md").splitlines()) <= 150
    linked = set(re.findall(r"\]\(([^)\s#]+\.md)", text_of("README.md")))
    assert {page for page in PAGES if page != "README.md"} == linked


@pytest.mark.parametrize(("page", "name"), [("own_problems", "decay"), ("simulating", "outside")])
def test_the_example_of_the_page_is_that_of_its_file(page, name):
    (example,) = re.findall(
        r'^```python\n(""".*?)^```', text_of(f"docs/{page}.md"), flags=re.M | re.S
    )
    assert example == (ROOT / f"config/examples/{name}.py").read_text(encoding="utf-8")


def without_transitive(arrows):
    """Arrows without those from a to c where another way leads from a to c."""
    after = {a: {c for b, c in arrows if b == a} for a, _ in arrows}

    def reached(a):
        return after.get(a, set()).union(*(reached(b) for b in after.get(a, ())))

    return {(a, c) for a, c in arrows if not any(c in reached(b) for b in after[a])}


def test_arrows_that_follow_from_others_are_left_out():
    """Oracle: by hand."""
    assert without_transitive(
        {("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("a", "d"), ("x", "c")}
    ) == {("a", "b"), ("b", "c"), ("c", "d"), ("x", "c")}


def test_the_graph_of_the_page_is_snakemakes_own(tmp_path):
    """Oracle: the rules of the default run, as Snakemake itself prints them; without `all`."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        ROOT / "Snakefile",
        "--directory",
        tmp_path,
    ]
    done = subprocess.run(
        [*command, "--forceall", "--rulegraph", "mermaid-js"],
        cwd=tmp_path,
        env=variables(),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = dict(re.findall(r"^\s*(id\d+)\[(\w+)\]", done.stdout, flags=re.M))
    arrows = {(names[a], names[b]) for a, b in re.findall(r"(id\d+) --> (id\d+)", done.stdout)}
    expected = without_transitive({arrow for arrow in arrows if "all" not in arrow})
    (block,) = re.findall(r"^```mermaid\n(.*?)^```", text_of("docs/method.md"), flags=re.M | re.S)
    found = re.findall(r"(\w+) --> (\w+)", block)
    assert sorted(found) == sorted(expected)
    assert set(names.values()) - {"all"} == {name for arrow in found for name in arrow}


def test_the_ways_to_cite(root):
    """CITATION.cff is YAML, and of this version."""
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert f'version = "{citation["version"]}"' in (root / "pyproject.toml").read_text()
    assert citation["references"][0]["identifiers"][0]["value"] == "arXiv:1802.03634"
