"""Where the simulations of a part lie in its file.

A part has two arrays. It is written by units: rows, but of a numpy simulator's derivatives single
simulations, row by row, since each of them may cost minutes.
"""

import math
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from imnn_core.data.dataset_names import dataset_names
from imnn_core.data.drawn_files import ARRAYS
from imnn_core.data.parts import Part
from imnn_core.data.ranges import Range
from imnn_core.problems import Problem
from imnn_core.store import heads
from imnn_core.store.hdf5 import FORMAT, provenance


class Layout(NamedTuple):
    """The shapes of a part of a problem's simulations."""

    part: Part
    problem: Problem

    def units(self, name: str) -> int:
        """How many units a row of an array has."""
        is_single = self.problem.numpy and self.problem.delta_theta is not None
        return len(self.problem.columns) if is_single and name == "derivative" else 1

    def range_of(self, name: str) -> Range:
        """Units that the part has of an array."""
        stop = self.part.stop if name == "fiducial" else self.part.d_stop
        return self.part.first * self.units(name), stop * self.units(name)

    def unit(self, name: str) -> tuple[int, ...]:
        """Shape of a unit."""
        is_row = name == "derivative" and self.units(name) == 1
        return self.problem.stored_shape if is_row else self.problem.input_shape

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array."""
        first, stop = self.range_of(name)
        is_fiducial = name == "fiducial"
        row = self.problem.input_shape if is_fiducial else self.problem.stored_shape
        return ((stop - first) // self.units(name), *row)

    def n_bytes(self, dtype: np.dtype) -> int:
        """Bytes of both arrays."""
        return sum(math.prod(self.shape(name)) * dtype.itemsize for name in ARRAYS)


def create(path: Path, layout: Layout, dtype: np.dtype, attributes: dict) -> dict[str, int]:
    """Write an HDF5 file with room for a part's arrays; where each begins.

    Each lies in one stretch of the file: fits read consecutive rows, which HDF5 does more slowly
    from a dataset in chunks, of whatever size.
    """
    with h5py.File(path, "w", userblock_size=heads.SIZE) as file:
        file.attrs.update({"kind": "simulations", "format": FORMAT, **provenance(), **attributes})
        for name, of in dataset_names(layout.problem).items():
            how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            how.set_layout(h5py.h5d.CONTIGUOUS)
            how.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            how.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            how.set_obj_track_times(False)  # the same bytes at any time
            kind = h5py.h5t.py_create(dtype, logical=True)
            space = h5py.h5s.create_simple(layout.shape(name))
            h5py.h5d.create(file.id, of.encode(), kind, space, how)
        return _offsets(file, layout)


def _offsets(file: h5py.File, layout: Layout) -> dict[str, int]:
    names = dataset_names(layout.problem)
    return {name: file[of].id.get_offset() or 0 for name, of in names.items()}


def offsets_in(path: Path, layout: Layout) -> dict[str, int] | None:
    """Where the arrays of a file begin; None if its structures are damaged."""
    try:
        with h5py.File(path, "r") as file:
            return _offsets(file, layout)
    except Exception:  # whatever the library raises, as where a machine went down
        return None
