"""Mutated configs: each is accepted, or refused in lines, in finite time. Others in each run."""

import os
import signal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from imnn_core.config import read
from imnn_core.store.errors import InputError
from imnn_core.workflow import checked, checks, digest, requests
from mutated_configs import WHOLE, mutated

LONGEST = 1500  # letters of a line
ENDLESS = 300  # seconds: anything that takes as long would never end


def stop(*_):
    raise AssertionError(f"a config without an end: not read in {ENDLESS} s")


def look(values, root, in_depth):
    """What the start of Snakemake looks at; the lines of faults, or none."""

    def own(path):
        place = root / path
        return str(place) if os.path.exists(place) else None  # no error where a name is too long

    try:
        config = read.read_config(values)
        if not in_depth:
            return []
        problem = read.problem_of(config, own, digest.user_code_digest)
        style = read.found(config.figures.style, own)
        checked.digest_of(config, problem, {}, None, style)
        faults, built = checks.faults(config, problem, None, style, 10**9)
        if not faults:
            sizes = checks.sizes(config, built, {})
            for recipe in config.fits.values():
                requests.of_evaluating(sizes, recipe, 0, 1)
                requests.of_fitting(sizes, recipe, ["validation"], 0, 1)
        return faults
    except InputError as error:
        return error.lines


def assert_it_is_told(values, root, in_depth):
    signal.signal(signal.SIGALRM, stop)
    signal.alarm(ENDLESS)
    try:
        lines = look(values, root, in_depth)
    finally:
        signal.alarm(0)
    assert len(lines) < 5000  # a line for each of the 2000 wrong keys that there may be
    for line in lines:
        assert line.strip()
        assert line.isprintable()
        assert len(line) < LONGEST
        assert " at 0x" not in line


@st.composite
def configs(draw):
    """One that is whole, mutated twice."""

    def choose(items):
        return items[draw(st.integers(0, len(items) - 1))]

    return mutated(mutated(choose(WHOLE), choose), choose)


# A failure prints the config, and how hypothesis repeats it; nothing is kept from run to run.
ANEW = settings(
    deadline=None,
    database=None,
    derandomize=False,
    print_blob=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


@settings(ANEW, max_examples=2000)
@given(values=configs())
def test_each_mutated_config_is_read_or_refused(root, values):
    assert_it_is_told(values, root, in_depth=False)


@settings(ANEW, max_examples=150)
@given(values=configs())
def test_each_mutated_config_is_checked_or_refused(root, values):
    assert_it_is_told(values, root, in_depth=True)


@pytest.mark.long
@settings(ANEW, max_examples=3000)
@given(values=configs())
def test_many_mutated_configs(root, values):
    assert_it_is_told(values, root, in_depth=True)


@pytest.mark.parametrize("values", WHOLE)
def test_whole_configs_are_accepted(root, values):
    """Else their mutations would all fail for one reason. Their files are not there."""
    assert look(values, root, in_depth=True) == []
