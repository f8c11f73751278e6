"""Values that are no data: masks, and what people put in place of numbers that are missing."""

from collections.abc import Callable, Iterator

import numpy as np
from imnn_core.data.gathered import Extremes
from imnn_core.problems.precision import index_of

# Ranges of the others, by which a value is no datum: one that repeats, or is known for it; one that
# repeats little, or is 0; one that is alone, of three digits and of more.
OFTEN, SELDOM, ALONE, ALONE_OF_MANY, SEVERAL = 5, 100, 1e4, 1e9, 3
KNOWN = (999, 9999, 99999, 999999)  # of either sign, what people put in place of data
ROUNDING = 1e-5  # of a value, by which others are no others


def masked(
    name: str,
    lowest: Extremes,
    highest: Extremes,
    shape: tuple[int, ...],
    near: float = OFTEN,
    zero: float = SELDOM,
    at: Callable[[int], str] = lambda row: "",
) -> Iterator[str]:
    """Values far from all others, the same in several simulations or numbers: no data.

    Args:
        name: of the dataset.
        lowest, highest: of its columns.
        shape: of a simulation.
        near, zero: ranges of the others from which on a value that repeats is none, and 0 is.
        at: where a simulation lies, see `Source.at`.

    """
    for sign, extreme, other in ((1, lowest, highest), (-1, highest, lowest)):
        top = np.where(other.count >= SEVERAL, other.next, other.value)
        spread = -top - extreme.next  # of the others
        gap = extreme.next - extreme.value
        is_any = (spread > 0) & np.isfinite(spread) & (gap > ROUNDING * np.abs(extreme.value))
        away = np.where(is_any, gap / np.where(is_any, spread, 1), 0)
        is_known = np.isin(np.abs(extreme.value), KNOWN)
        often = ((extreme.count >= SEVERAL) & (extreme.value != 0)) | is_known
        candidates = away > np.where(often, near, np.where(extreme.value == 0, zero, SELDOM))
        for value in np.unique(extreme.value[candidates]):
            here = (extreme.value == value) & candidates
            n, k = int(extreme.count[here].sum()), int(here.argmax())
            is_short = abs(float(f"{value:.2e}") - value) <= 1e-7 * abs(value)
            if n == 1 and away[k] < (ALONE if is_short else ALONE_OF_MANY) and not is_known[k]:
                continue  # a power law has such values
            low, high = sorted((sign * extreme.next[k], -sign * top[k]))
            yield (
                f"expected data in {name}, found {sign * value:.6g} {n} times in "
                f"{int(here.sum())} of {here.size} numbers, the first in simulation "
                f"{extreme.row[k]}{at(extreme.row[k])} at index {index_of(k, shape)}, where all "
                "others are between "
                f"{low:.3g} and {high:.3g}; is it a mask? Leave these "
                "numbers out, or fill them as in an analysis of your data"
            )
