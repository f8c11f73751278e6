"""Sets in parts: the same bytes as one process draws in one go, whatever the parts, the processes
and the interruptions; and no simulation twice.

Oracle: `simulations.draw`, in this process.
"""

import json
import logging
import os
import re

import numpy as np
import pytest
from conftest import everything
from imnn_core.data import drawn_files, parts, sets
from imnn_core.data.parts import Part
from imnn_core.problems import load, simulations
from imnn_core.store import heads
from imnn_core.store.errors import InputError
from simulate import simulate

COUNTED = """
import os
import pathlib
import numpy as np
from imnn_core.problems import Problem

def simulate(rng, theta):
    with open({calls!r}, "a") as file:
        file.write(f"{{theta[0]}}\\n")  # a short write at the end of a file is whole
    {more}
    return theta[0] + theta[1] * rng.standard_normal(3)

problem = Problem(simulate, [0.0, 1.0], ["a", "b"], [3], numpy=True)
"""
GAUSSIAN = {"kind": "gaussian", "theta_fid": [0.0, 1.0], "input_shape": [10]}


class Simulator:
    """A numpy simulator in a file that counts its calls."""

    def __init__(self, folder, more=""):
        self.calls, self.path = folder / "calls", folder / "counted.py"
        self.path.write_text(COUNTED.format(calls=str(self.calls), more=more))
        self.problem = {"kind": str(self.path), "delta_theta": [0.1, 0.2]}

    @property
    def n(self):
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0


@pytest.fixture
def counted(tmp_path):
    return Simulator(tmp_path)


def draw(folder, problem, n_s, n_d, n_per_part=10**6, split="training", **changes):
    """The parts of a set, drawn as the rule does; their paths."""
    paths, n_columns = [], parts.n_columns_of(problem.get("delta_theta"))
    changes = {"n_of_set": parts.n_of_part(Part(0, n_s, n_d), n_columns)} | changes
    for part in parts.cut(n_s, n_d, n_per_part):
        path = folder / split / f"{part.name}.h5"
        if not path.exists():
            asked = {"first": part.first, "n_s": part.stop, "n_d": part.d_stop}
            simulate(path, problem=problem, seed=1, split=split, **asked, **changes)
        paths.append(path)
    return paths


def read(paths, problem, split="training", **asked):
    built = load.build(**problem)
    with sets.open_simulations(
        paths, built, seed=1, split=split, as_stored=True, **asked
    ) as source:
        return everything(source)


def in_one_go(problem, n_s, n_d, split="training"):
    pieces = simulations.draw(load.build(**problem), simulations.seed_key(1, split), n_s, n_d)
    return [np.concatenate(arrays) for arrays in zip(*pieces, strict=True)]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("n_per_part", [7, 1000])
@pytest.mark.parametrize(("n_s", "n_d"), [(30, 30), (31, 11)])
def test_jax_simulations_are_the_same_whatever_the_parts(tmp_path, n_s, n_d, n_per_part):
    paths = draw(tmp_path, GAUSSIAN, n_s, n_d, n_per_part)
    assert len(paths) == -(-n_s // n_per_part)
    assert_same(read(paths, GAUSSIAN, n_s=n_s, n_d=n_d), in_one_go(GAUSSIAN, n_s, n_d))


def test_jax_simulations_are_the_same_whatever_a_call_draws(tmp_path):
    paths = draw(tmp_path, GAUSSIAN, 2300, 1200, 700, n_per_call=300)
    assert_same(read(paths, GAUSSIAN), in_one_go(GAUSSIAN, 2300, 1200))


@pytest.mark.parametrize(("n_per_part", "threads"), [(1000, 3), (25, 1)])
def test_numpy_simulations_are_the_same_whatever_the_parts_and_processes(
    tmp_path, counted, n_per_part, threads
):
    """None is drawn twice but number 0, by another process, in the first part."""
    paths = draw(tmp_path, counted.problem, 40, 25, n_per_part, threads=threads)
    assert counted.n == 40 + 25 * 4 + 1
    assert_same(read(paths, counted.problem, n_s=40, n_d=25), in_one_go(counted.problem, 40, 25))


def test_the_file_of_a_part_has_the_same_bytes_by_any_number_of_processes(tmp_path, counted):
    one, many = (
        draw(tmp_path / str(n), counted.problem, 30, 20, threads=n)[0].read_bytes() for n in (1, 3)
    )
    assert one == many


@pytest.mark.parametrize(
    ("before", "after", "n_new"),
    [
        ((20, 20, 20), (40, 40, 20), 20 * 5),  # a new part alone
        ((15, 15, 10), (25, 25, 10), 10 * 5),  # a part that grows
        ((20, 20, None), (50, 30, None), 30 + 10 * 4),  # derivatives as well
        ((40, 40, 20), (20, 20, 20), 0),  # fewer
        ((40, 40, None), (25, 5, None), 0),
        ((40, 40, 20), (40, 40, 15), 0),  # other parts
    ],
)
def test_a_change_of_sizes_draws_only_what_is_new(tmp_path, counted, before, after, n_new):
    draw(tmp_path, counted.problem, *before)
    n = counted.n
    paths = draw(tmp_path, counted.problem, *after)
    # One more of each part that is gone on with, for comparison, or of the first part.
    assert n_new <= counted.n - n <= n_new + len(paths)
    assert_same(read(paths, counted.problem), in_one_go(counted.problem, *after[:2]))


def test_a_part_that_another_contains_goes(tmp_path, counted):
    (small,) = draw(tmp_path, counted.problem, 20, 20)
    (large,) = draw(tmp_path, counted.problem, 30, 20)
    assert sorted(tmp_path.glob("training/*.h5")) == [large]
    assert not small.exists()


def test_simulations_of_something_else_are_not_taken_over(tmp_path, counted):
    """Of other code, other settings, another seed, and those that were damaged."""
    (path,) = draw(tmp_path, counted.problem, 10, 10, made_from="one")
    n = counted.n
    draw(tmp_path, counted.problem, 12, 10, made_from="other")
    assert counted.n - n == 12 + 40 + 1
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    n = counted.n
    draw(tmp_path, counted.problem, 14, 10, made_from="one")
    assert counted.n - n == 14 + 40 + 1
    other = counted.problem | {"delta_theta": [0.1, 0.3]}
    n = counted.n
    draw(tmp_path, other, 9, 9, made_from="one")
    assert counted.n - n == 9 * 5 + 1


STOP = "import pathlib\n    if len(pathlib.Path({calls!r}).read_text().splitlines()) == {n}: {how}"


@pytest.mark.parametrize("n_done", [1, 57])
def test_what_was_drawn_before_an_error_is_not_drawn_again(tmp_path, n_done):
    """At whatever call; the bytes are those of a part in one go."""
    first = Simulator(tmp_path)
    how = "raise RuntimeError('the disk of the simulator is full')"
    first.path.write_text(
        COUNTED.format(
            calls=str(first.calls),
            more=STOP.format(calls=str(first.calls), n=n_done, how=how),
        )
    )
    path = tmp_path / "training" / "0-30-20.h5"
    with pytest.raises(
        InputError,
        match=r"simulation \d+ at theta = \[.*\] could not be drawn: RuntimeError: the disk of the "
        r"simulator is full \(line 11\)",
    ):
        draw(tmp_path, first.problem, 30, 20)
    assert not path.exists()
    done = sum(
        b - a
        for left in drawn_files.there(path.parent, Part(0, 30, 20))
        for pieces in left.pieces.values()
        for (a, b), _ in pieces
    )
    assert done >= n_done // 2  # of the piece under way all is lost
    n = first.n
    (again,) = draw(tmp_path, first.problem, 30, 20)
    assert {p.name for p in path.parent.iterdir()} == {path.name, drawn_files.kept(path).name}
    # One for comparison with what was there; if nothing was, number 0 twice.
    assert first.n - n == 110 - done + 1
    assert_same(read([again], first.problem), in_one_go(first.problem, 30, 20))
    (other,) = draw(tmp_path / "untouched", first.problem, 30, 20)
    assert other.read_bytes() == again.read_bytes()


def unfinished(folder, counted):
    """A part of which some pieces are there; (path, journal's lines)."""
    path = folder / "training" / "0-30-20.h5"
    built = load.build(**counted.problem)
    d, dd = in_one_go(counted.problem, 30, 20)
    with pytest.raises(KeyboardInterrupt):
        with sets.writing(path, Part(0, 30, 20), built, seed=1, split="training") as writer:
            writer.add("fiducial", 0, d[:10])
            writer.add("fiducial", 10, d[10:20])
            writer.add("derivative", 8, dd.reshape(-1, 3)[8:40])
            raise KeyboardInterrupt
    return path, drawn_files.journal(path).read_text().splitlines(keepends=True)


@pytest.mark.parametrize("cut", [0, 1, 200, 10**6])
def test_a_journal_that_was_cut_off_costs_its_last_piece(tmp_path, counted, cut):
    path, lines = unfinished(tmp_path, counted)
    whole = drawn_files.journal(path).read_text()
    drawn_files.journal(path).write_text(whole[: max(0, len(whole) - cut)])
    before = counted.n
    draw(tmp_path, counted.problem, 30, 20)
    left = 10 + 80 - 32
    n = counted.n - before
    assert left < n <= 30 + 80 + 2
    assert n == left + 1 if cut == 0 else True
    assert_same(read([path], counted.problem), in_one_go(counted.problem, 30, 20))


def test_pieces_whose_bytes_were_changed_are_drawn_again(tmp_path, counted):
    path, lines = unfinished(tmp_path, counted)
    note = json.loads(lines[0])
    with open(drawn_files.unfinished(path), "r+b") as file:
        file.seek(note["fiducial"][0] + 12 * 3 * 8)
        file.write(b"\1\1")
    before = counted.n
    draw(tmp_path, counted.problem, 30, 20)
    assert counted.n - before == 10 + 80 - 32 + 10 + 1
    assert_same(read([path], counted.problem), in_one_go(counted.problem, 30, 20))


def test_a_simulator_that_changed_unseen_is_told_before_it_is_gone_on_with(tmp_path, counted):
    """As by a file that it reads; the code is the same."""
    unfinished(tmp_path, counted)
    text = counted.path.read_text()
    counted.path.write_text(text.replace("theta[0] + theta[1]", "theta[0] + 2 * theta[1]"))
    with pytest.raises(InputError, match="expected simulations as those that are there, found oth"):
        draw(tmp_path, counted.problem, 30, 20)


def test_a_whole_part_that_snakemake_does_not_know_of_is_taken(tmp_path, counted):
    """It deletes the output of a job that ended after it was told to end itself."""
    (path,) = draw(tmp_path, counted.problem, 10, 10)
    content, n = path.read_bytes(), counted.n
    path.unlink()
    draw(tmp_path, counted.problem, 10, 10)
    assert (path.read_bytes(), counted.n) == (content, n)
    read([path], counted.problem)  # as a fit does, which runs once Snakemake knows
    assert not drawn_files.kept(path).exists()


def test_parts_that_do_not_follow_each_other_are_named(tmp_path):
    paths = draw(tmp_path, GAUSSIAN, 30, 20, 10)
    with pytest.raises(InputError, match="20-30-20.h5: expected fiducial of number 10 on, after"):
        read([paths[0], paths[2]], GAUSSIAN)
    with pytest.raises(InputError, match="10-20.h5: expected fiducial of number 0 on in the first"):
        read(paths[1:], GAUSSIAN)


def test_a_part_that_changes_while_many_are_read_is_named(tmp_path, monkeypatch):
    """Of many files a few are open at a time."""
    from imnn_core.data import part_sources

    monkeypatch.setattr(part_sources, "MOST_OPEN", 2)
    paths = draw(tmp_path, GAUSSIAN, 40, 40, 5)
    expected = in_one_go(GAUSSIAN, 40, 40)
    built = load.build(**GAUSSIAN)
    with sets.open_simulations(paths, built, seed=1, split="training") as source:
        assert_same(everything(source), expected)
        whole = paths[5].read_bytes()
        paths[5].unlink()
        paths[5].write_bytes(whole)
        with pytest.raises(InputError, match="25-30.h5: expected .* in another file"):
            everything(source)


def test_the_note_of_a_part_says_where_its_rows_lie(tmp_path, counted):
    """Oracle: h5py's own offsets."""
    import h5py

    _, path = draw(tmp_path, counted.problem, 20, 15, 10)
    note = heads.read(path).note
    with h5py.File(path) as file:
        assert note["fiducial"] == [file["fiducial"].id.get_offset(), 10, 20]
        assert note["derivative"] == [file["shifted"].id.get_offset(), 40, 60]
        assert file["shifted"].shape == (5, 2, 2, 3)


def test_progress_is_in_the_log(tmp_path, caplog):
    slow = Simulator(tmp_path, more="import time; time.sleep(0.05)")
    with caplog.at_level(logging.INFO, "imnn"):
        draw(tmp_path, slow.problem, 20, 10, threads=2, n_of_set=60)
    text = caplog.text
    assert "60/60 simulations, " in text
    assert "/s, 0 s left" in text
    assert "the whole set of 60 simulations takes about " in text


def test_a_test_set_that_takes_long_is_told_with_its_key(tmp_path, caplog):
    slow = Simulator(tmp_path, more="import time; time.sleep(0.02)")
    with caplog.at_level(logging.INFO, "imnn"):
        draw(tmp_path, slow.problem, 10, 10, split="test", n_of_set=250_000)
    assert re.search(r"250000 simulations takes about [\d.]+ (min|h) by 1 at", caplog.text)
    assert "warning: this test set takes long; a smaller `n_test` takes less" in caplog.text


def test_two_jobs_do_not_write_one_part(tmp_path, counted, monkeypatch):
    from imnn_core.data import journals

    path, built = tmp_path / "training" / "0-30-20.h5", load.build(**counted.problem)
    monkeypatch.setattr(journals, "PATIENCE", 0.3)
    with pytest.raises(KeyboardInterrupt):
        with sets.writing(path, Part(0, 30, 20), built, seed=1, split="training"):
            with pytest.raises(InputError, match="expected no other job at work on it, found one"):
                draw(tmp_path, counted.problem, 30, 20)
            raise KeyboardInterrupt
    draw(tmp_path, counted.problem, 30, 20)
    assert os.path.exists(path)
