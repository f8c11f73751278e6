"""Which array of a file is meant where one is wanted."""

from collections.abc import Sequence

NAMES = ("simulations", "fiducial", "observed")  # usual ones
ATTRIBUTES = ("names", "theta_fid", "delta_theta")  # of a file, of npz arrays, which are no data
USUAL = (*NAMES, "derivative", "shifted")


def chosen(dataset: str | None, names: Sequence[str], there: Sequence[str]) -> list[str]:
    """The array of a file that is meant: by its name, a usual one, or as the only one.

    Several, where NAMES leave open which: one of them must then be named.
    """
    if dataset is not None:
        above = {"/".join(dataset.split("/")[:i]) for i in range(1, 1 + dataset.count("/"))}
        return [dataset] if dataset in there or above & set(there) else []
    usual = [name for name in names if name in there]
    others = [name for name in there if name not in ATTRIBUTES]
    return usual[: None if names is NAMES else 1] or (others if len(others) == 1 else [])
