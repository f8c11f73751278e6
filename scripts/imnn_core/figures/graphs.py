"""A figure of what depends on what. Names and arrows in, a Figure out."""

from collections.abc import Sequence

from imnn_core.figures.plots import GREY, new_figure
from matplotlib.figure import Figure

Arrow = tuple[str, str]


def depths(names: Sequence[str], arrows: Sequence[Arrow]) -> dict[str, int]:
    """Of each name the number of arrows on the longest way to it; of one without such just before what needs it first."""
    found = dict.fromkeys(names, 0)
    for _ in names:  # no way is longer
        for a, b in arrows:
            found[b] = max(found[b], found[a] + 1)
    first = set(names) - {b for _, b in arrows}
    return found | {
        name: min((found[b] for a, b in arrows if a == name), default=1) - 1 for name in first
    }


def reduced(arrows: Sequence[Arrow]) -> list[Arrow]:
    """Arrows without those that follow from others: not from a to c, where there is a way from a by b to c."""
    after: dict[str, set[str]] = {}
    for a, b in arrows:
        after.setdefault(a, set()).add(b)

    def reached(a):
        return set().union(*({b} | reached(b) for b in after.get(a, ())))

    return [(a, c) for a, c in arrows if not any(c in reached(b) for b in after[a] if b != c)]


def graph_figure(names: Sequence[str], arrows: Sequence[Arrow]) -> Figure:
    """Boxes with names, each to the right of those from which an arrow leads to it."""
    depth, arrows = depths(names, arrows), reduced(arrows)
    columns = [[name for name in names if depth[name] == i] for i in range(max(depth.values()) + 1)]
    tallest = max(map(len, columns))
    figure = new_figure(0.32 * tallest + 0.2, min_width=1.2 * len(columns))
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(-0.5, tallest - 0.5)
    boxes = {}
    for x, column in enumerate(columns):
        for i, name in enumerate(sorted(column, reverse=True)):
            box = {
                "boxstyle": "round,pad=0.35",
                "facecolor": "white",
                "edgecolor": GREY,
                "linewidth": 0.8,
            }
            y = (tallest - len(column)) / 2 + i
            boxes[name] = axes.text(
                x, y, name, ha="center", va="center", fontsize="small", bbox=box, zorder=2
            )
    figure.draw_without_rendering()  # sizes of boxes are known then
    for a, b in arrows:
        (x0, y0), (x1, y1) = (boxes[name].get_position() for name in (a, b))
        ends = [
            boxes[name].get_bbox_patch().get_window_extent().transformed(axes.transData.inverted())
            for name in (a, b)
        ]
        style = {
            "arrowstyle": "-|>,head_width=0.15,head_length=0.3",
            "color": GREY,
            "linewidth": 0.7,
            "shrinkA": 0,
            "shrinkB": 1,
        }
        axes.annotate("", (ends[1].x0, y1), (ends[0].x1, y0), arrowprops=style, zorder=1)
    return figure
