"""What of the project and of the user's own files an archive has besides a run's results, and where in it they lie."""

import glob
import os
from pathlib import Path

# By name, so that what else lies in the project's folder stays there: it is the user's own.
PROJECT = (
    "Snakefile",
    "workflow/Snakefile",
    "workflow/rules/*.smk",
    "workflow/report/*.rst",
    "workflow/report/report.*",
    "scripts/*.py",
    "scripts/*.md",
    "scripts/imnn_core/**/*.py",
    "config/README.md",
    "config/schema.json",
    "config/figures.mplstyle",
    "config/exponential_rate.yaml",
    "config/gaussian_field.yaml",
    "config/quick.yaml",
    "config/ten_seeds.yaml",
    "config/examples/*.py",
    "config/examples/*.yaml",
    "profiles/README.md",
    "profiles/*/config.yaml",
    "profiles/cluster-generic/status.sh",
    "docs/**/*.md",
    "docs/**/*.png",
    "docs/**/*.svg",
    "environment.yml",
    "pyproject.toml",
    "requirements.txt",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "CITATION.cff",
    "CONTRIBUTING.md",
)


def project_files(root: str | Path) -> dict[str, str]:
    """The project's own files, but for the default config: places in the archive, and paths from here."""
    places = (
        place for pattern in PROJECT for place in glob.glob(pattern, root_dir=root, recursive=True)
    )
    return {place: os.path.relpath(os.path.join(root, place)) for place in sorted(places)}


def place_of(path: str | Path, *folders: str | Path) -> str:
    """Where a user's file lies in the archive: where it lies in the first of these folders that has it, or else in config/."""
    path = (
        Path(path).parent.resolve() / Path(path).name
    )  # what a link is called here, not what it leads to
    inside = [
        path.relative_to(folder)
        for folder in map(os.path.realpath, folders)
        if path.is_relative_to(folder)
    ]
    return (inside or [Path("config", path.name)])[0].as_posix()
