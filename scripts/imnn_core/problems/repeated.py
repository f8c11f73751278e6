"""A simulation that is drawn once more by another process, to be compared. Imports no jax."""

import numpy as np


class Again:
    """A unit that another process is to draw again, to be compared.

    unit: array and number; None for none. rows, drawn_by: what the first process drew, and its
    number. is_due: whether another one is still to be asked.
    """

    def __init__(self, unit: tuple[str, int] | None):
        """Begin without rows."""
        self.unit, self.rows, self.drawn_by, self.is_due = unit, None, None, False

    def drawn(self, rows: np.ndarray, pid: int) -> None:
        """It was drawn by the first process."""
        self.rows, self.drawn_by, self.is_due = rows, pid, True
