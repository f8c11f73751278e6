"""Numbers as the report and the figures print them."""

import math

EXACT, ZERO = 1e-9, 1e-12  # rounding errors: relative to a number, and of 0


def with_error(value: float, error: float, exact: float = EXACT) -> str:
    """Print a number with its error, to two digits of the error where it has decimals.

    49.92 ± 0.11. A dash where the number is not finite; no error where it is only rounding, which
    is below ``exact`` of the number.
    """
    if not math.isfinite(value):
        return "–"
    size = max(abs(value), error) if math.isfinite(error) else abs(value)
    if size < ZERO:
        return "0"
    if not math.isfinite(error):
        return compact(value, 3)
    if error <= exact * abs(value):
        return compact(value, 6)
    if not 1e-3 <= size < 1e6:
        power = math.floor(math.log10(size))
        scaled = with_error(value / 10**power, error / 10**power, exact)
        return f"({scaled}) × 10{_raised(power)}"
    decimals = max(0, 1 - math.floor(math.log10(error)))
    shown = f"{value:.{decimals}f}"
    if not shown.strip("-0."):  # no "-0.0"
        shown = shown.lstrip("-")
    return f"{shown} ± {error:.{decimals}f}".replace("-", "−")


def compact(value: float, n: int = 4) -> str:
    """Print a number to n significant digits or as an integer; with a power of ten far from 1.

    A dash where it is not finite.
    """
    if not math.isfinite(value):
        return "–"
    if value and not 1e-3 <= abs(value) < 1e6:
        power = math.floor(math.log10(abs(value)))
        return f"{compact(value / 10**power, n)} × 10{_raised(power)}"
    return (f"{value:.0f}" if abs(value) >= 10**n else f"{value:.{n}g}").replace("-", "−")


def _raised(power: int) -> str:
    return str(power).translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))


def percent(part: float, whole: float = 1) -> str:
    """A ratio as a percentage: an integer from 10 % on, else two digits."""
    ratio = part / whole if whole else math.inf
    return f"{100 * ratio:.0f}" if not ratio < 0.1 else f"{100 * ratio:.2g}"
