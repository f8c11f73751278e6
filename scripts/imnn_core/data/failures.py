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


def too_many(allowed: float, n: int, n_all: int, first: str) -> str:
    """What is wrong where more than the allowed share of simulations failed.

    Args:
        allowed: the share.
        n: how many failed, of
        n_all: simulations.
        first: what is wrong with the first of them.

    """
    return (
        f"expected at most {allowed:g} of the simulations from the prior to fail "
        f"(posterior.failures), found {n} of {n_all}, the first: {first}"
    )


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
            fault = too_many(self._allowed, self.n, self._n_all, self._first)
            raise InputError(f"problem {self._problem.name!r}: {fault}")

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
