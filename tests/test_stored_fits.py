"""Files of fits: what goes in comes out, a fit of another recipe is refused, and what they say of a
real fit is so.
"""

import jax
import numpy as np
import optax
import pandas as pd
import pytest
from imnn_core.config.recipe import Recipe
from imnn_core.data import sets
from imnn_core.gradient import fisher, host
from imnn_core.gradient.fisher import Statistics
from imnn_core.networks import kinds
from imnn_core.problems import load
from imnn_core.store import fits
from imnn_core.store.errors import InputError
from imnn_core.training import fitter as fitters
from small_run import PROBLEM, SIZES, SMALL, do_evaluate, do_fit, prepare, read

ADAM = optax.adam(1e-3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("run"))


def trees(optimiser=ADAM, hidden=(4,)):
    weights = kinds.mlp(2, hidden).init(jax.random.key(0), (3,))
    return {"weights/best": weights, "optimiser_state": optimiser.init(weights)}


def write(path, values):
    statistics = Statistics(
        *(np.random.default_rng(0).standard_normal((5, 2, 2)).astype(np.float32))
    )
    fits.write_fit(
        path,
        values,
        np.ones((3, 2, 5)),
        {"training": statistics},
        {"stopped": "patience", "iterations": 3},
    )
    return statistics


@pytest.mark.parametrize(
    "optimiser", [ADAM, optax.noisy_sgd(1e-3, key=jax.random.key(3)), optax.sgd(1e-3, momentum=0.9)]
)
def test_a_fit_comes_back_as_it_was(tmp_path, optimiser):
    expected = trees(optimiser)
    statistics = write(tmp_path / "fit.h5", expected)
    found, history, found_statistics, attributes = fits.read_fit(tmp_path / "fit.h5", expected)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.dtype == other.dtype
        plain = (
            jax.random.key_data
            if jax.dtypes.issubdtype(other.dtype, jax.dtypes.prng_key)
            else np.asarray
        )
        np.testing.assert_array_equal(plain(one), plain(other))
    np.testing.assert_array_equal(history, np.ones((3, 2, 5)))
    np.testing.assert_array_equal(found_statistics["training"]["invC"], statistics.invC)
    assert (attributes["stopped"], attributes["iterations"]) == ("patience", 3)


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        (
            trees(hidden=(5,)),
            r"expected weights/best 0/b of shape \(5,\), float32, found \(4,\), float32",
        ),
        (
            trees(hidden=(4, 4)),
            "expected the weights/best of this recipe, found another tree; they differ in 2/b, 2/w",
        ),
        (
            trees(optax.sgd(1e-3, momentum=0.9)),
            "expected the optimiser_state of this recipe, found another tree",
        ),
    ],
)
def test_a_fit_of_another_recipe_is_refused(tmp_path, asked, fault):
    write(tmp_path / "fit.h5", trees())
    with pytest.raises(InputError, match=fault):
        fits.read_fit(tmp_path / "fit.h5", asked)


def test_the_weights_that_are_read_give_the_statistics_that_are_stored(folder):
    """Bit for bit: F of training and validation set, recomputed from the stored best weights."""
    path = do_fit(folder, "stored", max_iterations=12)
    stored, history, statistics, attributes = read(path)
    assert (
        0 < attributes["best_iteration"] < 12
    )  # else the best weights were the first or the last, and the test saw nothing
    fitter = fitters.build(Recipe(**SMALL), load.build(**PROBLEM))
    problem = load.build(**PROBLEM)
    for split in ("training", "validation"):
        with (
            sets.open_simulations(
                folder / f"{split}.h5", problem, seed=1, split=split, **SIZES
            ) as source,
            fitter.data(same=source) as data,
        ):
            again = host.in_float64(fisher.statistics)(
                fitter.moments(stored["weights/best"], data["same"])
            )
        for name, values in again._asdict().items():
            np.testing.assert_array_equal(values, statistics[split][name])
    in_history = history[attributes["best_iteration"], :, 0]
    found = [np.linalg.slogdet(statistics[split]["F"])[1] for split in ("training", "validation")]
    np.testing.assert_allclose(found, in_history, rtol=1e-4)
    assert attributes["best_log_det_F"] == history[:, 1, 0].max()


def test_where_patience_began_and_which_weights_were_kept(folder):
    """Oracle: the history: where validation |F| was largest; the final weights are those after its
    last row.
    """
    recipe = {"max_iterations": 12, "optimiser": {"learning_rate": 0.3}}
    do_fit(folder, "patient", **recipe)
    highest = int(pd.read_csv(folder / "patient.csv")["validation_det_F"].argmax())
    assert 0 < highest < 11
    found = [
        do_evaluate(folder, "patient", weights=weights, **recipe) for weights in ("best", "final")
    ]
    assert [each["kept_iteration"] for each in found] == [highest, 12]
    assert [each["patience_began"] for each in found] == [highest, highest]
