"""The one exception that means: the input is at fault, not the program."""


class InputError(Exception):
    """A fault in what the user gave. Its text is one line: what, where, expected, found."""
