"""Drawing: one key per simulation, whatever the size of the set."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from imnn_core.problems import shipped, simulations
from imnn_core.store.errors import InputError


def drawn(seed=1, split="training", n_s=50, n_d=0, problem=None):
    pieces = list(
        simulations.draw(problem or shipped.gaussian(), simulations.seed_key(seed, split), n_s, n_d)
    )
    return [np.concatenate(arrays) for arrays in zip(*pieces, strict=True)]


def test_a_larger_set_begins_with_the_smaller_one():
    """Bit for bit, across the sizes of pieces too, and whichever of them have derivatives."""
    d, dd = drawn(n_s=2300, n_d=1200)
    assert d.shape == (2300, 10)
    assert dd.shape == (1200, 10, 2)
    fewer_d, fewer_dd = drawn(n_s=700, n_d=600)
    np.testing.assert_array_equal(fewer_d, d[:700])
    np.testing.assert_array_equal(fewer_dd, dd[:600])


def test_large_simulations_are_drawn_few_at_a_time():
    """Oracle: by hand: 10^5 numbers with two derivatives, in float32, take 1.2 MB, of which 27 fit
    in 32 MiB.
    """
    problem = shipped.gaussian(input_shape=(100_000,))
    pieces = list(simulations.draw(problem, simulations.seed_key(1, "training"), 40, 30))
    assert [(len(piece.fiducial), len(piece.derivative)) for piece in pieces] == [(27, 27), (13, 3)]


def test_no_simulation_of_a_set_is_another_one():
    """Oracle: numpy's unique rows, across the sizes of pieces."""
    assert len(np.unique(drawn(n_s=2300)[0], axis=0)) == 2300


def test_repeats_are_the_same_and_seeds_and_splits_are_not():
    first = drawn()[0]
    np.testing.assert_array_equal(drawn()[0], first)
    others = [drawn(seed=2)[0], drawn(split="validation")[0], drawn(split="test")[0]]
    for other in others:
        assert not np.isin(other, first).any()


def test_all_seeds_of_32_bits_differ():
    assert not np.array_equal(drawn(seed=2**32 - 1)[0], drawn(seed=2**31 - 1)[0])


def test_a_simulation_that_is_not_finite_is_named():
    problem = replace(
        shipped.gaussian(),
        simulator=lambda key, theta: (
            jnp.where(jax.random.uniform(key) < 0.1, jnp.nan, theta[0]) * jnp.ones(10)
        ),
    )
    with pytest.raises(
        InputError,
        match=r"expected finite numbers at theta_fid = \[0.0, 1.0\], found NaN .* index \d+",
    ):
        drawn(problem=problem)


def test_a_simulator_of_another_shape_is_named():
    problem = replace(shipped.gaussian(), input_shape=(9,))
    with pytest.raises(InputError, match=r"expected simulations of shape \(9,\), found \(10,\)"):
        drawn(problem=problem)
