"""What was measured, read back from information.json files, and said in numbers."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from imnn_core.store.files import read_json

EXACT, ZERO = 1e-9, 1e-12  # errors of rounding alone, relative to a number, and of 0


class Share(NamedTuple):
    """A recipe's |F| of the test set over what it is compared with.

    whose: "the score" where there is a likelihood, else "the analytic" where there is one, else "a
        linear compression", or "nothing" where that is not known to be more than 0.
    mean, uncertainty: over seeds, see `of_seeds`.
    error: jackknife error of one seed's, on average.
    """

    whose: str
    mean: float
    uncertainty: float
    error: float

    def __str__(self) -> str:
        """In per cent with its uncertainty; a multiple, where what it is compared with is a floor."""
        if self.whose == "nothing":
            return "–"
        if self.whose == "a linear compression":
            return f"{with_error(self.mean, self.uncertainty)} ×"
        return (
            f"{with_error(100 * self.mean, 100 * self.uncertainty)} %"
            if math.isfinite(self.mean)
            else "–"
        )


def by_fit(paths: Sequence[str | Path]) -> dict[str, list[dict]]:
    """The evaluations of each fit, one a seed, in the order of the paths."""
    found = {}
    for path in paths:
        information = read_json(path)
        found.setdefault(information["fit"], []).append(information)
    return found


def on(informations: Sequence[dict], split: str, *keys: str) -> np.ndarray | None:
    """One quantity of a set, of each seed: (n_seeds, …), NaN where it is not finite; None where it was not measured.

    Args:
        informations: of one fit.
        split: training, validation or test.
        *keys: where it lies, such as "network", "det_F", "value".

    """
    values = [information["splits"] for information in informations]
    for key in (split, *keys):
        if not all(key in value for value in values):
            return None
        values = [value[key] for value in values]
    return np.array(values, dtype=np.float64)  # null becomes NaN


def on_test(informations: Sequence[dict], *keys: str) -> np.ndarray | None:
    """The same of the test set, which alone was neither fitted nor chose weights."""
    return on(informations, "test", *keys)


def has_floor(informations: Sequence[dict]) -> bool:
    """Whether |F| of a linear compression is known to be more than 0: more than twice its error, in every seed."""
    value, error = (on_test(informations, "linear", "det_F", part) for part in ("value", "error"))
    return value is not None and bool(np.all(value > 2 * error))


def share(informations: Sequence[dict]) -> Share:
    """What one fit kept, over its seeds."""
    value, error = (
        on_test(informations, "over_score", "det_F", part) for part in ("value", "error")
    )
    analytic = informations[0]["det_F_analytic"]
    whose = "the score"
    if value is None and analytic is not None:
        value, error = (
            on_test(informations, "network", "det_F", part) / analytic
            for part in ("value", "error")
        )
        whose = "the analytic"
    elif value is None:
        value, error = (
            on_test(informations, "over_linear", "det_F", part) for part in ("value", "error")
        )
        whose = "a linear compression" if has_floor(informations) else "nothing"
    return Share(whose, *of_seeds(value, error), error.mean())


def det_F(informations: Sequence[dict]) -> str:
    """|F| of one fit's test sets with its error, see `of_seeds`."""
    return with_error(
        *of_seeds(*(on_test(informations, "network", "det_F", part) for part in ("value", "error")))
    )


def of_seeds(value: np.ndarray, error: np.ndarray) -> tuple[float, float]:
    """Mean over seeds and what stands after ±, of values and jackknife errors of each seed, (n_seeds,).

    The latter is the standard deviation over seeds or the error of one, the larger, since few seeds
    can be alike.
    """
    return value.mean(), max(error.mean(), value.std(ddof=1)) if len(value) > 1 else error.mean()


def with_error(value: float, error: float) -> str:
    """A number and its error, to two digits of the error where it has decimals: 49.92 ± 0.11.

    A dash for what is no number; no error where the number is exact but for rounding.
    """
    if not math.isfinite(value):
        return "–"
    size = max(abs(value), error) if math.isfinite(error) else abs(value)
    if size < ZERO:
        return "0"
    if not math.isfinite(error):
        return compact(value, 3)
    if error <= EXACT * abs(value):  # exact, but for rounding
        return compact(value, 6)
    if not 1e-3 <= size < 1e6:
        power = math.floor(math.log10(size))
        return f"({with_error(value / 10**power, error / 10**power)}) × 10{_raised(power)}"
    decimals = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{decimals}f} ± {error:.{decimals}f}".replace("-", "−")


def compact(value: float, n: int = 4) -> str:
    """A number to n significant digits, or to whole ones; a power of ten where it is far from 1."""
    if value and not 1e-3 <= abs(value) < 1e6:
        power = math.floor(math.log10(abs(value)))
        return f"{compact(value / 10**power, n)} × 10{_raised(power)}"
    return (f"{value:.0f}" if abs(value) >= 10**n else f"{value:.{n}g}").replace("-", "−")


def _raised(power: int) -> str:
    return str(power).translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))
