"""What stands before a network: the scale of simulations, digits that float32 has not, and a linear
compression that a fit begins from.
"""

import functools
from functools import partial

import h5py
import jax
import numpy as np
import pytest
import small_files
from analytic_fisher import analytic_fisher
from conftest import everything, random_simulations
from imnn_core.compression import compressor
from imnn_core.config.recipe import Recipe
from imnn_core.data import sets, sources
from imnn_core.networks import inputs, kinds
from imnn_core.problems import load
from simulate import simulate
from small_run import PROBLEM, SIZES, SMALL, do_evaluate, do_fit, flat, read

FAR = PROBLEM | {"theta_fid": [300.0, 4.0]}


@pytest.mark.parametrize("how", ["all", "each"])
def test_mean_and_standard_deviation(rng, monkeypatch, how):
    """Oracle: numpy, in float64; whatever is read at a time."""
    monkeypatch.setattr(sources, "BYTES", 1000)
    fiducial, derivative = random_simulations(rng, np.float32, 200, 1, (2, 3))
    fiducial = 1000 + fiducial * np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    fiducial[:, 1, 1] = 7
    mean, scale = inputs.scale_of(sources.in_memory(fiducial, derivative), how)
    axis = None if how == "all" else 0
    expected = fiducial.astype(np.float64)
    np.testing.assert_allclose(mean, expected.mean(axis=axis), rtol=1e-10)
    spread = expected.std(axis=axis)
    np.testing.assert_allclose(scale, np.where(spread > 0, spread, 1), rtol=1e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run whose simulations are far from 0."""
    folder = tmp_path_factory.mktemp("run")
    for split in ("training", "validation", "test"):
        sizes = {"n_s": 500, "n_d": 500} if split == "test" else SIZES
        simulate(folder / f"{split}.h5", problem=FAR, seed=1, split=split, **sizes)
    analytic_fisher(folder / "analytic.json", problem=FAR, n_monte_carlo=100)
    return folder


@functools.cache
def scaled_fit(folder, how):
    return do_fit(folder, f"scaled-{how}", problem=FAR, standardise=how, max_iterations=12)


@pytest.mark.parametrize("how", ["all", "each"])
def test_a_fit_is_that_of_simulations_scaled_beforehand(folder, tmp_path, how):
    """Oracle: a fit without the key to files whose numbers and derivatives numpy has scaled."""
    path = scaled_fit(folder, how)
    problem = load.build(**FAR)
    with h5py.File(folder / "training.h5") as file:
        d = file["fiducial"][:].astype(np.float64)
    axis = None if how == "all" else 0
    mean, scale = d.mean(axis=axis), d.std(axis=axis)
    np.testing.assert_allclose(inputs.of_fit(path).mean, mean, rtol=1e-9)
    for split in ("training", "validation"):
        with h5py.File(folder / f"{split}.h5") as file:
            fiducial = ((file["fiducial"][:] - mean) / scale).astype(np.float32)
            derivative = (file["derivative"][:] / np.broadcast_to(scale, (10,))[:, None]).astype(
                np.float32
            )
            n_s, n_d = len(fiducial), len(derivative)
        from imnn_core.problems.simulations import Simulations

        pieces = [Simulations(fiducial, derivative)]
        small_files.write_set(
            tmp_path / f"{split}.h5", pieces, problem, n_s=n_s, n_d=n_d, seed=1, split=split
        )
    expected = read(do_fit(tmp_path, "beforehand", problem=FAR, max_iterations=12))
    found = read(path)
    np.testing.assert_allclose(found[1], expected[1], rtol=2e-3, atol=2e-3)
    assert inputs.of_fit(tmp_path / "beforehand.h5") == inputs.AS_THEY_ARE


def test_fit_and_evaluation_scale_what_the_network_sees(folder):
    """Oracle: numpy's mean of the summaries of simulations that it has scaled; one F of both."""
    found, problem = read(scaled_fit(folder, "each")), load.build(**FAR)
    information = do_evaluate(folder, "scaled-each", problem=FAR, standardise="each")
    F = np.array(information["splits"]["training"]["network"]["F"]["value"])
    np.testing.assert_allclose(F, found[2]["training"]["F"], rtol=1e-4, atol=1e-4 * np.abs(F).max())
    with sets.open_simulations(folder / "training.h5", problem, seed=1, split="training") as source:
        raw = everything(source)[0]
    scaled = ((raw - raw.mean(axis=0, dtype=float)) / raw.std(axis=0, dtype=float)).astype("f4")
    network = compressor.build(Recipe(**SMALL), problem).network
    x = jax.jit(jax.vmap(partial(network.apply, found[0]["weights/best"])))(scaled)
    np.testing.assert_allclose(found[2]["training"]["mu"], x.mean(axis=0), rtol=1e-3, atol=1e-4)


def test_a_fit_that_continues_scales_as_the_one_before(folder):
    """Bit for bit: 7 + 5 iterations and 12."""
    recipe, whole = {"standardise": "each", "problem": FAR}, scaled_fit(folder, "each")
    do_fit(folder, "first", max_iterations=7, **recipe)
    second = do_fit(folder, "second", parent="first", max_iterations=5, **recipe)
    for one, other in zip(flat(read(second)[0]), flat(read(whole)[0]), strict=True):
        np.testing.assert_array_equal(one, other)
    for name, array in inputs.of_fit(whole).arrays().items():
        np.testing.assert_array_equal(array, getattr(inputs.of_fit(second), name))


@pytest.mark.parametrize("n_summaries", [2, 4])
def test_a_network_beside_a_linear_compression(rng, n_summaries):
    """Oracle: numpy: b^T (d - mean), to which a hundredth of the network is added, and beyond
    n_params the whole of it; and a map of all summaries.
    """
    network = kinds.mlp(n_summaries, hidden=(5,), activation="softplus")
    b, mean = rng.standard_normal((6, 2)), rng.standard_normal(6)
    found = inputs.before(network, inputs.Inputs(linear=b, linear_mean=mean))
    weights = found.init(jax.random.key(0), (2, 3))
    d = rng.standard_normal((2, 3)).astype(np.float32)
    of_network = np.asarray(network.apply(network.init(jax.random.key(0), (2, 3)), d))
    expected = of_network * np.where(np.arange(n_summaries) < 2, 0.01, 1)
    expected[:2] += (d.reshape(-1) - mean) @ b
    np.testing.assert_allclose(found.apply(weights, d), expected, rtol=1e-4, atol=1e-5)
    A, shift = rng.standard_normal((n_summaries, n_summaries)), rng.standard_normal(n_summaries)
    mapped = found.map_summaries(weights, *(x.astype(np.float32) for x in (A, shift)))
    np.testing.assert_allclose(found.apply(mapped, d), A @ expected + shift, rtol=1e-4, atol=1e-4)
