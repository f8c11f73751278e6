"""Lines of errors and logs: one line each, whatever names, values and libraries put into them."""

import pytest
from imnn_core.store.errors import InputError, in_a_line
from imnn_core.store.wording import LONGEST, MOST, in_line, shown


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a name\nwith\ttwo lines", r"a name\nwith\ttwo lines"),
        ("\x1b[2Jhidden\x07", r"\x1b[2Jhidden\x07"),
        ("not UTF-8: \udcff", r"not UTF-8: \udcff"),
        ("a line\u2028and \u202eanother", r"a line\u2028and \u202eanother"),
        ("found <function f at 0x7f12ab34cd56>", "found <function f>"),
        ("Σ = 1 ± 0.1 für µ", "Σ = 1 ± 0.1 für µ"),
    ],
)
def test_a_line_stays_one(text, line):
    """Oracle: by hand. What can be printed is left as it is."""
    assert in_line(text) == line
    assert str(InputError(text, "b")).splitlines() == [line, "b"]
    assert InputError(text, "b").lines == [line, "b"]


def test_long_values_and_lines_are_shortened():
    many = list(range(10_000))
    assert len(shown(many)) <= MOST
    assert shown(many).startswith("[0, 1, 2")
    assert shown(many).endswith("9998, 9999]")
    assert shown("short") == "'short'"
    assert len(str(InputError("x" * 10**6))) <= LONGEST


def test_an_error_is_its_type_and_its_first_words():
    assert in_a_line(ValueError("\n one\ntwo")) == "ValueError: one"
    assert in_a_line(AssertionError()) == "AssertionError"
    assert len(in_a_line(ValueError("x" * 10**6))) < MOST + 20
