"""Names, values and shapes in messages, each of which stays one line."""

import difflib
import itertools
import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

MOST = 300  # letters of a value
AMONG = 200  # names at most the nearest is looked for: it takes a millisecond
LONGEST = 3000  # letters of a line, which has room for two paths


def in_line(text: str) -> str:
    """A text without what breaks a line or changes a terminal, and without addresses of objects."""
    text = re.sub(r" at 0x[0-9a-fA-F]{4,}", "", text)
    return shortened(
        "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text),
        LONGEST,
    )


def shortened(text: str, most: int = MOST) -> str:
    """A text of at most so many letters: its beginning and its end."""
    if len(text) <= most:
        return text
    end = most // 4
    return f"{text[: most - end - 3]} … {text[-end:]}"


def shown(value: object) -> str:
    """A value as Python writes it, of at most MOST letters."""
    try:
        text = repr(value)
    except Exception:  # of a whole number of thousands of digits, or whatever a user's class raises
        text = f"{type(value).__name__} that Python can't write"
    return shortened(in_line(text))


def of_keys(keys: Iterable) -> str:
    """A key in a message, with those that it stands below."""
    return ".".join(
        shortened(in_line(key) if isinstance(key, str) else shown(key), 100) for key in keys
    )


def nearest(word: object, names: Iterable) -> str:
    """' (nearest: …)' with up to three names that resemble or contain ``word``; else ''."""
    if not isinstance(word, str):
        return ""
    names = [str(name) for name in itertools.islice(names, AMONG)]
    near = (
        difflib.get_close_matches(word[:MOST], names, n=3, cutoff=0.6)
        or [name for name in names if word and word in name][:3]
    )
    return f" (nearest: {', '.join(map(shortened, near))})" if near else ""


def of_shape(*sizes: object) -> str:
    """A shape as Python writes it; a size may be a name."""
    return "(" + ", ".join(map(str, sizes)) + ("," if len(sizes) == 1 else "") + ")"


def make_again(*paths: str | Path) -> str:
    """What to do about faulty results."""
    # A link leads to Snakemake's cache, where the fault is.
    places = [[os.path.realpath(path)] * os.path.islink(path) + [str(path)] for path in paths]
    it, recursive = "them" if len(paths) > 1 else "it", "-r " * any(map(os.path.isdir, paths))
    return (
        f"delete {it} and run snakemake again to make {it} anew: rm "
        f"{recursive}{shlex.join(sum(places, []))}"
    )


def without_remedy(line: str) -> str:
    """A line without what `make_again` says, where a file may not be this run's."""
    return line.split("; delete ")[0]


def in_time(seconds: float) -> str:
    """A time in words: `40 s`, `12 min`, `3.4 h`, `5.1 days`."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.0f} s"
