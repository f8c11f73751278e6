"""A run in one archive: what is in it, and that it is whole and can be gone on with elsewhere."""

import hashlib
import json
import os
import random
import shutil
import subprocess

import pytest
import yaml
from archives import ARCHIVE, FIGURE, FIGURES, TEXTS, files_in, unpacked, with_texts
from imnn_core.workflow import packing
from running import edit, planned, results_of, snakemake
from tiny_project import TINY, TINY_RUN


@pytest.fixture(scope="module")
def packed(root, tiny, tmp_path_factory):
    """A project with the run made and packed; with what a user and the system may leave there."""
    folder = shutil.copytree(tiny, tmp_path_factory.mktemp("packed") / "project")
    with_texts(root, folder)
    for name in (
        "config/mine.yaml",
        "notes.txt",
        "docs/draft.tex",
        "config/.hidden",
        "workflow/rules/.old.smk.swp",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("of mine")
    (folder / "docs/graph.svg").write_text("<svg/>")
    for name in (
        "results/tiny/fits/small/seed-1/fit.checkpoint.h5",
        "results/tiny/fits/small/seed-1/.fit.h5.1.part",
    ):
        (folder / name).write_text("half done")
    snakemake(folder, *TINY_RUN, "--", ARCHIVE)
    return folder


@pytest.fixture
def elsewhere(packed, tmp_path):
    return unpacked(packed / ARCHIVE, tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("mine.py", "mine.py"),
        ("./sub/../mine.py", "mine.py"),
        ("{here}/sub/mine.py", "sub/mine.py"),
        ("{project}/config/mine.py", "config/mine.py"),
        ("../outside/mine.py", "config/mine.py"),
        ("{outside}/mine.py", "config/mine.py"),
        ("link/mine.py", "config/mine.py"),
    ],
)
def test_where_a_users_file_lies_in_it(tmp_path, monkeypatch, path, place):
    folders = {name: tmp_path / name for name in ("here", "project", "outside")}
    (folders["here"] / "sub").mkdir(parents=True)
    (folders["here"] / "link").symlink_to(folders["outside"])
    monkeypatch.chdir(folders["here"])
    assert packing.place_of(path.format(**folders), ".", folders["project"]) == place


def test_what_is_in_it(packed, elsewhere):
    """Oracle: the project's own lists, and the bytes of each result."""
    found = files_in(elsewhere)
    results = {
        name: digest
        for name, digest in results_of(packed).items()
        if not name.startswith("simulations")
        and name != "tiny.zip"
        and "checkpoint" not in name
        and ".part" not in name
    }
    assert results_of(elsewhere) == results
    assert not [
        name
        for name in found
        if "__pycache__" in name or "of mine" in found[name].read_text(errors="ignore")
    ]
    code = {str(path.relative_to(packed)) for path in (packed / "scripts").rglob("*.py")}
    code |= {
        "Snakefile",
        "docs/graph.svg",
        *TEXTS,
        "results/tiny/logs/fit/small/seed-1.log",
        "UNPACKED.md",
        "SHA256SUMS",
    }
    assert code <= found.keys()
    names = set(json.loads((packed / "tiny.yaml").read_text()))
    settings = yaml.safe_load((elsewhere / "config/config.yaml").read_text())
    assert names < settings.keys()
    assert settings["fits"]["small"]["max_iterations"] == TINY["fits"]["small"]["max_iterations"]
    assert str(packed).encode() not in b"".join(path.read_bytes() for path in found.values())


def test_it_has_every_file_of_the_project(root, tmp_path):
    """Oracle: git's list of files; none but tests and what is for developers stays behind."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=root, text=True, capture_output=True, check=False
    ).stdout.split()
    if not listed:
        pytest.skip("not in a git repository")
    folders = ("workflow/", "scripts/", "config/", "profiles/", "docs/")
    assert {name for name in listed if name.startswith(folders)} - {
        "config/config.yaml"
    } <= packing.project_files(root).keys()


def test_checksums_are_of_every_file_and_a_changed_byte_is_noticed(elsewhere):
    lines = [line.split("  ", 1) for line in (elsewhere / "SHA256SUMS").read_text().splitlines()]
    files = files_in(elsewhere)
    files.pop("SHA256SUMS")
    assert {name: checksum for checksum, name in lines} == {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()
    }
    check = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=elsewhere, check=False).returncode == 0
    path = elsewhere / "results/tiny/fits/small/seed-1/fit.h5"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    done = subprocess.run(check, cwd=elsewhere, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, "results/tiny/fits/small/seed-1/fit.h5: FAILED\n")


def test_there_is_nothing_to_do_there_whatever_the_times(elsewhere):
    output = snakemake(elsewhere, "-n")
    assert "Nothing to be done" in output
    assert "missing provenance" not in output
    assert "Migrating" not in output
    paths = [
        path for name, path in files_in(elsewhere).items() if not name.startswith(".snakemake")
    ]
    for seed in (1, 2):
        random.Random(seed).shuffle(paths)
        for i, path in enumerate(paths):
            os.utime(path, (1.7e9 + i, 1.7e9 + i))
        assert planned(elsewhere) == {}


def test_what_an_edit_makes_anew_there(elsewhere):
    edit(elsewhere / "scripts/imnn_core/figures/plots.py", "MARGIN = 0.1", "MARGIN = 0.2")
    assert planned(elsewhere) == FIGURES
    edit(elsewhere / "scripts/imnn_core/gradient/fisher.py", "(F + F.T) / 2", "(F.T + F) / 2")
    expected = FIGURES | {
        "simulate": 3,
        "fit": 1,
        "evaluate": 1,
        "export": 1,
        "summarise": 1,
    }
    assert planned(elsewhere) == expected


def test_a_figure_is_drawn_anew_there(elsewhere):
    """To the same bytes, and after an edit to others; no simulation and no fit is asked for."""
    before = results_of(elsewhere)
    snakemake(elsewhere, "--force", FIGURE)
    assert results_of(elsewhere) == before
    edit(elsewhere / "config/figures.mplstyle", "font.size: 8", "font.size: 9")
    output = snakemake(elsewhere, "--", FIGURE)
    assert "rule plot_comparison:" in output
    assert "1 of 1 steps" in output
    after = results_of(elsewhere)
    drawn = {"figures/information.svg", "figures/fisher_ellipses.svg"}
    assert {name for name in before if before[name] != after[name]} == drawn
    assert before.keys() == after.keys()


def test_the_same_bytes_when_it_is_packed_again(packed, elsewhere, tmp_path):
    before, expected = (packed / ARCHIVE).read_bytes(), results_of(elsewhere)
    assert planned(packed, *TINY_RUN, "--", ARCHIVE) == {}
    snakemake(packed, *TINY_RUN, "--force", ARCHIVE)
    assert (packed / ARCHIVE).read_bytes() == before
    snakemake(elsewhere, "--", ARCHIVE)  # and by whom it was handed on to
    assert results_of(unpacked(elsewhere / ARCHIVE, tmp_path / "again")) == expected
    edit(elsewhere / "README.md", "# IMNN pipeline", "# The IMNN pipeline")
    assert planned(elsewhere, "--", ARCHIVE) == {"pack": 1}


def test_what_is_at_fault_is_said_in_a_line(packed, tmp_path):
    """A result that was changed, and one of which Snakemake has no record; the archive is made once
    they are made anew.
    """
    folder = tmp_path / "copy"
    shutil.copytree(packed, folder)
    expected = (folder / ARCHIVE).read_bytes()
    for name in ("history.csv", "fit.h5"):
        changed = folder / "results/tiny/fits/small/seed-1" / name
        whole, times = changed.read_bytes(), changed.stat()
        changed.write_bytes(whole[:-1] + b"?")
        os.utime(
            changed, ns=(times.st_atime_ns, times.st_mtime_ns)
        )  # or Snakemake would know as well
        output = snakemake(folder, *TINY_RUN, "--force", ARCHIVE, ok=False)
        assert (
            f"error: results/tiny/fits/small/seed-1/{name}: expected the bytes that were written"
            in output
        )
        assert not [
            path for path in (folder / "results/tiny").iterdir() if path.suffix in (".zip", ".part")
        ]
        changed.write_bytes(whole)
        os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    for record in (folder / ".snakemake/metadata").iterdir():
        if json.loads(record.read_text())["rule"] == "summarise":
            record.rename(folder / "kept")
            output = snakemake(folder, *TINY_RUN, "--force", ARCHIVE, ok=False)
            assert (
                "error: results/tiny/summary.csv: expected Snakemake's record of how it was made in"
                in output
            )
            assert "Traceback" not in output
            (folder / "kept").rename(record)
    snakemake(folder, *TINY_RUN, "--", ARCHIVE)
    assert (folder / ARCHIVE).read_bytes() == expected


def test_links_are_packed_as_what_they_lead_to(packed, tmp_path):
    """As those that Snakemake's cache leaves; a checksum beside one is of another file, maybe."""
    folder = tmp_path / "copy"
    shutil.copytree(packed, folder)
    fit = folder / "results/tiny/fits/small/seed-1"
    for name in ("fit.h5", "history.csv"):
        (fit / name).rename(tmp_path / name)
        (fit / name).symlink_to(tmp_path / name)
    (fit / ".history.csv.sha256").write_text("of another file")
    snakemake(folder, *TINY_RUN, "--force", ARCHIVE)
    elsewhere = unpacked(folder / ARCHIVE, tmp_path / "elsewhere")
    for name in ("fit.h5", "history.csv"):
        assert (elsewhere / fit.relative_to(folder) / name).read_bytes() == (
            tmp_path / name
        ).read_bytes()
        (tmp_path / name).unlink()
    assert planned(elsewhere) == {}
    snakemake(elsewhere, "--force", "results/tiny/figures/history/small/seed-1.svg")
