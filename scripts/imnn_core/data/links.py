"""Other files that a user's HDF5 file reads, and links in it that lead nowhere."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py

NAMES = (
    "fiducial",
    "derivative",
    "shifted",
    "observed",
)  # of the datasets that are looked for in a user's file


def _names(file: h5py.File) -> list[str]:
    """NAMES, and the datasets `shifted/PARAMETER/OFFSET`."""
    below = []
    with contextlib.suppress(KeyError, OSError, RuntimeError):  # a link that leads nowhere
        shifted = file["shifted"]
        if isinstance(shifted, h5py.Group):
            for parameter, group in shifted.items():
                if isinstance(group, h5py.Group):
                    below += [f"shifted/{parameter}/{offset}" for offset in group]
    return [*NAMES, *below]


def faults(file: h5py.File) -> Iterator[str]:
    """A line for each dataset of a set that is a link that leads nowhere."""
    for name in _names(file):
        if file.get(name, getlink=True) is not None:
            try:
                file[name]
            except (KeyError, OSError, RuntimeError) as error:
                why = f"found a link that leads nowhere: {error.args[0]}"
                yield f"expected a dataset {name!r}, {why}"


def others(path: str | Path) -> list[str]:
    """Paths of external links, external storage and virtual datasets; none if it is no HDF5 file.

    A file in which such a file takes its numbers from yet another one is not followed.
    """
    found = set()
    try:
        with h5py.File(path, "r") as file:
            for dataset in (
                file[name]
                for name in _names(file)
                if name in file and isinstance(file[name], h5py.Dataset)
            ):
                found.add(dataset.file.filename)
                found |= {name for name, _, _ in dataset.external or ()}
                found |= (
                    {source.file_name for source in dataset.virtual_sources()}
                    if dataset.is_virtual
                    else set()
                )
    except (OSError, KeyError, RuntimeError):  # whoever reads it says what is wrong
        return []
    places = {
        Path(path).parent / name if (Path(path).parent / name).exists() else Path(name)
        for name in found - {"."}
    }
    return sorted(str(place) for place in places if not place.exists() or not place.samefile(path))
