"""Put a run into one archive with checksums, from which its figures can be drawn anew elsewhere."""

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

Made by `snakemake -- {archive}` of the IMNN pipeline (README.md). Here are its code, its settings (`config/config.yaml`,
whatever config the run was made from), its fits, measurements, tables, figures and report (`results/{run}/report.html`), and
what Snakemake knows of how they were made (`.snakemake/metadata/`). In this folder:

```sh
sha256sum --check --quiet SHA256SUMS                                      # is all of it as it was packed?
python3 -m venv .venv && .venv/bin/pip install --require-hashes -r requirements.txt
.venv/bin/snakemake --cores 1 -n                                          # says that there is nothing to be done
.venv/bin/snakemake --cores 1 --force results/{run}/figures/information.svg   # draws one figure anew, to the same bytes
```

After an edit of `config/figures.mplstyle`, `.venv/bin/snakemake --cores 1` draws anew what it changes.

Simulations are not here, and neither figures nor the report ask for them. What does, such as one more recipe or an edit of what
fits are made by, makes the simulations again first, and then every fit to them; `.venv/bin/snakemake -n` says so beforehand.
"""
OF_FILES = """
The run is of simulations in files, which are not here: {names}. What needs them needs them at these paths.
"""


def results_in(folder):
    """Files of a run: those to pack, links as what they lead to, and those of which a record is enough, simulations.

    Checksums only of what is no link: of that they know nothing. Nothing that is half done, and
    nothing of this job's own.
    """
    own = (f"{os.path.basename(folder)}.zip", "logs/pack.log", "benchmarks/pack.tsv")
    results, simulations = [], []
    for parent, _, names in os.walk(folder, followlinks=True):
        for path in (os.path.join(parent, name) for name in names):
            of, relative = (
                re.sub(r"/\.([^/]+)\.sha256$", r"/\1", path),
                os.path.relpath(path, folder),
            )
            is_known = of == path or (os.path.isfile(of) and not os.path.islink(of))
            if (
                os.path.isfile(path)
                and is_known
                and relative not in own
                and not path.endswith((".checkpoint.h5", ".part"))
            ):
                (
                    simulations if re.match(r"(refined-\d+/)?simulations/", relative) else results
                ).append(path)
    return results, simulations


def record_of(path):
    """Where Snakemake says what made a result: under its name in base 64, in folders where that is too long for one name."""
    name = urlsafe_b64encode(path.encode()).decode()
    n = os.pathconf(METADATA, "PC_NAME_MAX") - 1
    parts = [name[i : i + n] for i in range(0, len(name), n)]
    return os.path.join(METADATA, *("@" + part for part in parts[:-1]), parts[-1])


def moved_record(path, moved):
    """Snakemake's record of a result, with files by the names that they have in the archive."""
    record = json.loads(Path(path).read_text(encoding="utf-8"))
    names = {repr(old): repr(new) for old, new in moved.items() if old != new}
    if names:
        any_of_them = re.compile("|".join(map(re.escape, names)))
        record["params"] = [
            any_of_them.sub(lambda found: names[found[0]], value) for value in record["params"]
        ]
    record["input"] = sorted(moved.get(name, name) for name in record["input"])
    record["input_checksums"] = {
        moved.get(name, name): checksum for name, checksum in record["input_checksums"].items()
    }
    return json.dumps(record).encode()


def records_of(paths, needed, moved):
    """Records of results, by their places; without those of ``needed`` nobody could tell later what is stale."""
    for path in paths:
        try:
            yield record_of(path), moved_record(record_of(path), moved)
        except (FileNotFoundError, ValueError):  # none, or one that was cut off
            if path in needed:
                where = f"Snakemake's record of how it was made in {METADATA}"
                raise InputError(
                    f"{path}: expected {where}, found none; {files.make_again(path)}"
                ) from None


def add(archive, place, content):
    """One file, from bytes or in a stream from a path, with the same date and mode at all times; its checksum and size."""
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
        info.file_size = source.seek(0, os.SEEK_END)  # beyond 2 GB it takes another form
        source.seek(0)
        with archive.open(info, "w") as target:
            while block := source.read(2**20):
                found.update(block)
                target.write(block)
        return found.hexdigest(), source.tell()


def pack(path_to_archive, *, run, needed, settings, packed, moved, contents):
    """Write the archive, whole or not at all.

    Args:
        run: its name.
        needed: results that there must be a record of.
        settings: of the run, every key, as they are to be read there.
        packed: code and the user's files: places in the archive, and paths.
        moved: what the user's files were called in the config and by jobs, and what they are called
            there.
        contents: digests of the user's files of simulations, which stay behind, by their paths in
            the config.

    """
    results, simulations = results_in(f"results/{run}")
    for path in results:
        if path.endswith(".h5"):
            hdf5.verify(path)
    heading = f"# The settings of the run {run!r}, all of them, as it was made with.\n"
    unpacked = UNPACKED.format(run=run, archive=path_to_archive)
    if contents:
        unpacked += OF_FILES.format(names=", ".join(f"`{name}`" for name in contents))
        packed |= {"config/contents.json": json.dumps(contents, indent=2).encode()}
    moved = {path: place for place, path in packed.items() if isinstance(path, str)} | moved
    entries = (
        {path: path for path in results}
        | dict(records_of(results + simulations, needed, moved))
        | packed
    )
    entries["config/config.yaml"] = (heading + yaml.safe_dump(settings, sort_keys=False)).encode()
    entries["UNPACKED.md"] = unpacked.encode()
    sums = {}
    with files.replacing(path_to_archive) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.mkdir(
            f"{run}/.snakemake/incomplete", mode=0o755
        )  # or Snakemake takes the records for an old version's
        for place in sorted(entries):
            sums[place], n_bytes = add(archive, f"{run}/{place}", entries[place])
            beside = os.path.join(os.path.dirname(place), f".{os.path.basename(place)}.sha256")
            if beside in entries:
                expected = Path(beside).read_text(encoding="utf-8").split(" ")[0]
                files.check(place, expected, sums[place], n_bytes)
        text = "".join(f"{checksum}  {place}\n" for place, checksum in sums.items())
        add(archive, f"{run}/SHA256SUMS", text.encode())
    log.info(
        "%s: %d files, %d kB",
        path_to_archive,
        len(sums) + 1,
        os.path.getsize(path_to_archive) // 1000,
    )


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
