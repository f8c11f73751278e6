"""How sets are cut, and read block by block."""

import threading
import time

import jax
import numpy as np
import pytest
from conftest import random_simulations
from hypothesis import given, settings
from hypothesis import strategies as st
from imnn_core.data import chunks, sources
from imnn_core.data.stream import AHEAD, RUNNING, Stream

HOME = jax.sharding.SingleDeviceSharding(jax.devices()[0])


def blocks_of(source, groups):
    for group in groups:
        for block in range(group.n_blocks):
            yield chunks.fill(source, group, block, chunks.empty(source, group))


@given(
    n_s=st.integers(1, 60),
    share=st.floats(0.01, 1),
    n_per_device=st.integers(1, 70),
    n_devices=st.integers(1, 8),
    block_bytes=st.one_of(st.none(), st.integers(1, 3000)),
)
@settings(deadline=None)
def test_blocks_hold_every_simulation_once_and_in_order(
    n_s, share, n_per_device, n_devices, block_bytes
):
    """Oracle: the arrays themselves."""
    fiducial, derivative = random_simulations(
        np.random.default_rng(n_s), np.float32, n_s, max(1, int(share * n_s))
    )
    source = sources.in_memory(fiducial, derivative)
    groups = chunks.cut(source, n_per_device, n_devices, block_bytes)
    blocks = list(blocks_of(source, groups))
    for block in blocks:
        assert block.present_x.shape[1] <= n_per_device
        assert len(block.present_x) % n_devices == 0
        assert block.present_x.sum() > 0
        assert np.isfinite(block.batch.fiducial).all()
    np.testing.assert_array_equal(
        np.concatenate([b.batch.fiducial[b.present_x == 1] for b in blocks]), fiducial
    )
    np.testing.assert_array_equal(
        np.concatenate([b.batch.derivative[b.present_d == 1] for b in blocks]), derivative
    )
    np.testing.assert_array_equal(
        np.concatenate([b.index[b.present_x == 1] for b in blocks]), np.arange(n_s)
    )
    if block_bytes is None:
        assert len(blocks) == len(groups)


def test_a_block_takes_what_it_may(rng):
    """Oracle: by hand: a simulation of 3 numbers with 6 of its derivatives takes 36 bytes."""
    source = sources.in_memory(*random_simulations(rng, np.float32, 1000, 1000))
    (group,) = chunks.cut(source, 10, 1, block_bytes=36 * 100)
    assert (group.n_blocks, group.n_chunks, group.size) == (10, 10, 10)
    (group,) = chunks.cut(source, 300, 1, block_bytes=36 * 100)  # one chunk at the least
    assert (group.n_blocks, group.n_chunks, group.size) == (4, 1, 250)


def test_a_stream_gives_every_pass_the_same_blocks(rng):
    source = sources.in_memory(*random_simulations(rng, np.float32, 57, 23))
    groups = chunks.cut(source, 4, block_bytes=300)
    expected = list(blocks_of(source, groups))
    stream = Stream(source, groups, HOME)
    for _ in range(3):
        found = list(stream.map(lambda block: jax.tree.map(lambda leaf: leaf + 0, block)))
        jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_a_stream_reads_ahead_but_no_further_than_its_memory(rng):
    """Blocks that were read never outnumber those that were used by more than what is running and
    ahead.
    """
    taken, seen = [], []
    source = sources.in_memory(*random_simulations(rng, np.float32, 100, 100))

    def read(name, start, out):
        if name == "fiducial":
            taken.append(start)
        source.read(name, start, out)

    watched = source._replace(read=read)
    stream = Stream(watched, chunks.cut(watched, 5, block_bytes=1), HOME)
    for done, _ in enumerate(stream.map(lambda block: block.present_x + 0), start=1):
        time.sleep(0.01)
        seen.append(len(taken) - done)
    assert max(seen) <= RUNNING + AHEAD
    assert max(seen) > RUNNING  # else nothing was read before it was wanted


@pytest.mark.parametrize("fault", [OSError("gone"), SystemExit(3)])
def test_a_reader_that_dies_ends_the_pass_with_its_error(rng, fault):
    source = sources.in_memory(*random_simulations(rng, np.float32, 100, 100))

    def read(name, start, out):
        if start >= 50:
            raise fault
        source.read(name, start, out)

    before = set(threading.enumerate())
    stream = Stream(source._replace(read=read), chunks.cut(source, 5, block_bytes=1), HOME)
    with pytest.raises(type(fault)) as caught:
        list(stream.map(lambda block: block.present_x + 0))
    assert caught.value is fault
    stream.close()
    assert set(threading.enumerate()) <= before


def test_a_block_stays_as_it_is_until_it_is_computed():
    """Oracle: by hand: block k is a matrix of k everywhere, multiplied for longer than the reader
    takes to overwrite it.
    """
    n, n_blocks, repeats = 256, 12, 40
    fiducial = np.repeat(np.arange(n_blocks, dtype=np.float32), n * n).reshape(n_blocks * n, n)
    source = sources.in_memory(fiducial, np.zeros((len(fiducial), 1, 1), np.float32))

    @jax.jit
    def slowly(block):  # a program with a product returns before it is computed
        def add(total, _):
            ones = 1 + 0 * total[:, :1] * block.batch.fiducial[0]
            return total + ones @ block.batch.fiducial[0], None

        return jax.lax.scan(add, jax.numpy.zeros((n, n)), None, length=repeats)[0][0, 0]

    stream = Stream(source, chunks.cut(source, n, block_bytes=1), HOME)
    np.testing.assert_array_equal(list(stream.map(slowly)), repeats * n * np.arange(n_blocks))
