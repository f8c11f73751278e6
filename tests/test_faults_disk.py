"""Disks that are really full: one line that says so, and after room was made the results of an
untouched run.
"""

import contextlib
import re
import shutil
import subprocess

from running import results_of, snakemake
from tiny_project import TEST_SET, TINY_RUN, cannot, copied, set_of, write_config

FIT = "results/tiny/fits/small/seed-1/fit.h5"
FIGURE = "results/tiny/figures/history/small/seed-1.svg"


@contextlib.contextmanager
def disk_of(folder, size):
    """A file system of this size at a folder."""
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        cannot(f"a small file system could not be mounted: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@contextlib.contextmanager
def only(n_bytes, folder):
    """With this many bytes free."""
    (folder / "filled").write_bytes(bytes(shutil.disk_usage(folder).free - n_bytes))
    yield
    (folder / "filled").unlink()


SETS = [set_of(split) for split in ("training", "validation")]
INFORMATION = "results/tiny/fits/small/seed-1/information.json"


def test_results_on_a_full_disk(root, tmp_path, tiny):
    """While simulating, fitting and plotting. Oracle: the results with room enough."""
    folder = copied(root, tmp_path / "project")
    with disk_of(folder / "results", "3m") as disk:
        for before, target, room in (
            (SETS, TEST_SET, 12_288),
            (SETS, FIT, 24_576),
            ([INFORMATION], FIGURE, 61_440),
        ):
            snakemake(folder, *TINY_RUN, "--", *before)
            with only(room, disk):
                output = snakemake(folder, *TINY_RUN, "--", target, ok=False)
            (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
            assert line.startswith(f"error: {target}: ")
            assert (
                "; make room there, or have the results elsewhere (snakemake --directory)" in line
            )
            assert "Traceback" not in output
            assert not (folder / target).exists()
        snakemake(folder, *TINY_RUN, "--", FIGURE)
        assert all((folder / name).exists() for name in (*SETS, TEST_SET, FIT, INFORMATION, FIGURE))
        assert results_of(folder).items() <= results_of(tiny).items()


def test_no_room_for_a_jobs_log_either(root, tmp_path):
    folder = copied(root, tmp_path / "project")
    with disk_of(folder / "results", "1m") as disk, only(0, disk):
        output = snakemake(folder, *TINY_RUN, "--", TEST_SET, ok=False)
    assert re.search(
        f"error: {TEST_SET}: (expected 7200 bytes free|no space left) on the disk.*; make room "
        "there",
        output,
    )
    assert "Traceback" not in output


def test_a_full_working_directory(root, tmp_path, tiny):
    """With no room for Snakemake's own files; and with some, but too little for the results."""
    with disk_of(tmp_path / "disk", "12m") as disk:
        folder, large = (
            copied(root, disk / "project", n_test=50_000),
            TEST_SET.replace("60", "50000"),
        )
        with only(0, disk):
            output = snakemake(folder, *TINY_RUN, "--", large, ok=False)
        (line,) = [line for line in output.splitlines() if "error" in line.lower()]
        assert line.startswith(
            "error: .snakemake: expected 1048576 bytes free on the disk, found 0; make room there"
        )
        assert "Traceback" not in output
        with only(2**21, disk):
            output = snakemake(folder, *TINY_RUN, "--", large, ok=False)
        assert f"error: {large}: expected 6000000 bytes free on the disk, found" in output
        write_config(folder)
        snakemake(folder, *TINY_RUN, "--", TEST_SET)
        name = TEST_SET.removeprefix("results/tiny/")
        assert results_of(folder)[name] == results_of(tiny)[name]
