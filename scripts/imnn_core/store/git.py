"""The version of the project's code, as git knows it."""

import os
import subprocess
from pathlib import Path

UNKNOWN = "unknown"  # no clone, no git, or a git that does not trust the folder
CODE = ("Snakefile", "workflow", "scripts")  # all that decides results, besides the settings


def commit() -> str:
    """The commit that is checked out, "-dirty" after changes of code; "unknown" without git."""
    here = Path(__file__)  # not a script, of which Snakemake runs a copy
    root = here.parents[3]
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}  # many jobs ask at once

    def git(*arguments):
        command = ["git", "-C", root, *arguments]
        return subprocess.run(
            command, check=True, text=True, env=environment, capture_output=True
        ).stdout

    try:
        git("ls-files", "--error-unmatch", here)  # fails inside somebody else's repository
        found = git("rev-parse", "HEAD").strip()
        changed = git("status", "--porcelain", "--untracked-files=no", "--", *CODE)
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    return f"{found}-dirty" if changed else found
