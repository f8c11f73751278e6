"""What all figures share: names, legends, and files that are the same bytes each time. Knows no jax."""

import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from imnn_core.store.files import remove, writing
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

MARKS = "os^DvPX*"  # of recipes, told apart without colours
GREY = "#555555"
# Dates, by which an unchanged figure would be a changed file, and the like.
METADATA = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


SIZE = 8  # points of the letters that heights are given for


def scale() -> float:
    """How much larger the style's letters are."""
    return matplotlib.rcParams["font.size"] / SIZE


def width() -> float:
    """The style's width of a figure, in inches."""
    return matplotlib.rcParams["figure.figsize"][0]


def new_figure(height: float, *, min_width: float = 0) -> Figure:
    """An empty figure of the style's width.

    Args:
        height: in inches, with letters of 8 points; more with larger ones.
        min_width: in inches, where it needs more; likewise.

    """
    return Figure(figsize=(max(width(), min_width * scale()), height * scale()))


def inches(text: str, **font) -> float:
    """How wide a text is drawn.

    Args:
        text: in a line.
        **font: size and weight, as of matplotlib's FontProperties.

    """
    return (
        TextPath((0, 0), text, prop=FontProperties(**font)).get_extents().width / 72
        if text.strip()
        else 0.0
    )


def wrapped(text: str, room: float, **font) -> str:
    """A text in lines of at most so many inches, broken after spaces and after what separates the words of a name."""
    lines = [""]
    for word in re.split(r"(?<= )|(?<=[_.-])(?=[^\W\d_])", text):
        while word:
            if lines[-1] and inches(lines[-1] + word.rstrip(), **font) > room:
                lines.append("")
            whole = inches(lines[-1] + word.rstrip(), **font)
            n = (
                len(word) if whole <= room else max(1, int(len(word) * room / whole))
            )  # a word longer than a line is cut
            lines[-1], word = lines[-1] + word[:n], word[n:]
    return "\n".join(line.rstrip() for line in lines)


MARGIN = 0.1  # inches at both sides of a figure
# before a label, since matplotlib leaves out of legends what begins with _
SHOWN = "\N{ZERO WIDTH SPACE}"


def head(figure: Figure, title: str, *axes: Axes) -> None:
    """Above a figure what is seen in it, and below that a legend of what is in some axes, where it hides no curve."""
    entries = {}
    for each in axes:
        entries |= {
            label.removeprefix(SHOWN): handle
            for handle, label in zip(*each.get_legend_handles_labels(), strict=True)
        }
    room, small = figure.get_figwidth() - MARGIN, matplotlib.rcParams["legend.fontsize"]
    handle = 0.45 * scale()  # with the space behind it and that before the next column
    names = [wrapped(name, room - handle, size=small) for name in entries]
    widest = max(
        (inches(line, size=small) for name in names for line in name.split("\n")), default=room
    )
    font = {
        "size": matplotlib.rcParams["axes.titlesize"],
        "weight": matplotlib.rcParams["axes.titleweight"],
    }
    figure.legend(
        entries.values(), names, title=wrapped(title, room, **font), title_fontproperties=FontProperties(**font),
        loc="outside upper "
            "left", alignment="left", ncols=max(1, int(room / (widest + handle))), columnspacing=1.2, borderpad=0,
    )  # fmt: skip


def colour_and_mark(fit: str, fits: Sequence[str]) -> tuple[str, str]:
    """Of a recipe, by its place among all."""
    i, colours = list(fits).index(fit), matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    return colours[i % len(colours)], MARKS[i % len(MARKS)]


def save_all(figure: Figure, paths: Sequence[str | Path]) -> None:
    """Write a figure to each path, whole or not at all, in the format that its ending says: the same bytes each time."""
    for path in paths:
        stem, kind = str(path).rsplit(".", 1)
        for other in {f"{stem}.{each}" for each in METADATA} - {str(each) for each in paths}:
            remove(
                other
            )  # of a format that was asked for before, which would now be another figure
        with writing(path) as temporary:
            figure.savefig(temporary, format=kind, metadata=METADATA[kind])
