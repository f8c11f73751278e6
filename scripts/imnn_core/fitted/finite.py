"""Whether what a compressor makes of simulations is finite."""

import numpy as np
from imnn_core.fitted.compressor import Compressor
from imnn_core.store.errors import InputError


def check(
    of_each: np.ndarray,
    what: str,
    d: np.ndarray,
    compressor: Compressor,
    where: str,
    called: str = "simulation",
    start: int = 0,
    n: int | None = None,
) -> None:
    """See that what was made of each of some simulations is finite.

    Args:
        of_each: (n, …).
        what: it is.
        d: the simulations, (n, *input_shape).
        compressor: which may know the scale of simulations.
        where: they come from.
        called: what one of them is called.
        start: number of the first, of
        n: all of them; as many as these, if None.

    Raises:
        InputError: it is not; the first simulation of these is named.

    """
    bad = np.flatnonzero(~np.isfinite(of_each).all(axis=-1))
    if not len(bad):
        return
    its, before = d[bad[0]].astype(np.float64), compressor.inputs
    size = f"numbers up to {np.abs(its).max():.2g} in it"
    if before.scale is not None:
        centre = 0 if before.centre is None else before.centre
        away = np.abs(its - centre - before.mean) / before.scale
        size += f", up to {away.max():.2g} deviations from the mean of simulations"
    raise InputError(
        f"{where}: expected data like the simulations at theta_fid, found {what} that are not "
        f"finite for {called} {start + bad[0]} of {n or len(d)}, with {size}"
    )
