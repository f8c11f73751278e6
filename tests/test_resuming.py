"""No simulation is drawn twice: of interrupted parts, of other sizes, of other parts.

Oracle: the number of the simulator's calls, which it counts, and `simulations.draw` in one go.
"""

import json
import os

import numpy as np
import pytest
from counted import COUNTED, Simulator, assert_same, draw, in_one_go, read
from imnn_core.data import compared, drawn_files, journals, part_files, sets
from imnn_core.data.parts import Part
from imnn_core.problems import load
from imnn_core.store import heads
from imnn_core.store.errors import InputError
from imnn_core.workflow import inventory


@pytest.fixture
def counted(tmp_path):
    return Simulator(tmp_path)


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
    # One more of each part that is gone on with, for comparison, or of the first part; and of all.
    assert n_new <= counted.n - n <= n_new + len(paths) + 1
    assert_same(read(paths, counted.problem), in_one_go(counted.problem, *after[:2]))


def test_what_is_there_is_counted_of_the_same_code(tmp_path, counted):
    """Oracle: by hand: 12 of 15 simulations, and 10 of 15 derivatives of four each."""
    draw(tmp_path, counted.problem, 12, 10, made_from="one")
    for made_from, n in {"one": 12 + 40, "other": 0}.items():
        folder = str(tmp_path / "training")
        assert inventory.n_there(folder, Part(0, 15, 15), made_from, 4) == n


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
    assert counted.n - n == 14 + 40 + 1 + 1  # the damaged one's first is compared
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


def test_a_journal_that_was_cut_off_can_be_gone_on_with(tmp_path, counted):
    """What is written after the end of a line that was cut off is known the next time."""
    path, lines = unfinished(tmp_path, counted)
    drawn_files.journal(path).write_text("".join(lines)[:-1])
    with pytest.raises(KeyboardInterrupt):
        with sets.writing(
            path, Part(0, 30, 20), load.build(**counted.problem), seed=1, split="training"
        ) as writer:
            writer.add("fiducial", 20, in_one_go(counted.problem, 30, 0)[0][20:])
            raise KeyboardInterrupt
    before = counted.n
    draw(tmp_path, counted.problem, 30, 20)
    assert counted.n - before <= 80 + 1


@pytest.mark.parametrize("n_s", [30, 31], ids=["the same part", "another part"])
def test_pieces_whose_bytes_were_changed_are_drawn_again(tmp_path, counted, n_s):
    path, lines = unfinished(tmp_path, counted)
    note = json.loads(lines[0])
    with open(drawn_files.unfinished(path), "r+b") as file:
        file.seek(note["fiducial"][0] + 12 * 3 * 8)
        file.write(b"\1\1")
    before = counted.n
    paths = draw(tmp_path, counted.problem, n_s, 20)
    assert counted.n - before == n_s - 20 + 80 - 32 + 10 + 1
    assert_same(read(paths, counted.problem), in_one_go(counted.problem, n_s, 20))


@pytest.mark.parametrize("size", [None, 0, 1000])
def test_an_unfinished_part_without_its_rows_is_drawn_anew(tmp_path, counted, size):
    """Of which the journal is left alone, or a file that is cut off in its header."""
    path, _ = unfinished(tmp_path, counted)
    if size is None:
        drawn_files.unfinished(path).unlink()
    else:
        os.truncate(drawn_files.unfinished(path), size)
    before = counted.n
    draw(tmp_path, counted.problem, 30, 20)
    assert counted.n - before == 30 + 80 + 1
    assert_same(read([path], counted.problem), in_one_go(counted.problem, 30, 20))


def test_an_unfinished_part_of_another_layout_is_drawn_anew(tmp_path, counted):
    """Its rows lie elsewhere than its journal says."""
    path, lines = unfinished(tmp_path, counted)
    note = json.loads(lines[0])
    note["fiducial"][0] += 8
    drawn_files.journal(path).write_text("".join([json.dumps(note) + "\n", *lines[1:]]))
    draw(tmp_path, counted.problem, 30, 20)
    assert_same(read([path], counted.problem), in_one_go(counted.problem, 30, 20))


def test_simulations_of_other_versions_are_drawn_again(tmp_path, counted, monkeypatch):
    draw(tmp_path, counted.problem, 10, 10)
    for module in (part_files, compared):
        monkeypatch.setattr(module, "versions", lambda: "numpy 9.9")
    before = counted.n
    draw(tmp_path, counted.problem, 12, 10)
    assert counted.n - before == 12 + 40 + 1


def test_numbers_of_another_kind_do_not_join_a_part(tmp_path, counted):
    """float64 would be rounded to what is there."""
    path = tmp_path / "training" / "0-30-20.h5"
    with pytest.raises(InputError, match="0-30-20.h5: expected float32 as before, found float64"):
        with sets.writing(
            path, Part(0, 30, 20), load.build(**counted.problem), seed=1, split="training"
        ) as writer:
            writer.add("fiducial", 0, np.zeros((10, 3), "f4"))
            writer.add("fiducial", 10, np.zeros((10, 3)))


def test_a_simulator_that_changed_unseen_is_told_before_it_is_gone_on_with(tmp_path, counted):
    """As by a file that it reads; the code is the same."""
    unfinished(tmp_path, counted)
    text = counted.path.read_text()
    counted.path.write_text(text.replace("theta[0] + theta[1]", "theta[0] + 2 * theta[1]"))
    with pytest.raises(InputError, match="expected simulations as those that are there, found oth"):
        draw(tmp_path, counted.problem, 30, 20)


READS = """
import pathlib
import jax.numpy as jnp
import jax
import numpy as np
from imnn_core.problems import Problem

SCALE = float(pathlib.Path({table!r}).read_text())

def in_numpy(rng, theta):
    return theta[0] + theta[1] * SCALE * rng.standard_normal(5)

def in_jax(key, theta):
    return theta[0] + theta[1] * SCALE * jax.random.normal(key, (5,))

problem = Problem(in_{kind}, [0.0, 1.0], ["a", "b"], [5], numpy={is_numpy})
"""


@pytest.mark.parametrize("kind", ["numpy", "jax"])
@pytest.mark.parametrize(
    ("what", "where"),
    [
        ("more parts", {"n_s": 40}),
        ("another set", {"split": "test"}),
        ("other parts", {"n_per_part": 5}),
        ("parts that are kept", {}),
    ],
)
def test_what_is_there_is_not_joined_by_simulations_of_something_else(tmp_path, what, where, kind):
    """A file that the simulator reads has changed between two runs; the code is the same."""
    table, path, folder = tmp_path / "table", tmp_path / "reads.py", tmp_path / "all" / "seed-1"
    table.write_text("1.0")
    path.write_text(READS.format(table=str(table), kind=kind, is_numpy=kind == "numpy"))
    problem = {"kind": str(path), "delta_theta": [0.1, 0.1]}
    sizes = {"n_s": 20, "n_d": 20, "n_per_part": 10}
    before = draw(folder, problem, **sizes)
    if what == "parts that are kept":
        assert all(drawn_files.kept(each).exists() for each in before)
        before[0].unlink()
    again = sizes | where
    table.write_text("1.001")
    with pytest.raises(
        InputError, match=r"as those of .*0-10.h5.*, found others .* rm -r .*/all, and"
    ):
        draw(folder, problem, **again)
    table.write_text("1.0")
    draw(folder, problem, **again)


def test_a_part_that_was_damaged_is_told_as_such(tmp_path, counted):
    """And not as a simulator that has changed."""
    (path,) = draw(tmp_path, counted.problem, 10, 10)
    with open(path, "r+b") as file:
        file.seek(heads.read(path).note["fiducial"][0])
        file.write(b"\1" * 24)
    with pytest.raises(InputError, match="0-10.h5: expected the bytes that were written"):
        draw(tmp_path, counted.problem, 20, 20)


def test_in_a_run_one_part_is_compared(tmp_path, counted):
    """With what a former run drew; each other one would be drawn of the same simulator."""
    draw(tmp_path, counted.problem, 20, 0, 10)
    before = counted.n
    draw(tmp_path, counted.problem, 60, 0, 10)
    assert counted.n - before == 40 + 1


def test_a_whole_part_that_snakemake_does_not_know_of_is_taken(tmp_path, counted):
    """It deletes the output of a job that ended after it was told to end itself."""
    (path,) = draw(tmp_path, counted.problem, 10, 10)
    content, n = path.read_bytes(), counted.n
    path.unlink()
    draw(tmp_path, counted.problem, 10, 10)
    assert (path.read_bytes(), counted.n) == (content, n + 1)  # one is compared
    read([path], counted.problem)  # as a fit does, which runs once Snakemake knows
    assert not drawn_files.kept(path).exists()


def test_two_jobs_do_not_write_one_part(tmp_path, counted, monkeypatch):
    path, built = tmp_path / "training" / "0-30-20.h5", load.build(**counted.problem)
    monkeypatch.setattr(journals, "PATIENCE", 0.3)
    with pytest.raises(KeyboardInterrupt):
        with sets.writing(path, Part(0, 30, 20), built, seed=1, split="training"):
            with pytest.raises(InputError, match="expected no other job at work on it, found one"):
                draw(tmp_path, counted.problem, 30, 20)
            raise KeyboardInterrupt
    draw(tmp_path, counted.problem, 30, 20)
    assert path.exists()
