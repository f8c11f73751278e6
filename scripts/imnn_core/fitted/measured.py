"""What was measured of a fit on the test set, as a loaded compressor knows it."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from imnn_core.evaluation import measure, trust
from imnn_core.evaluation.numbers import with_error
from imnn_core.gradient.fisher import Statistics
from imnn_core.gradient.matrices import is_positive_definite
from imnn_core.store import hdf5, texts
from imnn_core.store.errors import InputError, in_a_line
from imnn_core.store.files import make_again


class Measured:
    """What `evaluate` wrote of a fit.

    path: of the file. information: its content. names: of the parameters.
    """

    def __init__(self, path: Path, information: Mapping[str, Any], names: Sequence[str]):
        self.path, self.information, self.names = path, information, tuple(names)

    @property
    def test(self) -> Mapping[str, Any]:
        """Measurements of the test set: n_s, n_d, and by compression (network, score, linear)."""
        return self.information["splits"]["test"]

    @property
    def det_F(self) -> tuple[float, float]:
        """|F| of the test set and its error."""
        found = self.test["network"]["det_F"]
        return tuple(np.nan if found[key] is None else found[key] for key in ("value", "error"))

    @cached_property
    def why_not(self) -> list[str]:
        """Reasons not to trust |F|, a clause each; none if it is to be trusted."""
        return trust.why_not(self.information, self.names)

    @cached_property
    def F(self) -> np.ndarray:
        """F of the test set without its bias of order 1/n, (n_params, n_params).

        Raises:
            InputError: it is not positive definite, so that no error follows from it.

        """
        F = np.array(self.test["network"]["F"]["debiased"], np.float64)
        if not is_positive_definite(F):
            raise InputError(
                f"{self.path}: expected a positive definite F of the test set, found {F.tolist()}; "
                "no error follows from it"
            )
        return kept(F)

    @cached_property
    def covariance(self) -> np.ndarray:
        """F^-1, (n_params, n_params)."""
        return kept(np.linalg.inv(self.F))

    @cached_property
    def statistics(self) -> Statistics:
        """Statistics of the test set's summaries, which calibrate estimates.

        Raises:
            InputError: they are not finite.

        """
        found = Statistics(
            **{
                name: np.array(array, np.float64)
                for name, array in self.information["calibration"].items()
            }
        )
        lacking = [name for name, array in found._asdict().items() if not np.isfinite(array).all()]
        if lacking:
            raise InputError(
                f"{self.path}: expected finite statistics of the test set's summaries, found NaN "
                f"or infinity in {', '.join(lacking)}, so that nothing can be estimated from them; "
                "get more test simulations, or look at the fit's log and history"
            )
        return Statistics(*map(kept, found))

    @cached_property
    def weights_of_estimates(self) -> np.ndarray:
        """Weights of the summaries in estimates, (n_summaries, n_params).

        Raises:
            InputError: F or the statistics give none.

        """
        _ = self.F
        found = measure.weights_of_estimates(self.statistics)
        if not np.isfinite(found).all():
            raise InputError(
                f"{self.path}: expected F and C of the test set that have an inverse, found none; "
                "nothing can be estimated from its summaries"
            )
        return kept(found)

    def __str__(self):
        text = f"|F| = {with_error(*self.det_F)} on {self.test['n_s']} test simulations"
        return text + (f"; not to be trusted: {self.why_not[0]}" if self.why_not else "")

    def __repr__(self):
        return f"Measured({str(self)!r})"


def kept(array: np.ndarray) -> np.ndarray:
    """The array, which nobody can write to any more."""
    array.flags.writeable = False
    return array


def of_fit(path: Path, path_to_fit: Path, names: Sequence[str]) -> Measured | InputError:
    """What was measured of a fit; where that is missing, or of another one, the error to raise.

    Args:
        path: of what `evaluate` wrote.
        path_to_fit: of the fit.
        names: of the parameters.

    """
    if not path.exists():
        return InputError(
            f"{path}: expected what was measured of {path_to_fit}, found no file; run snakemake, "
            "or put it beside the fit; summaries do not need it"
        )
    try:
        information = texts.read_json(path)
    except InputError as error:
        return error
    if information.get("checksum_of_fit") != hdf5.checksum(path_to_fit):
        return InputError(
            f"{path}: expected what was measured of {path_to_fit} as it is now, found measurements "
            f"of another fit; {make_again(path)}"
        )
    found = Measured(path, information, names)
    try:
        _ = str(found), found.test["network"]["F"]["debiased"], information["calibration"]["mu"]
    except (KeyError, TypeError, ValueError) as error:
        return InputError(
            f"{path}: expected what `evaluate` wrote, found {in_a_line(error)}; {make_again(path)}"
        )
    return found
