"""Archives of tiny runs: how they are made, and what is in them."""

import shutil
import zipfile

import running
from tiny_project import write_config

ARCHIVE = "results/tiny/tiny.zip"
FIGURE = "results/tiny/figures/information.svg"
TEXTS = (
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "environment.yml",
    "pyproject.toml",
    "requirements.txt",
)
FIGURES = {"plot_fit": 1, "plot_comparison": 1, "report": 1}


def project(root, folder, **changes):
    running.copied(root, folder)
    write_config(folder, **changes)
    return with_texts(root, folder)


def with_texts(root, folder):
    for name in TEXTS:
        shutil.copy(root / name, folder / name)
    return folder


def unpacked(archive, folder):
    """What is in the archive; times of modification are those of unpacking."""
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    (only,) = folder.iterdir()
    return only


def files_in(folder):
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
