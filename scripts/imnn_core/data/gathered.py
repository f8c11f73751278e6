"""What is gathered of the numbers of a set, piece by piece."""

import hashlib
import math
from collections.abc import Iterator

import numpy as np
from imnn_core.data.sources import Source
from imnn_core.problems import Problem, precision, simulator
from imnn_core.problems.drawn_checks import depends

MOST_INPUTS = 1000  # numbers of a simulation, of which all combinations are looked at,
ROWS = 10  # by so many simulations for each


class Extremes:
    """Of each number of a simulation: the lowest value, how often and where first, and the next."""

    def __init__(self, n: int):
        self.value, self.next = np.full(n, np.inf), np.full(n, np.inf)
        self.count, self.row = np.zeros(n, np.int64), np.zeros(n, np.int64)

    def add(self, start: int, d: np.ndarray) -> None:
        """Add rows, (n, n_inputs), from number ``start`` on."""
        lowest = d.min(axis=0)
        is_it = d == lowest
        after = np.where(is_it, np.inf, d).min(axis=0)
        lower, same = lowest < self.value, lowest == self.value
        self.next = np.select(
            [lower, same],
            [np.minimum(self.value, after), np.minimum(self.next, after)],
            np.minimum(self.next, lowest),
        )
        n = is_it.sum(axis=0)
        self.count = np.select([lower, same], [n, self.count + n], self.count)
        self.row = np.where(lower, start + is_it.argmax(axis=0), self.row)
        self.value = np.minimum(self.value, lowest)


class Fiducial:
    """What is gathered of the simulations at theta_fid."""

    def __init__(self, source: Source):
        n = math.prod(source.fiducial.shape[1:])
        self.hashes = np.empty(len(source.fiducial), np.uint64)
        self.bad, self.empty, self.first = [], [], None
        self.low, self.high = Extremes(n), Extremes(n)
        self.sum, self.squares = np.zeros(n), np.zeros(n)
        self.products = np.zeros((n, n)) if n <= MOST_INPUTS else None
        self.n_products, self.sum_of_them = 0, np.zeros(n)

    def add(self, start: int, piece: np.ndarray) -> None:
        """Add rows, (n, *input_shape), from number ``start`` on."""
        each = (hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in piece)
        self.hashes[start : start + len(piece)] = [int.from_bytes(it, "little") for it in each]
        self.bad.extend(start + precision.not_finite(piece))
        if self.bad:
            return
        d = piece.reshape(len(piece), -1)
        self.empty.extend(start + np.flatnonzero(~d.any(axis=1)))
        self.low.add(start, d)
        self.high.add(start, -d)
        self.first = d[0].astype(np.float64) if self.first is None else self.first
        d = d - self.first  # whose squares keep their digits
        self.sum += d.sum(axis=0)
        self.squares += (d**2).sum(axis=0)
        if self.products is not None and self.n_products < ROWS * max(100, d.shape[1]):
            self.products += d.T @ d
            self.n_products += len(d)
            self.sum_of_them += d.sum(axis=0)

    def covariance(self) -> np.ndarray:
        """Of the numbers of the first simulations, (n_inputs, n_inputs)."""
        centre = self.sum_of_them / self.n_products
        return self.products / self.n_products - np.outer(centre, centre)

    @property
    def varies(self) -> np.ndarray:
        """Which numbers are not the same in all simulations, (n_inputs,)."""
        return self.low.value < -self.high.value

    def mean_and_deviation(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each number, (n_inputs,)."""
        n = len(self.hashes)
        variance = np.maximum(self.squares / n - (self.sum / n) ** 2, 0)
        return self.first + self.sum / n, np.where(self.varies, np.sqrt(variance), 0)


class Derivative:
    """What is gathered of tangents, or of simulations at shifted parameters.

    Columns are parameters, or shifted simulations.
    """

    def __init__(self, source: Source, problem: Problem):
        self.problem, self.source = problem, source
        self.bad = []
        n = math.prod(problem.input_shape)
        n_columns = problem.n_params if source.counts is None else len(source.counts)
        self.counts = source.counts or (len(source.derivative),) * n_columns
        self.sum, self.squares = np.zeros((n_columns, n)), np.zeros((n_columns, n))
        self.first, self.varies = None, np.zeros((n_columns, n), bool)
        self.low, self.high = (
            [Extremes(n) for _ in range(n_columns)] for _ in ("lowest", "highest")
        )
        self.end = [0] * n_columns  # of the rows that have anything but 0
        self.depends = np.zeros(problem.n_params, bool)

    def add(self, start: int, piece: np.ndarray) -> None:
        """Add rows as they are stored, from number ``start`` on."""
        self.bad.extend(start + precision.not_finite(piece))
        if self.bad:
            return
        rows = max(0, min(self.counts) - start)
        if not self.depends.all():
            d = np.empty((len(piece), *self.problem.input_shape), self.source.fiducial.dtype)
            self.source.read("fiducial", start, d)
            self.depends |= depends(self.problem, d, piece[:rows])
        if self.source.counts is None:
            columns = np.moveaxis(piece.reshape(len(piece), -1, self.problem.n_params), -1, 0)
        else:
            columns = np.moveaxis(piece.reshape(len(piece), len(self.counts), -1), 1, 0)
        self.first = columns[:, 0].astype(np.float64) if self.first is None else self.first
        for c, column in enumerate(columns):
            d = np.ascontiguousarray(column[: max(0, self.counts[c] - start)])
            if not len(d):
                continue
            self.low[c].add(start, d)
            self.high[c].add(start, -d)
            self.end[c] = max([self.end[c], *(start + 1 + np.flatnonzero(d.any(axis=1))[-1:])])
            d = d - self.first[c]
            self.sum[c] += d.sum(axis=0)
            self.squares[c] += (d**2).sum(axis=0)
            self.varies[c] |= (d != 0).any(axis=0)

    def empty_at_the_end(self) -> list[int]:
        """Rows of 0 of a column after which nothing else comes, of the column with most of them."""
        ends = zip(self.end, self.counts, strict=True)
        return max((list(range(end, n)) for end, n in ends if end), key=len, default=[])

    def deviations(self, c: int) -> np.ndarray:
        """Of each number in a column, (n_inputs,)."""
        n = self.counts[c]
        return np.sqrt(np.maximum(self.squares[c] / n - (self.sum[c] / n) ** 2, 0))

    def constant(self, name: str) -> Iterator[str]:
        """A clause where simulations do not depend on parameters; of the dataset of this name."""
        found = zip(self.problem.names, self.depends, strict=True)
        of = [each for each, there in found if not there]
        if of:
            how = "derivative" if self.source.counts is None else "difference"
            yield (
                f"expected simulations that depend on each parameter, found in {name} a {how} of 0 "
                f"everywhere by {', '.join(of)}"
            )

    def means(self) -> np.ndarray:
        """Mean of each column, (n_columns, n_inputs)."""
        return self.first + self.sum / np.array(self.counts)[:, None]

    def slopes(self, mean: np.ndarray) -> np.ndarray:
        """Derivatives of the mean of simulations, (n_params, n_inputs), with that at theta_fid."""
        if self.source.counts is None:
            return self.means()
        points = np.concatenate([mean[None], self.means()])
        return simulator.weights_of_points(self.problem) @ points

    def sure(self, of_one: np.ndarray) -> np.ndarray:
        """Whether numbers that are ``of_one`` in all simulations depend on the parameters.

        (n_params, n_inputs); noise is no dependence.
        """
        means, counts = self.means(), np.array(self.counts)[:, None]
        if self.source.counts is None:
            error = np.sqrt(np.maximum(self.squares - self.sum**2 / counts, 0)) / counts
            return np.where(self.varies, np.abs(means) > 5 * error, means != 0)
        found = np.zeros((self.problem.n_params, len(of_one)), bool)
        for a in range(self.problem.n_params):
            mine = [c for c, (i, _) in enumerate(self.problem.columns) if i == a]
            differs = np.any(means[mine] != of_one, axis=0)
            found[a] = differs & ~self.varies[mine].any(axis=0)
        return found
