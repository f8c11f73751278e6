"""What the documents say to do works: every command in them, as it stands, in a copy whose runs are small."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from running import variables

DOCUMENTS = ("CONTRIBUTING.md", "README.md", "config/README.md", "profiles/README.md")
# Those that this file does not run, and what does or why nothing can.
ELSEWHERE = {
    "python3 -m venv .venv && .venv/bin/pip install --require-hashes -r requirements.txt && .venv/bin/snakemake --cores all":
        "pip's part as in the next one; snakemake's is run below, before all others",
    "python3 -m venv .venv && .venv/bin/pip install --require-hashes -r requirements-dev.txt && .venv/bin/pytest": ".ci/run",
    '.venv/bin/pip install "jax[cuda13]"': "needs a GPU",
    "snakemake --workflow-profile profiles/slurm": "test_slurm.py",
    "snakemake --workflow-profile profiles/cluster-generic": "test_slurm.py",
    'snakemake --workflow-profile profiles/slurm --config "seeds=[$(seq -s, 100)]"': "test_slurm.py",
    'squeue --me -o "%.9i %.9T %.10M %.10l %k"': "test_slurm.py",
    "squeue --me -h -o \"%i %j\" | awk '$2 ~ /^imnn_/ {print $1}' | xargs -r scancel && snakemake --unlock": "test_slurm.py",
}  # fmt: skip


def commands_of(text):
    """Commands of a document's blocks of shell, without the remarks behind them."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.M | re.S)
    lines = [re.sub(r"\s+#\s.*", "", line) for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.strip()]


ROOT = Path(__file__).parent.parent
COMMANDS = [command for name in DOCUMENTS for command in commands_of((ROOT / name).read_text(encoding="utf-8"))]


def shrink(path):
    """Make a config's run one of seconds, under the same names."""
    config = yaml.safe_load(path.read_text())
    fits = config["fits"]
    (name, recipe), *_ = fits.items()
    small = {"min_iterations": 0, "max_iterations": 3, "n_per_device": 100}
    config |= {"seeds": [1], "n_s": 60, "n_d": 50, "n_test": 200, "n_monte_carlo": 50, "fits": {name: recipe | small}}
    path.write_text(yaml.safe_dump(config, sort_keys=False))


@pytest.fixture(scope="module")
def folder(root, tmp_path_factory):
    """The project as a clone has it, with an environment that is this one's, after the run of the first command."""
    folder = tmp_path_factory.mktemp("clone")
    for path in subprocess.run(["git", "ls-files"], cwd=root, text=True, capture_output=True, check=True).stdout.splitlines():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / path, folder / path)
    for name in ("config.yaml", "quick.yaml", "ten_seeds.yaml", "examples/decay.yaml"):
        shrink(folder / "config" / name)
    (folder / ".venv").symlink_to(sys.prefix)
    do(folder, ".venv/bin/snakemake --cores all")
    return folder


def do(folder, command):
    environment = variables() | {"PATH": f"{folder}/.venv/bin:{os.environ['PATH']}"}
    done = subprocess.run(
        command.replace("tail -f", "tail"), shell=True, cwd=folder, env=environment, text=True, timeout=600, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_no_command_is_left_out():
    assert ELSEWHERE.keys() <= set(COMMANDS)
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("command", dict.fromkeys(command for command in COMMANDS if command not in ELSEWHERE))
def test_the_command_works(folder, command):
    output = do(folder, command)
    assert "Traceback" not in output


@pytest.mark.parametrize("document", [*DOCUMENTS, "CHANGELOG.md"])
def test_what_a_document_links_to_is_there(root, document):
    text = (root / document).read_text(encoding="utf-8")
    headings = {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in re.findall(r"^#+ (.*)", text, re.M)}
    for target in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text):
        path, _, anchor = "".join(target).partition("#")
        assert not path or (root / document).parent.joinpath(path).exists(), path
        assert path or anchor in headings, anchor


def test_the_ways_to_cite(root):
    """CITATION.cff is YAML, and of this version."""
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert f'version = "{citation["version"]}"' in (root / "pyproject.toml").read_text()
    assert citation["references"][0]["identifiers"][0]["value"] == "arXiv:1802.03634"
