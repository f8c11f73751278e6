"""The exception for faults in the input, and other errors in one line."""


class InputError(Exception):
    """A fault in what the user gave. Its text is one line: what, where, expected, found."""


def in_a_line(error: BaseException) -> str:
    """The type of any error and the first line of its message."""
    return f"{type(error).__name__}: {error}".partition("\n")[0]
