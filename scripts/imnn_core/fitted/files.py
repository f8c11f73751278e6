"""Files of simulations, compressed block by block into a file of summaries and estimates."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from imnn_core.data.reading import Array
from imnn_core.evaluation.warnings import FAR
from imnn_core.fitted import finite
from imnn_core.fitted.compressor import Compressor
from imnn_core.problems.precision import not_finite
from imnn_core.store import hdf5
from imnn_core.store.errors import InputError
from imnn_core.store.sizes import PIECE


def compress(
    compressor: Compressor,
    d: Array,
    path: str | Path,
    attributes: Mapping[str, Any],
    where: str,
    add: Callable[[int], None] = lambda n: None,
) -> int:
    """Write summaries and estimates of simulations, in their order; the memory is that of a block.

    Datasets: `summaries` (n, n_summaries), and `estimates` (n, n_params) unless nothing can be
    estimated (see `Compressor.measured`).

    Args:
        compressor: of the fit.
        d: the simulations, (n, *input_shape).
        path: of the new file.
        attributes: of it, besides those of the fit.
        where: the simulations come from, for errors.
        add: is told how many more are done.

    Returns:
        How many estimates are farther than FAR bounds from theta_fid.

    Raises:
        InputError: simulations, or what is made of them, are not finite; or can't be read.

    """
    n, shape = d.shape[0], d.shape[1:]
    rows = max(1, PIECE // (d.dtype.itemsize * int(np.prod(shape))))
    about = {"n": n, "n_summaries": compressor.n_summaries} | _about(compressor)
    bound = np.sqrt(np.diag(compressor.covariance)) if about["estimates"] else None
    n_far = 0
    with hdf5.writing(path, "compressed", about | dict(attributes)) as file:
        summaries = file.create_dataset("summaries", (n, compressor.n_summaries), compressor.dtype)
        estimates = bound is not None and file.create_dataset(
            "estimates", (n, len(bound)), np.float64
        )
        for start in range(0, n, rows):
            block = np.empty((min(rows, n - start), *shape), d.dtype)
            d.read(start, block)
            if len(bad := not_finite(block)):
                row = start + int(bad[0])
                place = f" ({d.place(row)})" if d.place else ""
                raise InputError(
                    f"{where}: expected finite numbers, as {compressor.dtype} has them, found NaN, "
                    f"infinity or larger ones in simulation {row} of {n}{place}"
                )
            x = compressor.summaries(block, where)
            finite.check(x, "summaries", block, compressor, where, start=start, n=n)
            summaries[start : start + len(x)] = x
            if bound is not None:
                theta = compressor.estimates_of(x)
                finite.check(theta, "estimates", block, compressor, where, start=start, n=n)
                estimates[start : start + len(x)] = theta
                n_far += int((np.abs(theta - compressor.theta_fid) > FAR * bound).any(axis=1).sum())
            add(len(x))
    return n_far


def doubts(compressor: Compressor, n_far: int, n: int) -> Iterator[str]:
    """What is doubtful about the estimates of n simulations, n_far of them far from theta_fid."""
    about = _about(compressor)
    if about["estimates"]:
        yield from (f"F is not to be trusted: {reason}" for reason in compressor.why_not)
    else:
        yield f"there are summaries alone, and no estimates: {about['why_not']}"
    if n_far:
        yield (
            f"{n_far} of {n} estimates are more than {FAR} bounds from theta_fid, where neither F "
            "nor the estimates need hold; the summaries do not depend on that"
        )


def _about(compressor: Compressor) -> dict[str, Any]:
    """What a reader of the file should know of the fit."""
    found = {
        "names": list(compressor.names),
        "theta_fid": compressor.theta_fid,
        "checksum_of_fit": compressor.provenance["checksum"],
        "estimates": True,
    }
    try:
        _ = compressor.measured.weights_of_estimates
        return found | {
            "covariance": compressor.covariance,
            "mu": compressor.measured.statistics.mu,
            "trusted": compressor.trusted,
            "why_not": "; ".join(compressor.why_not),
        }
    except InputError as error:
        return found | {"estimates": False, "trusted": False, "why_not": str(error)}
