"""Names and shapes in messages."""

import difflib
from collections.abc import Iterable


def nearest(word: object, names: Iterable) -> str:
    """' (nearest: …)' with up to three names that resemble or contain ``word``; else ''."""
    word, names = str(word), [str(name) for name in names]
    near = (
        difflib.get_close_matches(word, names, n=3, cutoff=0.6)
        or [name for name in names if word in name][:3]
    )
    return f" (nearest: {', '.join(near)})" if near else ""


def of_shape(*sizes: object) -> str:
    """A shape as Python writes it; a size may be a name."""
    return "(" + ", ".join(map(str, sizes)) + ("," if len(sizes) == 1 else "") + ")"
