# Where this project's own files are, and its core: beside this Snakefile, or, where that comes from
# git as a module of another workflow, in Snakemake's cache and in the environment.
import importlib.metadata
import importlib.util
import os
import re
import sys
from importlib.machinery import PathFinder

from snakemake.exceptions import WorkflowError

ROOT = os.path.dirname(os.path.dirname(str(workflow.current_basedir)))
SCRIPTS = os.path.join(ROOT, "scripts")
IS_FOLDER = os.path.isdir(SCRIPTS)
COPIES = os.path.join(".snakemake", "imnn", "source")


def own(path):
    """A file of this project, by its path in it; None if there is none.

    What comes from git is copied to a place that stays the same from one start to the next, under
    its own name and beside its neighbours. Snakemake's cache offers neither.
    """
    if IS_FOLDER:
        place = os.path.join(ROOT, path)
        return place if os.path.exists(place) else None
    if os.path.isabs(path) or path.startswith(".."):
        return None
    try:
        cached = workflow.source_path(f"../../{path}")
    except WorkflowError:
        return None
    from imnn_core.store.files import copy_of

    return copy_of(cached, os.path.join(COPIES, path))


def from_folder():
    """Import the core beside this Snakefile, and let jobs do so, before any that is installed.

    Snakemake puts the scripts' folder at the end of a job's path.
    """
    elsewhere = [each for each in sys.path if each != SCRIPTS]
    if PathFinder.find_spec("imnn_core", elsewhere):
        given = os.environ.get("PYTHONPATH")
        os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [SCRIPTS, given])))
    sys.path.insert(0, SCRIPTS)
    import imnn_core

    sys.path.remove(SCRIPTS)  # where scripts have names that others may have as well
    expected = os.path.join(SCRIPTS, "imnn_core")
    if not os.path.samefile(os.path.dirname(imnn_core.__file__), expected):
        raise WorkflowError(
            f"imnn_core: expected {expected}, found {imnn_core.__file__}, imported before; "
            "import none before this module, or take the module from git"
        )


def from_environment():
    """See that the core is installed, in the version of this Snakefile."""
    protocol = "" if "://" in ROOT_OF_GIT else "git+https://"
    remedy = f'pip install "{protocol}{ROOT_OF_GIT}"'
    if importlib.util.find_spec("imnn_core") is None:
        raise WorkflowError(
            f"imnn_core: expected it to be installed, since {ROOT_OF_GIT} is no folder, found "
            f"none; {remedy}"
        )
    with open(own("pyproject.toml"), encoding="utf-8") as file:
        expected = re.search('^version = "(.*)"$', file.read(), flags=re.M)[1]
    try:
        found = importlib.metadata.version("imnn-pipeline")
    except importlib.metadata.PackageNotFoundError:  # from a folder on the path
        return
    if found != expected:
        raise WorkflowError(
            f"imnn_core: expected version {expected}, that of {ROOT_OF_GIT}, found {found} "
            f"installed; {remedy}"
        )


if IS_FOLDER:
    from_folder()
else:
    # An address of a folder in git ends in @ and a tag, a branch or a commit, as pip's do.
    ROOT_OF_GIT = re.sub("[/]workflow/rules", "", str(workflow.current_basedir))
    from_environment()


def default_config():
    """The working directory's own config, or else the default run's."""
    path = os.path.join("config", "config.yaml")
    return path if os.path.exists(path) else own(path)
