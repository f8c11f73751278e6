"""Simulations in any number of files, as one array."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from imnn_core.config.listed import SIMULATIONS
from imnn_core.data.listing import Layout, opened
from imnn_core.data.named_files import few, in_words, paths_of
from imnn_core.data.one_array import NAMES
from imnn_core.data.reading import Array
from imnn_core.store.errors import InputError
from imnn_core.store.wording import of_shape, shortened

__all__ = ["open_listed", "paths_of"]


@contextlib.contextmanager
def open_listed(
    given: Any,
    shape: Sequence[int],
    where: str,
    names: Sequence[str] = NAMES,
    takes_float32: bool = True,
) -> Iterator[Array]:
    """Simulations in files, (n, *shape), to be read by rows while the context lasts.

    Their dtype is that of the files, if all of them have float32 or all float64; else float64.

    Args:
        given: a path, a pattern, a folder, a list of these, or a mapping {files, dataset, axes}.
        shape: of one simulation.
        where: the key of the configuration, for errors.
        names: usual ones of the dataset in HDF5 and npz files.
        takes_float32: whether floating-point numbers may have fewer bytes than float64.

    Raises:
        InputError: there are no files, or one of them can't be read, has no such array, another
            shape, or no real numbers of at most 8 bytes; a line each.

    """
    shape = tuple(shape)
    with opened(given, Layout(shape, names), where) as listing:
        lines = []
        for piece in listing.pieces:
            at = f"{where} ({piece.path})"
            if piece.dtype.kind not in "fiu" or piece.dtype.itemsize > 8:
                lines.append(
                    f"{at}: expected real numbers of at most 8 bytes, found "
                    f"{shortened(str(piece.dtype))}"
                )
            elif piece.dtype.kind == "f" and piece.dtype.itemsize < 8 and not takes_float32:
                lines.append(
                    f"{at}: expected float64, since simulations are far from 0 beside their "
                    f"deviation, found {piece.dtype}"
                )
            if piece.shape[1:] != shape:
                expected = f"{of_shape(SIMULATIONS, *shape)} or {of_shape(*shape)}"
                lines.append(f"{at}: expected shape {expected}, found {piece.shape}")
        if not lines and not listing.n:
            lines = [f"{where} ({in_words(listing.given)}): expected simulations, found none"]
        if lines:
            raise InputError(*few(lines, where))
        dtypes = {piece.dtype for piece in listing.pieces}
        is_one = len(dtypes) == 1 and dtypes <= {np.dtype("f4"), np.dtype("f8")}
        yield listing.array(dtypes.pop() if is_one else np.dtype("f8"))
