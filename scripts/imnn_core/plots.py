"""What all figures share: the style, names, legends, and files that are the same bytes each time. Knows no jax."""

import contextlib
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib.style
from imnn_core.errors import InputError
from imnn_core.files import writing
from matplotlib.axes import Axes
from matplotlib.figure import Figure

MARKS = "os^DvPX*"  # of recipes, told apart without colours
GREY = "#555555"
# Where an unchanged figure would else be a changed file: ids are random without a salt, and dates are in all formats.
SALT = {"svg.hashsalt": "imnn"}
METADATA = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


class _Faults(logging.Handler):
    """What matplotlib complains of in a style file; it does so in its log and goes on without the line."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(" ".join(record.getMessage().split()))


@contextlib.contextmanager
def style(path: str | Path) -> Iterator[None]:
    """Draw in the style of a file, over matplotlib's defaults, whatever the user's own settings are.

    Raises:
        InputError: it can't be read, or matplotlib does not know what is in it.

    """
    faults, logger = _Faults(), logging.getLogger("matplotlib")
    logger.addHandler(faults)
    try:
        with matplotlib.style.context([str(path), SALT], after_reset=True):
            if faults.lines:
                raise InputError(f"{path}: expected matplotlib's settings, found: {faults.lines[0]}")
            yield
    except OSError as error:
        raise InputError(f"{path}: expected a style file of matplotlib, found: {error}") from None
    finally:
        logger.removeHandler(faults)


def new_figure(height: float, *, min_width: float = 0) -> Figure:
    """An empty figure of the style's width, or more where it needs that.

    Args:
        height: in inches, at the style's own width of 3.4; it grows with the width.
        min_width: in inches.

    """
    width = max(matplotlib.rcParams["figure.figsize"][0], min_width)
    return Figure(figsize=(width, height))


def wrapped(text: str, width: int) -> str:
    """A text in lines of at most so many letters, broken after spaces and after what separates the words of a name."""
    lines = [""]
    for word in re.findall(r"[^ _.-]*[ _.-]?", text):
        for piece in (word[i : i + width] for i in range(0, len(word), width)):
            if len(lines[-1]) + len(piece.rstrip()) > width:
                lines.append("")
            lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


LETTERS = 15  # of the style's letters in an inch, with room to spare


def head(figure: Figure, title: str, *axes: Axes) -> None:
    """Above a figure what is seen in it, and below that a legend of what is in some axes, where it hides no curve."""
    entries = {}
    for each in axes:
        entries |= dict(zip(*reversed(each.get_legend_handles_labels()), strict=True))
    letters = int(LETTERS * figure.get_figwidth())
    names = [wrapped(name, letters - 6) for name in entries]
    longest = max((len(line) for name in names for line in name.split("\n")), default=0)
    legend = figure.legend(
        entries.values(), names, title=wrapped(title, letters), title_fontsize=matplotlib.rcParams["axes.titlesize"],
        loc="outside upper left", alignment="left", ncols=max(1, letters // (longest + 6)), columnspacing=1.2, borderpad=0,
    )  # fmt: skip
    legend.get_title().set_fontweight(matplotlib.rcParams["axes.titleweight"])


def colour_and_mark(fit: str, fits: Sequence[str]) -> tuple[str, str]:
    """Of a recipe, by its place among all."""
    i, colours = list(fits).index(fit), matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    return colours[i % len(colours)], MARKS[i % len(MARKS)]


def save_all(figure: Figure, paths: Sequence[str | Path]) -> None:
    """Write a figure to each path, whole or not at all, in the format that its ending says: the same bytes each time."""
    for path in paths:
        kind = str(path).rsplit(".", 1)[-1]
        with writing(path) as temporary:
            figure.savefig(temporary, format=kind, metadata=METADATA[kind])
