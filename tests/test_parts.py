"""Sets in parts: the same bytes as one process draws in one go, whatever the parts and workers.

Oracle: `simulations.draw`, in this process.
"""

import logging
import re

import h5py
import jax
import numpy as np
import pytest
from analytic_fisher import simulations_at
from conftest import everything
from counted import GAUSSIAN, Simulator, assert_same, draw, in_one_go, read
from imnn_core.data import part_sources, progress, sets, sources
from imnn_core.problems import load
from imnn_core.store import heads
from imnn_core.store.errors import InputError
from simulate import simulate

LATE = """
import jax
import numpy as np
from imnn_core.problems import Problem

def in_numpy(rng, theta):
    z = rng.standard_normal(50)
    return theta[0] + theta[1] * np.where(z > 2.5, np.nan, z)

def in_jax(key, theta):
    z = jax.random.normal(key, (50,))
    return theta[0] + theta[1] * jax.numpy.where(z > 2.5, jax.numpy.nan, z)

simulator = in_numpy if {is_numpy} else in_jax
problem = Problem(simulator, [0.0, 1.0], ["a", "b"], [50], numpy={is_numpy})
"""


@pytest.fixture
def counted(tmp_path):
    return Simulator(tmp_path)


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


def test_parts_that_do_not_follow_each_other_are_named(tmp_path):
    paths = draw(tmp_path, GAUSSIAN, 30, 20, 10)
    with pytest.raises(InputError, match="20-30-20.h5: expected fiducial of number 10 on, after"):
        read([paths[0], paths[2]], GAUSSIAN)
    with pytest.raises(InputError, match="10-20.h5: expected fiducial of number 0 on in the first"):
        read(paths[1:], GAUSSIAN)


def test_f_by_monte_carlo_takes_the_first_of_the_test_set(tmp_path, counted):
    paths, built = (
        draw(tmp_path, counted.problem, 30, 10, 10, "test"),
        load.build(**counted.problem),
    )
    with simulations_at(built, 20, paths, 1) as pieces:
        np.testing.assert_array_equal(
            np.concatenate(list(pieces)), in_one_go(counted.problem, 30, 0, "test")[0][:20]
        )


def test_derivatives_stand_beside_the_simulations_that_they_are_of():
    """Oracle: by hand: of 5 simulations the first 2 have derivatives elsewhere."""
    d, dd = np.arange(15.0).reshape(5, 3), np.arange(12.0).reshape(2, 3, 2)

    def read(name, start, out):
        out[:] = {"fiducial": d, "derivative": dd}[name][start : start + len(out)]

    def shape(n, *row):
        return jax.ShapeDtypeStruct((n, *row), np.float64)

    of_d = sources.Source(shape(5, 3), shape(0, 3, 2), read)
    of_dd = sources.Source(shape(0, 3), shape(2, 3, 2), read)
    assert_same(everything(sources.beside(of_d, of_dd)), [d[:2], dd])


def test_a_part_that_changes_while_many_are_read_is_named(tmp_path, monkeypatch):
    """Of many files a few are open at a time."""
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
    _, path = draw(tmp_path, counted.problem, 20, 15, 10)
    note = heads.read(path).note
    with h5py.File(path) as file:
        assert note["fiducial"] == [file["fiducial"].id.get_offset(), 10, 20]
        assert note["derivative"] == [file["shifted"].id.get_offset(), 40, 60]
        assert file["shifted"].shape == (5, 2, 2, 3)


def test_parts_of_other_numbers_are_named(tmp_path, counted):
    (one,) = draw(tmp_path, counted.problem, 10, 10)
    text = counted.path.read_text()
    counted.path.write_text(
        text.replace("return theta[0]", "return np.float32(0)").replace(
            "theta[1] * rng.standard_normal(3)", "rng.standard_normal(3, 'f4')"
        )
    )
    with open(counted.path, "a") as file:
        file.write("# Of another size: Python compares whole seconds and the size only.\n")
    other = tmp_path / "training" / "10-20.h5"
    simulate(
        other,
        problem=counted.problem,
        seed=1,
        split="training",
        first=10,
        n_s=20,
        n_d=20,
        n_of_set=100,
        checks=False,
    )
    with pytest.raises(InputError, match=r"expected numbers of one kind, found <f4, <f8"):
        read([one, other], counted.problem)


@pytest.mark.parametrize("is_numpy", [True, False])
def test_a_number_that_is_none_is_named(tmp_path, is_numpy):
    """In the part in which it is drawn."""
    path = tmp_path / "late.py"
    path.write_text(LATE.format(is_numpy=is_numpy))
    problem = {"kind": str(path)} | ({"delta_theta": [0.1, 0.2]} if is_numpy else {})
    with pytest.raises(
        InputError, match="expected finite numbers at theta_fid = .*, found NaN or inf"
    ):
        draw(tmp_path, problem, 40, 0, 20)


def test_the_rate_leaves_out_what_is_done_once(monkeypatch, caplog):
    """Oracle: by hand: 10 in 40 s, as where something is compiled, then 10 in a second."""
    times = iter([0.0, 40.0, 41.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))
    with caplog.at_level(logging.INFO, "imnn"):
        shown = progress.Progress(120, 120, "simulations", lambda *_: None)
        shown.add(10)
        shown.add(10)
    assert "20/120 simulations, 10/s, 10 s left" in caplog.text


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
