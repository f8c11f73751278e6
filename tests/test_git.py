"""Which commit a fit was made by. Oracle: git itself, asked in another way."""

import os
import subprocess
import sys

import pytest

ASK = "from imnn_core.store import git; print(git.commit())"


@pytest.fixture
def project(root, tmp_path):
    """A repository with what a fit's script imports in it."""
    package = tmp_path / "scripts/imnn_core"
    (package / "store").mkdir(parents=True)
    for name in ("__init__.py", "store/__init__.py", "store/git.py"):
        (package / name).write_bytes((root / "scripts/imnn_core" / name).read_bytes())
    return tmp_path


def git(folder, *arguments):
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def asked(folder, **variables):
    environment = (
        os.environ
        | {"PYTHONPATH": str(folder / "scripts"), "PYTHONDONTWRITEBYTECODE": "1"}
        | variables
    )
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_the_commit_and_whether_the_tree_was_dirty(project):
    git(project, "init")
    git(project, "add", ".")
    git(project, "commit", "-m", "first")
    git(project, "tag", "v1")
    head = git(project, "rev-parse", "HEAD")
    assert asked(project) == head
    (project / "notes.txt").write_text("untracked files are no part of the code")
    assert asked(project) == head
    (project / "scripts/imnn_core/__init__.py").write_text("# changed\n")
    assert asked(project) == f"{head}-dirty"


def test_there_may_be_none(project):
    """No repository; one that the project is no part of; no git."""
    assert asked(project, GIT_CEILING_DIRECTORIES=str(project.parent)) == "unknown"
    git(project, "init")
    (project / "other.txt").write_text("")
    git(project, "add", "other.txt")
    git(project, "commit", "-m", "of something else")
    assert asked(project) == "unknown"
    git(project, "add", ".")
    git(project, "commit", "-m", "the project as well")
    assert asked(project, PATH="") == "unknown"
