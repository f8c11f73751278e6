"""One array whose rows lie in many files: paths, patterns, folders or lists of them.

Headers are read first. A file is opened when rows of it are wanted, and few are open at a time.
"""

import bisect
import contextlib
import functools
import math
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from imnn_core.config.listed import SIMULATIONS, fault_of_axes
from imnn_core.data.named_files import few, paths_of, plain
from imnn_core.data.one_array import NAMES, chosen
from imnn_core.data.reading import NAMELESS, Array, Opened, open_file
from imnn_core.store.errors import InputError
from imnn_core.store.wording import nearest, of_shape, shortened, shown

KINDS = "HDF5, npz or npy"
OPEN = 2  # files of an array at a time


class Layout(NamedTuple):
    """What the array should be.

    shape: of one row, in our order of axes.
    further: names of our axes other than those of one simulation, in our order, such as `sides`.
    at_end: whether they come after those of one simulation.
    names: usual ones of the dataset.
    """

    shape: tuple[int, ...]
    names: Sequence[str] = NAMES
    further: tuple[str, ...] = ()
    at_end: bool = False

    @property
    def n_grid(self) -> int:
        """Axes of one simulation."""
        return len(self.shape) - len(self.further)

    def order(self, axes: Sequence[str] | None) -> tuple[int, ...] | None:
        """Where our axes are among a file's; None, if they are in our order, with or without n."""
        if axes is None:
            return None
        own = [name for name in axes if name not in (SIMULATIONS, *self.further)]
        ours = [*own, *self.further] if self.at_end else [*self.further, *own]
        ours = [SIMULATIONS] * (SIMULATIONS in axes) + ours
        return tuple(axes.index(name) for name in ours)


class Piece(NamedTuple):
    """The rows of one file.

    name: of the dataset. shape: in our order of axes, with n. array: as it lies, if that can be
    read without an open file. attributes: of the file, see `reading.Opened`.
    """

    path: str
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    is_single: bool
    n_bytes_loaded: int
    array: Array | None
    attributes: Mapping[str, Any]


class Listing:
    """The pieces of an array, in order, which are read on demand.

    Raises:
        InputError: a file can't be read, has no such array, or has other axes; a line each.

    """

    def __init__(self, given: Any, layout: Layout, where: str):
        given = plain(given)
        is_mapping = isinstance(given, Mapping)
        self.given, self.layout, self.where = given, layout, where
        self.dataset = given.get("dataset") if is_mapping else None
        axes = given.get("axes") if is_mapping else None
        if axes and (expected := fault_of_axes(list(axes), layout.n_grid, layout.further)):
            raise InputError(f"{where}.axes: expected {expected}, found {shown(list(axes))}")
        self.axes, self.order = axes, layout.order(axes)
        self.pieces, lines = [], []
        for path in paths_of(given, where):
            try:
                with self._opened(path) as (found, name):
                    self.pieces.append(self._piece(path, found, name))
            except InputError as error:
                lines += error.lines
        if lines:
            raise InputError(*few(lines, where))
        self._first = [0]
        for piece in self.pieces:
            self._first.append(self._first[-1] + piece.shape[0])
        self._open, self._lock = OrderedDict(), threading.Lock()

    def _piece(self, path: str, found: Opened, name: str) -> Piece:
        array, at = found.arrays[name], f"{self.where} ({path})"
        shape, is_single = array.shape, array.shape == self.layout.shape
        if self.order is not None:
            if len(shape) != len(self.order):
                axes = ", ".join(self.axes)
                raise InputError(f"{at}: expected the axes ({axes}), found the shape {shape}")
            is_single = SIMULATIONS not in self.axes
            shape = tuple(shape[i] for i in self.order)
        if not is_single and not shape:
            raise InputError(f"{at}: expected an array of simulations, found one number")
        n_bytes = math.prod(shape) * array.dtype.itemsize if found.is_loaded else 0
        shape, own = (1, *shape) if is_single else shape, None if found.is_held else array
        return Piece(path, name, shape, array.dtype, is_single, n_bytes, own, found.attributes)

    @contextlib.contextmanager
    def _opened(self, path: str) -> Iterator[tuple[Opened, str]]:
        """A file with the name of its array."""
        choose = functools.partial(chosen, self.dataset, self.layout.names)
        with contextlib.ExitStack() as stack:
            try:
                found = stack.enter_context(open_file(path, KINDS, choose))
            except InputError as error:
                raise InputError(*(f"{self.where}: {line}" for line in error.lines)) from None
            names = choose(found.names) if found.is_held else [NAMELESS]
            name = names[0] if len(names) == 1 else None
            if name not in found.arrays:
                raise InputError(f"{self.where} ({path}): {self._missing(found, name)}")
            yield found, name

    def _missing(self, found: Opened, name: str | None) -> str:
        there = shortened(", ".join(sorted(found.names)) or "none")
        if self.dataset:
            what = found.odd.get(self.dataset, there + nearest(self.dataset, found.names))
            return f"expected a dataset {self.dataset!r}, found {what}"
        if name is not None:
            return f"expected a dataset {name!r}, found {found.odd.get(name, there)}"
        usual = " or ".join(map(repr, self.layout.names))
        return (
            f"expected one dataset {usual}, or one alone, or its name by `dataset`, found {there}"
        )

    @property
    def n(self) -> int:
        """Rows of all files."""
        return self._first[-1]

    def place(self, row: int) -> tuple[str, int]:
        """Path and row there of a row."""
        i = bisect.bisect_right(self._first, row) - 1
        return self.pieces[i].path, row - self._first[i]

    def faults(self) -> list[str]:
        """Files with other rows than expected, or other numbers than the first: a line each."""
        first, lines, shape = self.pieces[0], [], self.layout.shape
        for piece in self.pieces:
            at = f"{self.where} ({piece.path})"
            # Of one file whoever gets its array says what is wrong.
            if piece.shape[1:] != shape and len(self.pieces) > 1:
                expected = f"{of_shape(SIMULATIONS, *shape)} or {of_shape(*shape)}"
                found = of_shape(*piece.shape[int(piece.is_single) :])
                lines.append(f"{at}: expected shape {expected}, found {found}")
            if piece.dtype != first.dtype:
                expected, found = f"{first.dtype} as in {first.path}", shortened(str(piece.dtype))
                lines.append(f"{at}: expected {expected}, found {found}")
        return few(lines, self.where)

    def array(self, dtype: np.dtype | None = None) -> Array:
        """All rows as one array, of the first file's dtype or of another.

        Files are open only while a row is read, but for the last few.
        """
        dtype = np.dtype(dtype or self.pieces[0].dtype)
        of_row = self.pieces[0].shape[1:]

        def read(start, out):
            i, done = bisect.bisect_right(self._first, start) - 1, 0
            while done < len(out):
                here = start + done - self._first[i]
                n = min(len(out) - done, self.pieces[i].shape[0] - here)
                if n > 0:
                    self._read(self.pieces[i], here, out[done : done + n])
                done, i = done + n, i + 1

        def place(row):
            path, there = self.place(row)
            return path if self.pieces[0].is_single else f"{path}, row {there}"

        return Array((self.n, *of_row), dtype, read, place=place)

    def _read(self, piece: Piece, start: int, out: np.ndarray) -> None:
        with self._lock:
            array = piece.array or self._array_of(piece)
            if piece.is_single:
                row = np.empty(array.shape, array.dtype)
                array.read(0, row)
                out[0] = row if self.order is None else row.transpose(self.order)
            elif self.order is None and out.dtype == array.dtype:
                array.read(start, out)
            elif self.order is None or self.order[0] == 0:
                rows = np.empty((len(out), *array.shape[1:]), array.dtype)
                array.read(start, rows)
                out[:] = rows if self.order is None else rows.transpose(self.order)
            else:
                index = [slice(None)] * len(self.order)
                index[self.order[0]] = slice(start, start + len(out))
                out[:] = array.cut(tuple(index)).transpose(self.order)

    def _array_of(self, piece: Piece) -> Array:
        """The array of a file that stays open until others are."""
        if piece.path not in self._open:
            while len(self._open) >= OPEN:
                self._open.popitem(last=False)[1][0].close()
            with contextlib.ExitStack() as stack:
                found, name = stack.enter_context(self._opened(piece.path))
                now = self._piece(piece.path, found, name)
                if now[:4] != piece[:4]:
                    raise InputError(
                        f"{self.where} ({piece.path}): expected {piece.shape} of {piece.dtype} as "
                        f"at the beginning, found {now.shape} of {now.dtype}"
                    )
                self._open[piece.path] = stack.pop_all(), found.arrays[name]
        self._open.move_to_end(piece.path)
        return self._open[piece.path][1]

    def close(self) -> None:
        """Close what is open."""
        while self._open:
            self._open.popitem()[1][0].close()


@contextlib.contextmanager
def opened(given: Any, layout: Layout, where: str) -> Iterator[Listing]:
    """The pieces of an array, to be read while the context lasts.

    Raises:
        InputError: see `Listing`.

    """
    with contextlib.closing(Listing(given, layout, where)) as listing:
        yield listing
