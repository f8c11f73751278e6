"""The exception for faults in the input, and other errors in one line."""

from imnn_core.store.wording import in_line, shortened


class InputError(Exception):
    """Faults in what the user gave, a line each: what, where, expected, found.

    Args:
        lines: of text. Whatever names, values or libraries put into one, it stays one line.

    """

    def __init__(self, *lines: str):
        super().__init__("\n".join(map(in_line, lines)))

    @property
    def lines(self) -> list[str]:
        """The faults, a line each."""
        return str(self).split("\n")


def in_a_line(error: BaseException) -> str:
    """The type of any error and the first line of its message."""
    words = next((line for line in str(error).splitlines() if line.strip()), "").strip()
    return f"{type(error).__name__}: {shortened(words)}" if words else type(error).__name__
