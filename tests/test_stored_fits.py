"""Files of fits: what goes in comes out, and a fit of another recipe is refused."""

import jax
import numpy as np
import optax
import pytest
from imnn_core import networks, storage
from imnn_core.errors import InputError
from imnn_core.fisher import Statistics

ADAM = optax.adam(1e-3)


def trees(optimiser=ADAM, hidden=(4,)):
    weights = networks.mlp(2, hidden).init(jax.random.key(0), (3,))
    return {"weights/best": weights, "optimiser_state": optimiser.init(weights)}


def write(path, values):
    statistics = Statistics(*(np.random.default_rng(0).standard_normal((5, 2, 2)).astype(np.float32)))
    storage.write_fit(path, values, np.ones((3, 2, 5)), {"training": statistics}, {"stopped": "patience", "iterations": 3})
    return statistics


@pytest.mark.parametrize("optimiser", [ADAM, optax.noisy_sgd(1e-3, key=jax.random.key(3)), optax.sgd(1e-3, momentum=0.9)])
def test_a_fit_comes_back_as_it_was(tmp_path, optimiser):
    expected = trees(optimiser)
    statistics = write(tmp_path / "fit.h5", expected)
    found, history, found_statistics, attributes = storage.read_fit(tmp_path / "fit.h5", expected)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.dtype == other.dtype
        plain = jax.random.key_data if jax.dtypes.issubdtype(other.dtype, jax.dtypes.prng_key) else np.asarray
        np.testing.assert_array_equal(plain(one), plain(other))
    np.testing.assert_array_equal(history, np.ones((3, 2, 5)))
    np.testing.assert_array_equal(found_statistics["training"]["invC"], statistics.invC)
    assert (attributes["stopped"], attributes["iterations"]) == ("patience", 3)


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        (trees(hidden=(5,)), r"expected weights/best 0/b of shape \(5,\), float32, found \(4,\), float32"),
        (trees(hidden=(4, 4)), "expected the weights/best of this recipe, found another tree; they differ in 2/b, 2/w"),
        (trees(optax.sgd(1e-3, momentum=0.9)), "expected the optimiser_state of this recipe, found another tree"),
    ],
)
def test_a_fit_of_another_recipe_is_refused(tmp_path, asked, fault):
    write(tmp_path / "fit.h5", trees())
    with pytest.raises(InputError, match=fault):
        storage.read_fit(tmp_path / "fit.h5", asked)
