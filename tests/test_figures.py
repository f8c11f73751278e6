"""Figures: what is seen in them, in what style, and the same bytes each time."""

import subprocess
import sys

import numpy as np
import pytest
from imnn_core.figures import plots, styles
from imnn_core.figures.ellipses import ellipses_figure
from imnn_core.figures.estimates import estimates_figure
from imnn_core.figures.histories import PANELS, History, history_figure, median
from imnn_core.figures.information import Kept, information_figure
from imnn_core.figures.plots import inches, wrapped
from imnn_core.store.errors import InputError
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

KINDS = ("svg", "png", "pdf")


def history(n, kept, patience_began, splits=("training",)):
    columns = {
        f"{split}_{name}": len(split) * np.linspace(1, 2, n) for split in splits for name in PANELS
    }
    return History({"iteration": np.arange(n)} | columns, kept, patience_began)


def test_the_kept_iteration_lies_within_the_figure(root):
    """The final weights are those after the last row of the history."""
    with styles.style(root / "config/figures.mplstyle"):
        figure = history_figure([history(10, 10, 4)], ["training"], analytic=None, title="")
    assert figure.axes[-1].get_xlim() == (0, 10)


def test_histories_mark_each_seed_on_the_curve_that_decided(root):
    """Oracle: by hand: rows 3 and 8 of validation |F|, and the last row where the final weights
    were kept.
    """
    seeds = [
        history(10, 3, 3, ("training", "validation")),
        history(9, 9, 7, ("training", "validation")),
    ]
    with styles.style(root / "config/figures.mplstyle"):
        figure = history_figure(seeds, ["training", "validation"], analytic=None, title="")
    marks = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert list(marks["weights kept"].get_xdata()) == [3, 8]
    assert list(marks["patience begins"].get_xdata()) == [3, 7]
    assert marks["weights kept"].get_ydata() == pytest.approx(
        [10 * (1 + 3 / 9), 10 * 2]
    )  # ten letters has validation


def test_a_fit_that_has_stopped_counts_with_its_last_value():
    """Oracle: by hand."""
    assert list(median([np.array([1.0, 2, 3]), np.array([5.0]), np.array([4.0, 0])])) == [4, 2, 3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("deep_set", "deep_set"),
        ("a_long_name-of.a fit of 0.51 or -1", "a_long_\nname-of.a\nfit of 0.51\nor -1"),
        ("aaaaaaaaaaaaaaaa", "aaaaaaaaaa\naaaaaa"),
        ("", ""),
    ],
)
def test_names_are_broken_where_their_words_end(root, text, expected):
    """Oracle: by hand, as wide as ten letters."""
    with styles.style(root / "config/figures.mplstyle"):
        found = wrapped(text, 1.02 * inches("aaaaaaaaaa"))
        assert found == expected
        assert all(inches(line) <= 1.02 * inches("aaaaaaaaaa") for line in found.split("\n"))


DRAW = """
import sys
import numpy as np
from pathlib import Path
from imnn_core.figures import plots, styles
from imnn_core.figures.information import Kept, information_figure
folder, style = map(Path, sys.argv[1:])
with styles.style(style):
    kept = {"a": Kept(np.array([0.8, 0.9]), np.array([0.01, 0.02]), "85 ± 5 %")}
    drawn = information_figure(kept, line=(1, "all"), quantity="$|F|$", title="A title")
    plots.save_all(drawn, [folder / f"a.{kind}" for kind in ("svg", "png", "pdf")])
"""


@pytest.mark.parametrize("text", ["|F| = 50", r"$\theta_{\mathrm{fid}}$ of a fit", "gj_Q.,"])
def test_the_width_of_a_text(text):
    """Oracle: matplotlib's exact extents of its curves; control points are hardly farther out."""
    exact = TextPath((0, 0), text, prop=FontProperties(size=8)).get_extents().width / 72
    assert -1e-9 < inches(text, size=8) - exact < 0.005


def draw(root, folder, style):
    folder.mkdir()
    subprocess.run(
        [sys.executable, "-c", DRAW, folder, style],
        check=True,
        cwd=folder,
        env={"PYTHONPATH": str(root / "scripts")},
    )
    return [(folder / f"a.{kind}").read_bytes() for kind in KINDS]


def test_an_unchanged_figure_is_an_unchanged_file_and_holds_its_letters(root, tmp_path):
    """In SVG, PNG and PDF, from two processes, with matplotlib's settings of the user's own in one
    of them.
    """
    style = root / "config/figures.mplstyle"
    first = draw(root, tmp_path / "first", style)
    own = tmp_path / "own"
    own.mkdir()
    (own / "matplotlibrc").write_text("font.size: 20\nsvg.hashsalt: other\nxtick.direction: in\n")
    folder = tmp_path / "second"
    folder.mkdir()
    subprocess.run(
        [sys.executable, "-c", DRAW, folder, style],
        check=True,
        cwd=own,
        env={"PYTHONPATH": str(root / "scripts")},
    )
    assert [(folder / f"a.{kind}").read_bytes() for kind in KINDS] == first
    assert b"<text" not in first[0] and b"font-family" not in first[0]
    assert b"/FontFile2" in first[2]


def test_another_style_gives_another_figure(root, tmp_path):
    style = root / "config/figures.mplstyle"
    changed = (
        style.read_text().replace("3.4, 3.0", "7.0, 3.0").replace("font.size: 8", "font.size: 16")
    )
    (tmp_path / "wide.mplstyle").write_text(changed)
    with styles.style(tmp_path / "wide.mplstyle"):
        wide = plots.new_figure(2)
    with styles.style(style):
        narrow = plots.new_figure(2)
    assert (wide.get_figwidth(), narrow.get_figwidth()) == (7, 3.4)
    assert (wide.get_figheight(), narrow.get_figheight()) == (4, 2)  # which goes by the letters


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            "font.size: large\nfont.sise: 8\n",
            "a.mplstyle: expected matplotlib's settings, found: .*font",
        ),
        ("nonsense\n", "a.mplstyle: expected matplotlib's settings, found: "),
        (None, "a.mplstyle: expected a style file of matplotlib, found: "),
        (b"\xff\xfe", "a.mplstyle: expected a style file of matplotlib, found: "),
        (
            "figure.figsize: 0.1, 3",
            "a.mplstyle: expected a figure.figsize as wide as ten letters or more, found 0.1 "
            "inches",
        ),
        ("font.size: 0", "a.mplstyle: expected a font.size of 1 or more, found 0"),
        (
            "axes.prop_cycle: cycler('linestyle', ['-'])",
            "a.mplstyle: expected colours in axes.prop_cycle, found none",
        ),
    ],
)
def test_a_faulty_style_is_said_in_a_line(tmp_path, content, fault):
    if content is not None:
        (tmp_path / "a.mplstyle").write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )
    with pytest.raises(InputError, match=fault), styles.style(tmp_path / "a.mplstyle"):
        pass


@pytest.mark.parametrize(("n_params", "font_size"), [(1, 8), (2, 13), (3, 8), (5, 13)])
def test_figures_of_any_number_of_parameters_and_long_names(root, tmp_path, n_params, font_size):
    """Nothing is cut off: what is drawn lies within the figure. matplotlib warns, and so fails,
    where it can't make room.
    """
    rng = np.random.default_rng(1)
    name = "a_recipe_with_a_name_" * 4
    F = np.diag(rng.uniform(1, 9, n_params))
    symbols, theta = [f"$p_{i}$" for i in range(n_params)], rng.normal(size=n_params)
    x = rng.normal(size=(50, n_params))
    style = (
        (root / "config/figures.mplstyle")
        .read_text()
        .replace("font.size: 8", f"font.size: {font_size}")
    )
    (tmp_path / "a.mplstyle").write_text(style)
    with styles.style(tmp_path / "a.mplstyle"):
        for figure in (
            ellipses_figure({name: F, "b": 2 * F}, analytic=F, theta_fid=theta, symbols=symbols),
            estimates_figure(
                x,
                x + 0.1,
                theta_fid=theta,
                bound=np.ones(n_params),
                symbols=symbols,
                other="exact",
                colour="C0",
                title=name,
            ),
            information_figure(
                {name: Kept(np.ones(3), np.ones(3), "85.0 ± 1.0 %")},
                line=None,
                quantity="a",
                title=name,
            ),
        ):
            figure.draw_without_rendering()
            inches = figure.get_tightbbox()
            assert inches.x0 > -0.02 and inches.y0 > -0.02
            assert (
                inches.x1 < figure.get_figwidth() + 0.02
                and inches.y1 < figure.get_figheight() + 0.02
            )


def test_what_is_not_finite_is_left_out(root):
    """Of one parameter and of two: contours of what has some, and estimates that are numbers."""
    x = np.array([[1.0, 2.0], [3.0, np.nan], [2.0, 5.0], [0.0, 1.0]])
    with styles.style(root / "config/figures.mplstyle"):
        for n in (1, 2):
            F_of = {
                "good": np.eye(n),
                "singular": np.zeros((n, n)),
                "none": np.full((n, n), np.nan),
            }
            drawn = ellipses_figure(
                F_of, analytic=None, theta_fid=np.zeros(n), symbols=["a", "b"][:n]
            )
            assert {text.get_text() for text in drawn.legends[0].get_texts()} == {"good"}
        ellipses_figure({"none": F_of["none"]}, analytic=None, theta_fid=[0, 0], symbols=["a", "b"])
        known = {
            "theta_fid": [0, 0],
            "symbols": ["a", "b"],
            "other": "exact",
            "colour": "C0",
            "title": "",
        }
        drawn = estimates_figure(x, x + 1, bound=[1.0, np.nan], **known)
        assert len(drawn.axes[0].get_lines()[0].get_xdata()) == 3
        assert [text.get_text() for text in drawn.axes[2].texts] == ["not finite"]


def test_formats_that_are_asked_for_no_more_do_not_stay_behind(root, tmp_path):
    """They would be another figure than the one that is drawn now."""
    with styles.style(root / "config/figures.mplstyle"):
        figure = plots.new_figure(1)
        plots.save_all(figure, [tmp_path / "a.svg", tmp_path / "a.pdf"])
        (tmp_path / "b.pdf").write_text("of another figure")
        plots.save_all(figure, [tmp_path / "a.svg", tmp_path / "a.png"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".a.png.sha256",
        ".a.svg.sha256",
        "a.png",
        "a.svg",
        "b.pdf",
    ]
