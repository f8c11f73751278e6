"""Ranges of numbers: the first, and the one after the last."""

Range = tuple[int, int]


def listed(one: Range) -> list[Range]:
    """A range in a list; none, if it is empty."""
    return [one] if one[0] < one[1] else []


def without(ranges: list[Range], gone: Range) -> list[Range]:
    """What is left of ranges without one."""
    left = []
    for a, b in ranges:
        left += [(a, min(b, gone[0])), (max(a, gone[1]), b)]
    return [(a, b) for a, b in left if a < b]


def common(one: Range, other: Range) -> Range | None:
    """What two ranges have in common; None if nothing."""
    a, b = max(one[0], other[0]), min(one[1], other[1])
    return (a, b) if a < b else None


def total(ranges: list[Range]) -> int:
    """How many numbers ranges have that do not overlap."""
    return sum(b - a for a, b in ranges)
