"""Which version of the project's code made a result, as far as git knows."""

import os
import subprocess
from functools import partial
from pathlib import Path

UNKNOWN = "unknown"  # not from a clone, or no git


def commit() -> str:
    """The commit that is checked out, with "-dirty" where tracked files were changed since; "unknown" outside of a clone."""
    here = Path(__file__)  # not a script's: Snakemake runs copies of these
    git = ["git", "-C", here.parent]
    run = partial(
        subprocess.run, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},  # many jobs ask at once
    )  # fmt: skip
    try:
        run([*git, "ls-files", "--error-unmatch", here.name])  # else it lies in some other repository
        return run([*git, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
