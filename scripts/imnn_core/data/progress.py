"""How far a job is with many simulations. Imports no jax."""

import logging
import time
from collections.abc import Callable

from imnn_core.store.wording import in_time

log = logging.getLogger("imnn")
OFTEN, SELDOM = 2, 60  # seconds between two lines of the log, at least and at most


class Progress:
    """A line in the log now and then, and a bar."""

    def __init__(self, n_all: int, n_left: int, what: str, show: Callable[[int, int, str], None]):
        """Begin.

        Args:
            n_all: how many there are.
            n_left: how many of them are not there yet.
            what: they are, in words.
            show: (done, all, text) draws a bar.

        """
        self._n_all, self._n_left, self._done = n_all, n_left, 0
        self._what, self._show = what, show
        # The first piece has what a simulator does once.
        self._began, self._n_first, self._is_first = time.monotonic(), 0, True
        self._said, self._interval = 0.0, 0.0
        if n_left < n_all:
            log.info("%d of %d %s are there already", n_all - n_left, n_all, what)

    def add(self, n: int) -> None:
        """So many more are done."""
        self._done += n
        now = time.monotonic()
        if self._is_first and self._done < self._n_left and now - self._began < SELDOM:
            self._began, self._n_first = now, self._done
        self._is_first = False
        if self._done == self._n_first:
            return
        rate = (self._done - self._n_first) / max(now - self._began, 1e-9)
        done = self._n_all - self._n_left + self._done
        text = f"{rate:.3g}/s, {in_time((self._n_left - self._done) / rate)} left"
        self._show(done, self._n_all, text)
        if now - self._said >= self._interval or self._done == self._n_left:
            log.info("%d/%d %s, %s", done, self._n_all, self._what, text)
            self._said, self._interval = now, min(max(OFTEN, (now - self._began) / 10), SELDOM)
