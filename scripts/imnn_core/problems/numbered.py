"""Parameters of simulations by their numbers: from a prior, or given. Imports no jax."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np


class Parameters(Protocol):
    """Where simulations have their parameters from: a prior, or a table."""

    def rows(self, words: Sequence[int], first: int, stop: int) -> np.ndarray:
        """Parameters of simulations ``first`` to ``stop - 1`` of a set, (n, n_params).

        Args:
            words: of the set's key.
            first, stop: numbers.

        """


class Table(NamedTuple):
    """Parameters that are given, in the place of a prior, to simulations ``first`` and following.

    names: of the parameters. theta: (n, n_params).
    """

    names: tuple[str, ...]
    theta: np.ndarray
    first: int

    def rows(self, words: Sequence[int], first: int, stop: int) -> np.ndarray:
        """See `Parameters`."""
        return self.theta[first - self.first : stop - self.first]


def numbers_of(words: Sequence[int], first: int, stop: int, n_params: int) -> np.ndarray:
    """Uniform random numbers of simulations ``first`` to ``stop - 1``, (n, n_params) in [0, 1).

    Those of a simulation depend on its number and the key's words alone. Philox counts by four
    numbers (Salmon et al. 2011), so that any range begins at once.
    """
    each = -(-n_params // 4)
    generator = np.random.Philox(key=_key(words), counter=first * each)
    return np.random.Generator(generator).random((stop - first, 4 * each))[:, :n_params]


def _key(words: Sequence[int]) -> int:
    return sum(int(word) << 32 * i for i, word in enumerate(words)) % 2**128
