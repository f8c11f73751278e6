"""What a check tells, line by line, and how it ends. Imports no jax."""

from collections.abc import Callable, Iterable

from imnn_core.store.errors import InputError
from imnn_core.store.wording import in_line

WIDTH = 14  # letters of what a line is about


class Findings:
    """Lines of a table, with faults and doubts that are told at its end."""

    def __init__(self, say: Callable[[str], None], log: Callable[[str], None]):
        """Begin.

        Args:
            say: shows a line on the terminal.
            log: writes a line to the log.

        """
        self._say, self._log = say, log
        self.faults: list[str] = []
        self.doubts: list[str] = []

    def tell(self, what: str, text: str) -> None:
        """A line of the table."""
        line = in_line(f"{what:<{WIDTH}}{text}")
        self._say(line)
        self._log(line)

    def add(
        self, what: str, text: str, faults: Iterable[str] = (), doubts: Iterable[str] = ()
    ) -> None:
        """A line of the table, with what is against a full run, or may be."""
        faults, doubts = list(faults), list(doubts)
        self.faults += faults
        self.doubts += doubts
        found = counted(len(faults), "fault"), counted(len(doubts), "warning")
        marks = [words for words, lines in zip(found, (faults, doubts), strict=True) if lines]
        self.tell(what, "; ".join([text] * bool(text) + marks))

    def end(self) -> None:
        """The verdict, and a line for each fault and doubt.

        Raises:
            InputError: there are faults, which its lines are.

        """
        if not self.faults and not self.doubts:
            self.tell("verdict", "nothing against a full run")
            return
        found = counted(len(self.faults), "fault"), counted(len(self.doubts), "warning")
        against = "a full run would meet" if self.faults else "nothing against a full run, but"
        self.tell("verdict", f"{against} " + " and ".join(filter(None, found)))
        for line in self.doubts:
            self.tell("warning", line)
        for line in self.faults:
            self._say(in_line(f"{'fault':<{WIDTH}}{line}"))
        if self.faults:
            raise InputError(*self.faults)


def counted(n: int, what: str) -> str:
    """`1 fault`, `2 faults`, or '' of none."""
    return f"{n} {what}{'s' * (n > 1)}" if n else ""
