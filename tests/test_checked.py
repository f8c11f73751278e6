"""What was checked before need not be checked again, and what is new must."""

import json
import subprocess
import sys

import numpy as np
import pytest
from imnn_core.config.run import Config
from imnn_core.workflow import checked, digest
from imnn_core.workflow.requests import Sizes
from running import snakemake
from tiny_project import TINY

SIZES = Sizes([10], 2, {"training": 1}, 0)
PLAIN = """
import jax.numpy as jnp
from imnn_core import Problem
import beside

problem = Problem(simulator=beside.simulate, theta_fid=(1.0,))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(PLAIN)
    (tmp_path / "beside.py").write_text("def simulate(key, theta):\n    return theta\n")
    (tmp_path / "a.mplstyle").write_text("font.size: 8\n")
    np.save(tmp_path / "observed.npy", np.zeros(3))
    return tmp_path


def digest_of(problem="own.py", observed="observed.npy", style="a.mplstyle", files=None, **values):
    code = digest.user_code_digest(problem) if problem.endswith(".py") else None
    settings = Config(**{"problem": problem, "fits": {"a": {}}} | values)
    return checked.digest_of(
        settings, {"kind": problem, "code": code}, files or {}, observed, style
    )


def test_the_same_has_the_same_digest_and_all_that_counts_another(folder, monkeypatch):
    first = digest_of()
    (folder / "own.py").write_text("# A comment.\n" + PLAIN)
    assert digest_of() == first
    seen = {first, digest_of(n_test=7), digest_of(fits={"a": {"patience": 3}})}
    seen |= {digest_of(observed=None), digest_of(files={"training": "own.py"})}
    (folder / "a.mplstyle").write_text("font.size: 9\n")
    seen.add(digest_of())
    np.save(folder / "observed.npy", np.ones(3))
    seen.add(digest_of())
    (folder / "beside.py").write_text("def simulate(key, theta):\n    return 2 * theta\n")
    seen.add(digest_of())
    monkeypatch.setenv("JAX_ENABLE_X64", "1")
    seen.add(digest_of())
    monkeypatch.setattr(checked, "_version", lambda package: "0.0")
    seen.add(digest_of())
    monkeypatch.setattr(digest, "code_digest", lambda path: "another")
    seen.add(digest_of())
    assert len(seen) == 11
    assert None not in seen


@pytest.mark.parametrize(
    "line",
    [
        "import pandas",
        "from scipy import stats",
        "import os.path",
        "import numpy as np; table = np.loadtxt('table.txt')",
        "from numpy import load as take",
        "table = open('table.txt')",
        "import jax; jax.numpy.load('a.npy')",
        "table = __import__('os')",
        "def f(:",
    ],
)
@pytest.mark.parametrize("file", ["own.py", "beside.py"])
def test_code_that_may_read_or_import_more_is_always_checked(folder, file, line):
    (folder / file).write_text((folder / file).read_text() + line + "\n")
    assert digest_of() is None


def test_what_is_remembered_is_recalled(folder):
    assert checked.recall("a") is None
    checked.remember("a", SIZES)
    checked.remember(None, SIZES)  # of what can't be known
    assert checked.recall("a") == SIZES
    assert checked.recall("b") is None
    assert checked.recall(None) is None
    for i in range(checked.KEPT):
        checked.remember(str(i), SIZES)
    assert checked.recall("a") is None  # the oldest went
    assert checked.recall("0") == SIZES


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 5}', '{"a": [1]}', '{"a": null}'])
def test_a_stamp_that_cannot_be_read_is_no_fault(folder, text):
    checked.remember("b", SIZES)
    (folder / checked.STAMPS).write_text(text)
    assert checked.recall("a") is None
    checked.remember("a", SIZES)
    assert checked.recall("a") == SIZES


def test_a_stamp_that_cannot_be_written_is_no_fault(folder):
    (folder / ".snakemake").write_text("a file in the folder's place")
    checked.remember("a", SIZES)
    assert checked.recall("a") is None


def test_a_start_with_nothing_new_imports_no_jax(root, tmp_path, monkeypatch):
    """Oracle: a jax that can't be imported."""
    (tmp_path / "without/jax").mkdir(parents=True)
    (tmp_path / "without/jax/__init__.py").write_text("raise RuntimeError('no jax here')")
    (tmp_path / "tiny.yaml").write_text(json.dumps(TINY))
    where = ("-n", "--snakefile", str(root / "Snakefile"), "--directory", str(tmp_path))
    where += ("--configfile", str(tmp_path / "tiny.yaml"))
    snakemake(tmp_path, *where)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "without"))
    snakemake(tmp_path, *where)
    assert "no jax here" in snakemake(tmp_path, *where, "--config", "n_test=70", ok=False)


CODE = """
import sys
from imnn_core.workflow import digest
digest.parsed.keep_in(sys.argv[1])
print(digest.code_digest(sys.argv[2]))
"""


def test_digests_of_code_are_the_same_whatever_is_kept(root, tmp_path):
    """Nothing, all, something that is no JSON or other JSON, or what can't be written."""
    kept, script = tmp_path / "kept/parsed.json", root / "scripts/summarise.py"
    command = [sys.executable, "-c", CODE, kept, script]

    def found():
        done = subprocess.run(
            command, cwd=root / "scripts", text=True, capture_output=True, check=True
        )
        return done.stdout

    first = found()
    whole = kept.read_text()
    assert len(json.loads(whole)) > 5
    assert found() == first
    assert kept.read_text() == whole
    for text in ("", "{", "[1]", '{"a": 1}', "5"):
        kept.write_text(text)
        assert found() == first
    kept.unlink()
    kept.parent.rmdir()
    kept.parent.write_text("a file in the folder's place")
    assert found() == first
    assert digest.code_digest(script) == first.strip()


def test_a_script_elsewhere_has_the_digest_of_the_one_beside_the_core(root, tmp_path):
    """As one that comes from git, of which Snakemake has a copy."""
    script = root / "scripts/summarise.py"
    (tmp_path / "summarise.py").write_text(script.read_text())
    assert digest.code_digest(tmp_path / "summarise.py") == digest.code_digest(script)
    edited = tmp_path / "edited" / "summarise.py"
    edited.parent.mkdir()
    edited.write_text(script.read_text() + "\nmore = 1\n")
    assert digest.code_digest(edited) != digest.code_digest(script)
