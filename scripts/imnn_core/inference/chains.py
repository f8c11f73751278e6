"""Weighted samples as the files that GetDist reads, and as CSV."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from imnn_core.store.files import replacing
from imnn_core.store.texts import write_text

DIGITS = "%.17g"  # all that float64 has


def write_getdist(
    root: str | Path,
    theta: np.ndarray,
    weights: np.ndarray,
    names: Sequence[str],
    symbols: Sequence[str],
    bounds: Any,
) -> list[Path]:
    """Write a chain of GetDist: root.txt, root.paramnames and root.ranges.

    Args:
        root: path without a suffix.
        theta: samples, (n, p).
        weights: (n,). Samples of weight 0 are left out.
        names: of the parameters; GetDist's own have no spaces, and no asterisk at their end.
        symbols: their names in TeX, with or without $.
        bounds: of the prior, (p, 2), with infinities where there is none.

    Returns:
        The three paths.

    """
    kept, unknown = weights > 0, np.zeros(len(theta))
    # The second column is -ln of the posterior, which not every method knows: 0.
    paths = [Path(f"{root}.{suffix}") for suffix in ("txt", "paramnames", "ranges")]
    _write_table(paths[0], np.column_stack([weights, unknown, theta])[kept], " ", "")
    names = [re.sub(r"\s", "_", name).rstrip("*") for name in names]
    pairs = zip(names, symbols, strict=True)
    write_text(paths[1], "".join(f"{name}\t{symbol.strip('$')}\n" for name, symbol in pairs))
    ends = [[f"{end:.17g}" if np.isfinite(end) else "N" for end in pair] for pair in bounds]
    lines = [f"{name}\t{low}\t{high}\n" for name, (low, high) in zip(names, ends, strict=True)]
    write_text(paths[2], "".join(lines))
    return paths


def write_csv(
    path: str | Path, theta: np.ndarray, weights: np.ndarray, names: Sequence[str]
) -> None:
    """Write samples (n, p) with their weights (n,) as CSV: a column for each, and `weight`."""
    table = np.column_stack([theta, weights])
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow([*names, "weight"])  # quoted where they must be
    _write_table(path, table, ",", row.getvalue())


def _write_table(path, table, delimiter, header):
    with replacing(path) as temporary:
        np.savetxt(
            temporary, table, DIGITS, delimiter, header=header, comments="", encoding="utf-8"
        )
