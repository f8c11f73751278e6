"""A look at a set that was drawn, as at a user's files."""

import logging

from imnn_core.data import choice, differences, numbers
from imnn_core.data.sources import Source
from imnn_core.problems import Problem
from imnn_core.store.errors import InputError

log = logging.getLogger("imnn")


def look_at(source: Source, problem: Problem, checks: bool) -> None:
    """Say what is odd about simulations, in the log.

    Args:
        source: a whole set, as it is stored.
        problem: theirs.
        checks: whether what is wrong is a fault; else finite differences alone are looked at.

    Raises:
        InputError: with ``checks``, numbers can't be right; a line each.

    """
    if checks:
        found = numbers.look(source, problem)
        again = None if found.is_discrete else found.repeats()
        if faults := [*found.faults, *filter(None, [again])]:
            raise InputError(*(f"problem {problem.name!r}: {fault}" for fault in faults))
    if problem.delta_theta is not None:
        shifted = differences.look(source, problem)
        for line in choice.doubts(shifted, problem.of_summaries, problem.names):
            log.info("warning: %s", line)
