"""Parts of a set of simulations: ranges of numbers, each in a file of its own. Imports no jax.

Simulation i has the same bits whatever the parts are. A set is a list of parts.
"""

from typing import NamedTuple

from imnn_core.store.sizes import PIECE

FORMAT = 1  # of a part, and of how it is drawn; another one draws all simulations anew
MOST_HALVED, MOST_HALVED_IN_NUMPY = 1000, 200  # simulations drawn with half the steps
PER_PART, MOST_BY_DEFAULT = 100_000, 1000  # simulations of a part, and parts of a set
PATTERN = r"\d+-\d+(?:-\d+)?"  # of a part's name
FEW = "few"  # the one part of `half_step`


class Part(NamedTuple):
    """Simulations from number ``first`` up to ``stop``, and derivatives from it up to ``d_stop``.

    Neither has the one after the last.
    """

    first: int
    stop: int
    d_stop: int

    @property
    def name(self) -> str:
        """Of its file: `0-1000`, or `0-1000-500` where fewer have derivatives."""
        end = "" if self.d_stop == self.stop else f"-{self.d_stop}"
        return f"{self.first}-{self.stop}{end}"

    @classmethod
    def of_name(cls, name: str) -> "Part":
        """The part whose name this is."""
        first, stop, *d_stop = map(int, name.split("-"))
        return cls(first, stop, *(d_stop or [stop]))


def cut(n_s: int, n_d: int, n_per_part: int | None) -> list[Part]:
    """The parts of n_s simulations, n_d of them with derivatives."""
    n_per_part = n_per_part or max(PER_PART, -(-n_s // MOST_BY_DEFAULT))
    edges = [(a, min(a + n_per_part, n_s)) for a in range(0, n_s, n_per_part)]
    return [Part(a, b, min(max(a, n_d), b)) for a, b in edges]


def n_columns_of(delta_theta: list | None) -> int:
    """Simulations of a derivative by finite differences; 0 for exact ones."""
    return sum(len(step) if isinstance(step, list) else 2 for step in delta_theta or [])


def n_of_part(part: Part, n_columns: int) -> int:
    """Simulations of a part, those at shifted parameters too."""
    return part.stop - part.first + (part.d_stop - part.first) * n_columns


def n_halved(n_test: int, n_numbers: int, n_columns: int, is_numpy: bool) -> int:
    """Simulations of the test set that have derivatives by half the steps as well.

    Args:
        n_test: of the set.
        n_numbers: of a simulation.
        n_columns: simulations in a derivative.
        is_numpy: whether each one costs.

    """
    n_bytes = 4 * n_numbers * (1 + n_columns)
    most = MOST_HALVED_IN_NUMPY if is_numpy else MOST_HALVED
    return int(max(2, min(n_test, most, PIECE // n_bytes)))
