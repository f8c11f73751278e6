"""Where the numbers of a user's HDF5 file lie: in other files they could change without being seen to."""

from collections.abc import Iterable, Iterator
from typing import Any


def faults(file: Any, names: Iterable[str]) -> Iterator[str]:
    """A line for each of these names in an open HDF5 file that leads nowhere, or out of the file."""
    for name in names:
        if file.get(name, getlink=True) is None:
            continue
        try:
            found = file[name]
        except (KeyError, OSError, RuntimeError) as error:
            yield f"expected a dataset {name!r}, found a link that leads nowhere: {error.args[0]}"
            continue
        kinds = {
            "an external link": found.file.filename != file.filename,
            "external storage": bool(getattr(found, "external", None)),
            "a virtual dataset": getattr(found, "is_virtual", False),
        }
        for kind in (kind for kind, is_it in kinds.items() if is_it):
            yield (
                f"expected the numbers of {name!r} in the file itself, found {kind}: numbers in other files, whose changes "
                "would not be seen; copy them into one file"
            )
