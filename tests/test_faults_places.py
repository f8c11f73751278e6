"""A project that belongs to somebody else and can't be written, odd names, no home: as an ordinary
user meets them.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from running import results_of, variables
from small_files import arrays_of, write
from tiny_project import TEST_SET, cannot, copied

FIGURE = "results/tiny/figures/history/small/seed-1.svg"
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
# In mounts of its own: a folder that only root may enter is made one for all, with nothing in it
# but a child.
OPENED = """
mkdir "$1" && mount --bind "$3" "$1" && mount -t tmpfs -o mode=755 tmpfs "$2" && mkdir -p "$3" && mount --bind "$1" "$3" &&
shift 3 && exec "$@"
"""


def closed_to_others(path: Path):
    """The first folder on a path that other users may not enter, or None."""
    return next(
        (folder for folder in reversed(path.parents) if not folder.stat().st_mode & 1), None
    )


@pytest.fixture
def room():
    """A folder that all may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="imnn-places-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture
def as_anyone(room):
    """What comes before a command that root gives as an ordinary user; nothing for an ordinary
    user.
    """
    if os.getuid():
        return []
    python = Path(sys.executable).resolve()
    closed = closed_to_others(python)
    command = NOBODY
    if closed:
        child = closed / python.relative_to(closed).parts[0]
        command = [
            "unshare",
            "--mount",
            "bash",
            "-c",
            OPENED,
            "bash",
            room / "opened",
            closed,
            child,
            *NOBODY,
        ]
    tried = subprocess.run(
        [*command, "bash", "-c", f"'{sys.executable}' -c ''"],
        capture_output=True,
        text=True,
        check=False,
    )
    if closed:
        shutil.rmtree(room / "opened", ignore_errors=True)
    if tried.returncode:
        cannot(f"this Python could not be run as an ordinary user: {tried.stderr.strip()}")
    return command


@pytest.fixture
def place(root, room):
    """A project that can't be written, and beside it a folder for results and one for temporary
    files, which can.
    """
    project = copied(root, room / "somebody's project ü")
    for path in (project, *project.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    for name in ("my résults", "tmp"):
        (room / name).mkdir()
        (room / name).chmod(0o777)
    yield project, room / "my résults", room / "tmp"
    for path in (project, *(path for path in project.rglob("*") if path.is_dir())):
        path.chmod(0o755)


def run(as_anyone, place, home, *arguments):
    project, folder, temporary = place
    environment = {
        name: value
        for name, value in variables().items()
        if name not in ("HOME", "XDG_CACHE_HOME", "JAX_COMPILATION_CACHE_DIR")
    }
    environment |= {"TMPDIR": str(temporary)} | ({} if home is None else {"HOME": home})
    command = [
        *as_anyone,
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "1",
        "--snakefile",
        project / "Snakefile",
        *arguments,
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        text=True,
        stdout=-1,
        stderr=subprocess.STDOUT,
        check=False,
    )
    shutil.rmtree(project.parent / "opened", ignore_errors=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize(
    ("home", "target"),
    [
        (None, FIGURE),
        pytest.param("/proc", TEST_SET, marks=pytest.mark.long),
        pytest.param("/nowhere/at all", TEST_SET, marks=pytest.mark.long),
    ],
)
def test_somebody_elses_project_without_a_home(tiny, as_anyone, place, home, target):
    project, folder, temporary = place
    if target == FIGURE:  # of what is there
        made = shutil.copytree(tiny / "results", folder / "results", copy_function=shutil.copyfile)
        shutil.rmtree(made / "tiny/figures")
        for path in (made, *made.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)
    before = sorted(project.rglob("*"))
    run(as_anyone, place, home, "--configfile", project / "tiny.yaml", "--", target)
    assert (folder / target).exists()
    assert sorted(path.name for path in folder.iterdir()) == [".snakemake", "results"]
    assert sorted(project.rglob("*")) == before
    assert list(temporary.iterdir()) == []
    assert not Path("/nowhere").exists()
    assert results_of(folder).items() <= results_of(tiny).items()


@pytest.mark.parametrize("config", ["config/examples/decay.yaml", "config/examples/files.yaml"])
def test_examples_of_somebody_elses_project(as_anyone, place, config):
    project, folder, _ = place
    write(folder / "simulations.h5", arrays_of(120, 100))
    assert "total" in run(as_anyone, place, None, "-n", "--configfile", project / config)
    assert "total" in run(
        as_anyone, place, None, "-n", "--configfile", project / config, "--directory", folder
    )
