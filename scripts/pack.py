"""Pack a run into one archive with checksums, from which its figures can be redrawn elsewhere."""

import hashlib
import io
import json
import os
import re
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

import yaml
from imnn_core.store import files, hdf5
from imnn_core.store.errors import InputError
from imnn_core.workflow.jobs import job, log

METADATA = ".snakemake/metadata"
UNPACKED = """# Run `{run}`, to look at and to go on with

Made by `snakemake -- {archive}` of the IMNN pipeline (README.md). This folder has its code, its
settings (`config/config.yaml`, whichever config the run was made from), fits, measurements, tables,
figures and report (`results/{run}/report.html`), and Snakemake's records of how they were made
(`.snakemake/metadata/`).

```sh
sha256sum --check --quiet SHA256SUMS             # is everything as it was packed?
python3 -m venv .venv && .venv/bin/pip install --require-hashes -r requirements.txt
.venv/bin/snakemake --cores 1 -n                 # says that there is nothing to be done
# Redraw one figure, to the same bytes:
.venv/bin/snakemake --cores 1 --force results/{run}/figures/information.svg
```

After an edit of `config/figures.mplstyle`, `.venv/bin/snakemake --cores 1` redraws what it changes.

Simulations are not included; figures and report do not need them. Other changes do, such as a new
recipe or an edit of what fits depend on: then Snakemake first makes the simulations again, and then
every fit to them. `.venv/bin/snakemake -n` says so beforehand.
"""
MOST_NAMES = 20  # of a user's files
OF_FILES = """
The run uses simulations in files, which are not included: {names}. What needs them expects them at
these paths.
"""


def results_in(folder):
    """Paths of a run's results to be packed, and those of its simulations, which are not.

    Nothing unfinished and nothing of this job's own. A link is packed as what it leads to, without
    the checksum beside it, which may be of another file.
    """
    own = (f"{os.path.basename(folder)}.zip", "logs/pack.log", "benchmarks/pack.tsv")
    results, simulations = [], []
    for parent, _, names in os.walk(folder, followlinks=True):
        for path in (os.path.join(parent, name) for name in names):
            relative = os.path.relpath(path, folder)
            of = re.sub(r"/\.([^/]+)\.sha256$", r"/\1", path)
            of_other = of != path and (not os.path.isfile(of) or os.path.islink(of))
            unfinished = not os.path.isfile(path) or path.endswith((".checkpoint.h5", ".part"))
            if of_other or unfinished or relative in own:
                continue
            drawn = re.match(r"(refined-\d+/)?simulations/", relative)
            (simulations if drawn else results).append(path)
    return results, simulations


def place_of_record(path):
    """Where Snakemake keeps its record of a result: under the name in base 64, cut into folders."""
    name = urlsafe_b64encode(path.encode()).decode()
    n = os.pathconf(METADATA, "PC_NAME_MAX") - 1
    *folders, last = [name[i : i + n] for i in range(0, len(name), n)]
    return os.path.join(METADATA, *("@" + part for part in folders), last)


def moved_record(record, moved):
    """A record with the new names of files that have moved; otherwise as it is."""
    names = {json.dumps(old): json.dumps(new) for old, new in moved.items()}
    # Parameters are stored as texts in Python's notation.
    names |= {
        json.dumps(repr(old))[1:-1]: json.dumps(repr(new))[1:-1] for old, new in moved.items()
    }
    if moved:
        any_of_them = re.compile("|".join(map(re.escape, names)))
        record = any_of_them.sub(lambda found: names[found[0]], record)
    values = json.loads(record)
    values["input"].sort()  # as Snakemake compares them
    return json.dumps(values).encode()


def records_of(paths, needed, moved):
    """Records of results, by their places.

    Raises:
        InputError: one of ``needed`` has none, so that nobody could tell later whether it is stale.

    """
    for path in paths:
        place = place_of_record(path)
        try:
            yield place, moved_record(Path(place).read_text(encoding="utf-8"), moved)
        except (FileNotFoundError, ValueError):  # none, or one that was cut off
            if path in needed:
                where = f"Snakemake's record of how it was made in {METADATA}"
                raise InputError(
                    f"{path}: expected {where}, found none; {files.make_again(path)}"
                ) from None


def add(archive, place, content):
    """Add a file from bytes or from a path, with a fixed date and mode; its checksum and size."""
    info, found = zipfile.ZipInfo(place), hashlib.sha256()
    info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, 3
    info.external_attr = (0o100755 if place.endswith(".sh") else 0o100644) << 16
    try:
        source = io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb")
    except OSError as error:
        raise InputError(
            f"{content}: expected a file that can be read, found: {error.strerror}"
        ) from None
    with source:
        info.file_size = source.seek(0, os.SEEK_END)  # above 2 GB zip has another format
        source.seek(0)
        with archive.open(info, "w") as target:
            while block := source.read(2**20):
                found.update(block)
                target.write(block)
        return found.hexdigest(), source.tell()


def write_archive(path_to_archive, run, entries):
    """Write entries {place: bytes or path} and their checksums; how many files.

    Raises:
        InputError: a result is not as its checksum says.

    """
    sums = {}
    with files.replacing(path_to_archive) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        # Without this folder Snakemake takes the records for those of an old version.
        archive.mkdir(f"{run}/.snakemake/incomplete", mode=0o755)
        for place in sorted(entries):
            sums[place], n_bytes = add(archive, f"{run}/{place}", entries[place])
            beside = os.path.join(os.path.dirname(place), f".{os.path.basename(place)}.sha256")
            if beside in entries:
                expected = Path(beside).read_text(encoding="utf-8").split(" ")[0]
                files.check(place, expected, sums[place], n_bytes)
        text = "".join(f"{checksum}  {place}\n" for place, checksum in sums.items())
        add(archive, f"{run}/SHA256SUMS", text.encode())
    return len(sums) + 1


def pack(path_to_archive, *, run, needed, settings, packed, moved, contents):
    """Write the archive, whole or not at all.

    Args:
        run: its name.
        needed: results that must have a record.
        settings: every key of the run, with the names of files in the archive.
        packed: code and the user's files, {place in the archive: path}.
        moved: names of the user's files in the config and in records, {old: new}.
        contents: digests of the user's files of simulations, which are not packed, by their names
            in the config; of patterns and folders with the names of their files.

    """
    results, simulations = results_in(f"results/{run}")
    for path in results:
        if path.endswith(".h5"):
            hdf5.verify(path)
    moved = {path: place for place, path in packed.items()} | moved
    moved = {old: new for old, new in moved.items() if old != new}
    entries = {path: path for path in results} | packed
    entries |= dict(records_of(results + simulations, needed, moved))
    unpacked = UNPACKED.format(run=run, archive=path_to_archive)
    if contents:
        names = [f"`{name}`" for name in contents]
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        unpacked += OF_FILES.format(names=", ".join(names[:MOST_NAMES]) + more)
        entries["config/contents.json"] = json.dumps(contents, indent=2).encode()
    heading = f"# All settings of the run {run!r}.\n"
    entries["config/config.yaml"] = (heading + yaml.safe_dump(settings, sort_keys=False)).encode()
    entries["UNPACKED.md"] = unpacked.encode()
    n_files = write_archive(path_to_archive, run, entries)
    n_bytes = os.path.getsize(path_to_archive)
    log.info("%s: %d files, %d kB", path_to_archive, n_files, n_bytes // 1000)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        pack(
            path_to_archive=snakemake.output.archive,
            run=snakemake.params.settings["run"],
            needed={
                *snakemake.input.results,
                *snakemake.input.analytic,
                *snakemake.input.theta_fid,
            },
            settings=snakemake.params.settings,
            packed=snakemake.params.packed,
            moved=snakemake.params.moved,
            contents=snakemake.params.contents,
        )
