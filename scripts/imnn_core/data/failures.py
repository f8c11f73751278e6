"""Simulations from a prior that could not be drawn: counted, told, and left out if few."""

import logging
from collections.abc import Sequence

import numpy as np
from imnn_core.problems import Problem
from imnn_core.problems.precision import not_finite
from imnn_core.store.errors import InputError
from imnn_core.store.wording import shown

log = logging.getLogger("imnn")
TOLD = 3  # failures that the log has, of how many there may be


class Failures:
    """Those of a set's part.

    n: how many there are so far.
    """

    def __init__(self, problem: Problem, allowed: float, n_all: int):
        """Begin to count.

        Args:
            problem: with a prior.
            allowed: the share that may fail.
            n_all: simulations of the part.

        """
        self._problem, self._allowed, self._n_all, self.n = problem, allowed, n_all, 0
        self._first = ""

    def add(self, first: int, d: np.ndarray, theta: np.ndarray, reasons: Sequence[str]) -> None:
        """Count those among some simulations that are not finite numbers.

        Args:
            first: number of the first of them.
            d: (n, *input_shape). theta: (n, n_params).
            reasons: what the simulator said of those that it raised an error for.

        Raises:
            InputError: more than the allowed share failed.

        """
        bad = not_finite(d)
        for i in bad[: max(0, TOLD - self.n)]:
            where = f"simulation {first + i} at theta = {shown(theta[i].tolist())}"
            found = next((each for each in reasons if f"simulation {first + i} at" in each), None)
            text = found or f"{where} has numbers that are not finite"
            self._first = self._first or text
            log.info("warning: %s", text)
        self.n += bad.size
        if self.n > self._allowed * self._n_all:
            raise InputError(
                f"problem {self._problem.name!r}: expected at most {self._allowed:g} of the "
                f"simulations from the prior to fail (posterior.failures), found {self.n} of "
                f"{self._n_all} already, the first of them: {self._first}"
            )

    def tell(self) -> None:
        """Say at the end how many there are."""
        if self.n:
            log.info(
                "warning: %d of %d simulations from the prior failed (%.3g %%) and are left out, "
                "so that the posterior is 0 where most fail",
                self.n,
                self._n_all,
                100 * self.n / self._n_all,
            )
