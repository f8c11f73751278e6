"""Which version of the project's code made a result, as far as git knows."""

import os
import subprocess
from functools import partial
from pathlib import Path

UNKNOWN = "unknown"  # not from a clone, no git, or one that does not trust the folder
CODE = (
    "Snakefile",
    "workflow",
    "scripts",
)  # what else is changed makes no other results: settings are told for themselves


def commit() -> str:
    """The commit that is checked out, with "-dirty" where code was changed since; "unknown" where git can't say."""
    here = Path(__file__)  # not a script's: Snakemake runs copies of these
    root = here.parents[3]
    run = partial(
        subprocess.run, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},  # many jobs ask at once
    )  # fmt: skip
    try:
        run(
            ["git", "-C", root, "ls-files", "--error-unmatch", here]
        )  # else it lies in some other repository
        found = run(["git", "-C", root, "rev-parse", "HEAD"]).stdout.strip()
        changed = run(
            ["git", "-C", root, "status", "--porcelain", "--untracked-files=no", "--", *CODE]
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    return f"{found}-dirty" if changed else found
