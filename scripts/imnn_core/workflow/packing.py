"""Files of the project and of the user in a run's archive, and their places there."""

import glob
import os
from pathlib import Path

# By name: other files in the project's folder are the user's own.
PROJECT = (
    "Snakefile",
    "workflow/Snakefile",
    "workflow/rules/*.smk",
    "workflow/report/*.rst",
    "workflow/report/report.*",
    "scripts/*.py",
    "scripts/imnn_core/**/*.py",
    "config/README.md",
    "config/schema.json",
    "config/figures.mplstyle",
    "config/exponential_rate.yaml",
    "config/gaussian_field.yaml",
    "config/quick.yaml",
    "config/posterior.yaml",
    "config/influenza.yaml",
    "config/ten_seeds.yaml",
    "config/examples/*.py",
    "config/examples/*.yaml",
    "config/examples/*.npy",
    "profiles/README.md",
    "profiles/*/config.yaml",
    "profiles/cluster-generic/status.sh",
    "docs/**/*.md",
    "docs/**/*.ipynb",
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
    """The project's files except the default config, {place in the archive: path from here}."""
    places = (
        place for pattern in PROJECT for place in glob.glob(pattern, root_dir=root, recursive=True)
    )
    return {place: os.path.relpath(os.path.join(root, place)) for place in sorted(places)}


def place_of(path: str | Path, *folders: str | Path) -> str:
    """Place of a user's file in the archive.

    Its path from the first of these folders that it lies in, or else config/.
    """
    path = Path(path).parent.resolve() / Path(path).name  # a link's own name, not its target's
    inside = [
        path.relative_to(folder)
        for folder in map(os.path.realpath, folders)
        if path.is_relative_to(folder)
    ]
    return (inside or [Path("config", path.name)])[0].as_posix()
