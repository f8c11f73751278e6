"""The style of the figures.

Each start of Snakemake imports this module, so that it imports little of matplotlib.
"""

import contextlib
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib.style
from imnn_core.store.errors import InputError
from imnn_core.store.wording import shortened, shown
from matplotlib import font_manager
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser

# Not for a style to choose: titles and legends need a layout that makes room for them, and ids in
# SVG are random without a salt.
FIXED = {"figure.constrained_layout.use": True, "svg.hashsalt": "imnn"}


class _Faults(logging.Handler):
    """Collects faults of a style file, which matplotlib only logs."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(" ".join(record.getMessage().split()).partition(" You probably need")[0])


@contextlib.contextmanager
def style(path: str | Path) -> Iterator[None]:
    """Use the style of a file over matplotlib's defaults, without the user's own settings.

    Raises:
        InputError: the file can't be read, matplotlib does not know a setting in it, or it is
            unusable, see `_check_style`.

    """
    faults, logger = _Faults(), logging.getLogger("matplotlib")
    with contextlib.ExitStack() as stack:
        logger.addHandler(faults)
        try:
            stack.enter_context(matplotlib.style.context([str(path), FIXED], after_reset=True))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path}: expected a style file of matplotlib, found: {shortened(str(error))}"
            ) from None
        finally:
            logger.removeHandler(faults)
        if faults.lines:
            raise InputError(f"{path}: expected matplotlib's settings, found: {faults.lines[0]}")
        _check_style(path, matplotlib.rcParams)
        yield


def _check_style(path: str | Path, settings: Mapping) -> None:
    """Check that figures can be drawn with a style's settings."""
    wide, size = settings["figure.figsize"][0], settings["font.size"]
    if not wide > 10 * size / 72:
        raise InputError(
            f"{path}: expected a figure.figsize as wide as ten letters or more, found {wide:g} "
            "inches"
        )
    if not size >= 1:
        raise InputError(f"{path}: expected a font.size of 1 or more, found {size:g}")
    try:
        font_manager.findfont(FontProperties(), fallback_to_default=False)
    except ValueError:
        raise InputError(
            f"{path}: expected a font.family that is installed, found "
            f"{shown(settings['font.family'])}"
        ) from None
    if not settings["axes.prop_cycle"].by_key().get("color"):
        raise InputError(f"{path}: expected colours in axes.prop_cycle, found none")
    if settings["text.usetex"] and shutil.which("latex") is None:
        raise InputError(f"{path}: expected LaTeX to be installed for text.usetex, found none")


def faults_of_symbols(symbols: Sequence[str]) -> Iterator[str]:
    """Symbols of parameters that matplotlib can't draw, one line each."""
    for symbol in symbols:
        try:
            MathTextParser("path").parse(symbol)
        except ValueError as error:
            reason = str(error).strip().splitlines()[-1]
            yield (
                "symbols: expected text, or TeX between $ that matplotlib can draw, found "
                f"{shown(symbol)} ({shortened(reason)})"
            )
