"""The one exception that means: the input is at fault, not the program; and others' errors in a line."""


class InputError(Exception):
    """A fault in what the user gave. Its text is one line: what, where, expected, found."""


def in_a_line(error: BaseException) -> str:
    """What an error of the user's own code, or of a library, is and says, without its further lines."""
    return f"{type(error).__name__}: {error}".partition("\n")[0]
