"""Parts that all figures share: sizes, legends, and files that are reproduced byte for byte."""

import itertools
import logging
import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from imnn_core.store.files import remove, writing
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

log = logging.getLogger("imnn")

MARKS = "os^DvPX*"  # of recipes, so that they are distinct without colours
GREY = "#555555"
MARGIN = 0.1  # inches at both sides of a figure
SIZE = 8  # points of the font that heights are given for
SHOWN = "\N{ZERO WIDTH SPACE}"  # before a label, since matplotlib hides those that begin with _
# Without dates and versions, which would change the file of an unchanged figure.
METADATA = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def scale() -> float:
    """The style's font size relative to SIZE."""
    return matplotlib.rcParams["font.size"] / SIZE


def width() -> float:
    """The style's width of a figure, in inches."""
    return matplotlib.rcParams["figure.figsize"][0]


def new_figure(height: float, *, min_width: float = 0) -> Figure:
    """An empty figure of the style's width.

    Args:
        height: in inches, for a font of 8 points; scaled with the font.
        min_width: in inches, where the figure needs more; scaled likewise.

    """
    return Figure(figsize=(max(width(), min_width * scale()), height * scale()))


def inches(text: str, **font) -> float:
    """Width of one line of text.

    Args:
        text: one line.
        **font: size and weight, see matplotlib's FontProperties.

    """
    if not text.strip():
        return 0.0
    path = TextPath((0, 0), text, prop=FontProperties(**font))
    x = path.vertices[path.codes != TextPath.CLOSEPOLY, 0]  # control points: no curve goes beyond
    return (x.max() - x.min()) / 72


def wrapped(text: str, room: float, **font) -> str:
    """Wrap a text into lines of at most ``room`` inches.

    It is broken after spaces, and after the characters that separate the words of a name.
    """
    lines = [""]
    for word in re.split(r"(?<= )|(?<=[_.-])(?=[^\W\d_])", text):
        while word:
            if lines[-1] and inches(lines[-1] + word.rstrip(), **font) > room:
                lines.append("")
            whole = inches(lines[-1] + word.rstrip(), **font)
            # A word longer than a line is cut.
            n = len(word) if whole <= room else max(1, int(len(word) * room / whole))
            lines[-1], word = lines[-1] + word[:n], word[n:]
    return "\n".join(line.rstrip() for line in lines)


def head(figure: Figure, title: str, *axes: Axes) -> None:
    """Put a title above a figure, and below the title a legend of these axes, off the curves."""
    found = [zip(*each.get_legend_handles_labels(), strict=True) for each in axes]
    entries = {label.removeprefix(SHOWN): each for each, label in itertools.chain(*found)}
    room, small = figure.get_figwidth() - MARGIN, matplotlib.rcParams["legend.fontsize"]
    handle = 0.45 * scale()  # with the space behind it and that before the next column
    names = [wrapped(name, room - handle, size=small) for name in entries]
    widths = (inches(line, size=small) for name in names for line in name.split("\n"))
    font = {key: matplotlib.rcParams[f"axes.title{key}"] for key in ("size", "weight")}
    figure.legend(
        entries.values(),
        names,
        title=wrapped(title, room, **font),
        title_fontproperties=FontProperties(**font),
        loc="outside upper left",
        alignment="left",
        ncols=max(1, int(room / (max(widths, default=room) + handle))),
        columnspacing=1.2,
        borderpad=0,
    )


def colour_and_mark(fit: str, fits: Sequence[str]) -> tuple[str, str]:
    """Colour and mark of a recipe, by its place among all recipes."""
    i, colours = list(fits).index(fit), matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    return colours[i % len(colours)], MARKS[i % len(MARKS)]


def by_figure(paths: Sequence[str]) -> list[list[str]]:
    """Group paths that differ only in their format, in their order."""
    groups = itertools.groupby(paths, lambda path: path.rsplit(".", 1)[0])
    return [list(group) for _, group in groups]


def save_all(figure: Figure, paths: Sequence[str | Path]) -> None:
    """Write a figure to each path in the format of its ending: atomically, always the same bytes.

    Files in other formats are removed, since they would show an older figure.
    """
    for path in paths:
        stem, kind = str(path).rsplit(".", 1)
        for other in {f"{stem}.{each}" for each in METADATA} - {str(each) for each in paths}:
            remove(other)
        with writing(path) as temporary:
            figure.savefig(temporary, format=kind, metadata=METADATA[kind])
    log.info("wrote %s", ", ".join(map(str, paths)))
