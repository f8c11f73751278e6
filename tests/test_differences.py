"""Finite differences: weights of points, tangents, what simulations are like, and what steps do."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import everything
from imnn_core.data import choice, chunks, differences, sets, sources
from imnn_core.evaluation import step_check
from imnn_core.gradient import derivatives
from imnn_core.networks import kinds
from imnn_core.problems import Problem, simulations, stencils


def network_and_weights(input_shape, dtype=None, n_summaries=2):
    network = kinds.mlp(n_summaries, hidden=(5,), activation="softplus")
    return network, network.init(jax.random.key(0), input_shape)


def curved():
    """A simulator whose third derivatives by the parameters are not 0."""

    def simulator(key, theta):
        z = jax.random.normal(key, (6,))
        return jnp.exp(theta[0] * z) * jnp.sinh(theta[1]) + z

    return Problem(simulator, [0.3, 1.2], ["a", "b"], [6])


def slopes_of(problem, network, weights, n=20):
    """Summaries and derivatives of the first simulations of a set, as a network gets them."""
    (piece,) = simulations.draw(problem, jax.random.key(4), n, n)
    stored = sources.in_memory(*piece)
    if problem.delta_theta is not None:
        stored = sources.shifted_in_memory(*piece)
    batch = chunks.Batch(*map(jnp.asarray, everything(sets.derived(stored, problem))))
    return jax.jit(derivatives.stored(network.apply, problem))(weights, batch)


@pytest.mark.parametrize("of_summaries", [False, True])
def test_finite_differences_converge_to_the_exact_derivative(float64, of_summaries):
    """Oracle: dx/dtheta by automatic differentiation; the distance falls as delta_theta^2."""
    problem = curved()
    network, weights = network_and_weights(problem.input_shape)
    x, expected = slopes_of(problem, network, weights)
    distances = []
    for step in (0.1, 0.05):
        differenced = replace(problem, delta_theta=[step, 2 * step], of_summaries=of_summaries)
        x_again, found = slopes_of(differenced, network, weights)
        np.testing.assert_allclose(x_again, x, rtol=1e-12)
        distances.append(np.abs(found - expected).max(axis=(0, 1)))
    np.testing.assert_allclose(distances[0] / distances[1], 4, rtol=0.03)


def test_more_points_converge_faster(float64):
    """Oracle: the exact derivative; n points beside theta_fid have an error of order step^n."""
    problem = curved()
    network, weights = network_and_weights(problem.input_shape)
    _, expected = slopes_of(problem, network, weights)
    offsets = np.array([0.1, 0.2, 0.4])
    distances = []
    for scale in (0.2, 0.1):
        steps = [list(scale * offsets), list(scale * np.array([-0.2, -0.1, 0.1, 0.2]))]
        differenced = replace(problem, delta_theta=steps)
        distances.append(np.abs(slopes_of(differenced, network, weights)[1] - expected).max((0, 1)))
    np.testing.assert_allclose(distances[0] / distances[1], [8, 16], rtol=0.1)


@pytest.mark.parametrize("points", [[0.1, 0.2, 0.4], [-0.3], [-1.0, 1.0], [2.0, -0.5, 0.25, 1.0]])
def test_weights_of_points_are_those_of_a_polynomial(points):
    """Oracle: slopes at 0 of random polynomials, exact up to their degree; and Fornberg's table of
    a neutrino mass's points.
    """
    x, found = np.array([0.0, *points]), stencils.weights(points)
    for degree in range(len(points) + 1):
        coefficients = np.random.default_rng(degree).standard_normal(degree + 1)
        slope = np.polyval(np.polyder(coefficients), 0)
        assert found @ np.polyval(coefficients, x) == pytest.approx(slope, abs=1e-12)
    table = np.array([-21, 32, -12, 1]) / 1.2
    np.testing.assert_allclose(stencils.weights([0.1, 0.2, 0.4]), table, rtol=1e-12)


def test_nested_derivatives_tell_how_fast_they_converge():
    """Oracle: by hand: exp at 0 with points -h, h: the central difference, what it has beyond the
    forward one, and that one itself; a single point has no other to be compared with.
    """
    h = 0.3
    f = np.exp([0, -h, 0.5, h])
    found = stencils.nested([(0, -h), (1, 0.5), (0, h)], 2) @ f
    central, forward = (f[3] - f[1]) / (2 * h), (f[3] - 1) / h
    single = (f[2] - 1) / 0.5
    np.testing.assert_allclose(found[:, 0], [central, central - forward, forward], rtol=1e-12)
    np.testing.assert_allclose(found[:, 1], [single, single, 0], atol=1e-12)


def test_tangents_by_parameters_with_different_numbers_of_simulations(rng):
    """Oracle: numpy: the mean of the tangents is that over the simulations there are."""
    columns, counts = [(0, -0.5), (1, 0.25), (0, 0.5)], (7, 3, 5)
    fiducial, shifted = rng.standard_normal((9, 2)), rng.standard_normal((7, 3, 2))
    for c, n in enumerate(counts):
        shifted[n:, c] = 0
    raw = sources.in_memory(fiducial, shifted)._replace(counts=counts)
    found = sources.differenced(raw, stencils.nested(columns, 2)[0])
    tangents = everything(found)[1]
    assert tangents.shape == (5, 2, 2)
    expected = np.stack(
        [
            (shifted[:5, 2] - shifted[:5, 0]).mean(axis=0),
            (4 * (shifted[:3, 1] - fiducial[:3])).mean(axis=0),
        ],
        axis=-1,
    )
    np.testing.assert_allclose(tangents.mean(axis=0), expected, rtol=1e-12)
    part = sources.differenced(
        sources.select(raw, np.array([1, 2, 4, 8])), stencils.nested(columns, 2)[0]
    )
    expected = (4 * (shifted[1:3, 1] - fiducial[1:3])).mean(axis=0)
    np.testing.assert_allclose(everything(part)[1].mean(axis=0)[:, 1], expected, rtol=1e-12)


def test_both_ways_are_those_of_either(rng, float64):
    """Oracle: `exact` of the tangents, `differences` of the same simulations."""
    network, weights = network_and_weights((3,))
    columns = [(0, -0.1), (1, 0.2), (0, 0.1), (1, 0.4)]
    fiducial, shifted = rng.standard_normal((9, 3)), rng.standard_normal((7, 4, 3))
    raw = sources.in_memory(fiducial, shifted)._replace(counts=(7,) * 4)
    points = stencils.nested(columns, 2)[0]
    batch = chunks.Batch(fiducial, shifted)
    x, found = derivatives.both(network.apply, points)(weights, batch)
    tangents = everything(sources.differenced(raw, points))[1]
    of_tangents = derivatives.exact(network.apply)(weights, chunks.Batch(fiducial, tangents))
    of_summaries = derivatives.differences(network.apply, points)(weights, batch)
    np.testing.assert_allclose(x, of_tangents[0], rtol=1e-12)
    np.testing.assert_allclose(found[..., :2], of_tangents[1], rtol=1e-9)
    np.testing.assert_allclose(found[..., 2:], of_summaries[1], rtol=1e-9)


def looked_at(fiducial, shifted, delta_theta):
    names = [f"p{i}" for i in range(len(delta_theta))]
    problem = Problem(None, [0.0] * len(names), names, fiducial.shape[1:], delta_theta=delta_theta)
    return differences.look(sources.shifted_in_memory(fiducial, shifted), problem)


@pytest.mark.parametrize(("correlation", "expected"), [(0.0, 1.0), (0.9, 0.1), (1.0, 0.0)])
def test_independence_of_shifted_simulations(rng, correlation, expected, monkeypatch):
    """Oracle: by definition, 1 - rho of the three correlations, of which the least counts; whatever
    means and variances are.
    """
    monkeypatch.setattr(differences, "BYTES", 3000)
    common = rng.standard_normal((20000, 1, 3)) * np.ones((1, 2, 1))
    own = rng.standard_normal((20000, 2, 2, 3))
    shifted = (
        np.sqrt(correlation) * common[:, None]
        + np.sqrt(1 - correlation) * own
        + np.array([5.0, -5.0])[None, :, None, None]
    )
    shifted[:, 1, 1] *= 7
    found = looked_at(common[:, 0], shifted, [1.0, 1.0])["independence"]
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_how_straight_and_how_discrete_simulations_are(rng, monkeypatch):
    """Oracle: by hand: a slope of 1 and a bend of h/2 in units of it for t + t^2 / 2; a line; rows
    in another order; Poisson counts of the same uniform numbers, which jump; large counts, which
    move like real ones.
    """
    from scipy.stats import poisson

    z, u, h = rng.standard_normal((500, 4)), rng.random((500, 4)), 0.4
    curves = {
        "line": lambda t: z + t,
        "bent": lambda t: z + t + t**2 / 2,
        "counts": lambda t: poisson.ppf(u, 3 + t),
        "many": lambda t: poisson.ppf(u, 1e6 + 5000 * t),
    }
    found = {}
    for name, of in curves.items():
        shifted = np.stack([of(-h), of(h)], axis=1)[:, :, None]
        found[name] = looked_at(of(0), shifted, [2 * h])
    shifted = np.stack([z - h, z + h], axis=1)[:, :, None]
    found["rows"] = looked_at(z[::-1], shifted, [2 * h])
    bends = {name: each["straightness"][0] for name, each in found.items()}
    assert bends["line"] == pytest.approx(0, abs=1e-12)
    assert bends["bent"] == pytest.approx(h / 2, rel=1e-9)
    assert bends["many"] < 0.1 < 0.5 < bends["counts"]
    assert bends["rows"] > 1
    found_of_rows = found["rows"]["independence"][0]
    assert found_of_rows == pytest.approx(1, abs=0.1)
    assert max(each["independence"][0] for name, each in found.items() if name != "rows") < 0.2
    assert [name for name, each in found.items() if each["is_discrete"][0]] == ["counts"]
    monkeypatch.setattr(differences, "MOST_NUMBERS", 2)  # of four that are alike
    shifted = np.stack([curves["bent"](-h), curves["bent"](h)], axis=1)[:, :, None]
    some = looked_at(curves["bent"](0), shifted, [2 * h])
    assert some["straightness"][0] == pytest.approx(h / 2, rel=1e-9)
    single = looked_at(z, (z + h)[:, None], [[h]])
    assert single["straightness"] == single["undone"] == [None]
    assert single["is_discrete"] == [False]


def of_generators(draw):
    """Simulations by numpy generators, of the same seeds at every theta."""
    return lambda t, _=None: np.stack(
        [draw(np.random.default_rng([7, i]), t) for i in range(150)]
    ).astype(np.float64)


def of_uniform(quantile):
    u = np.random.default_rng(3).random((150, 20))
    return lambda t, _=None: quantile(u, t)


TILT = np.linspace(0.5, 1.5, 20)
Z = np.random.default_rng(4).standard_normal((150, 20)) @ np.tri(20) / 3
MATCHED = {
    "line": (lambda t: Z + t, 2.0),
    "scale": (lambda t: Z * (1 + t), 1.0),
    "lognormal": (lambda t: np.exp((1 + t) * Z), 0.9),
    "rounded": (lambda t: np.round(Z * (1 + t)), 1.0),
    "threshold": (lambda t: Z > t, 0.3),
    "binary": (of_uniform(lambda u, t: u < 0.5 + t), 0.2),
    "sum of thresholds": (of_generators(lambda g, t: (g.random((20, 60)) < 0.3 + t).sum(-1)), 0.1),
    "gamma of a scale": (of_generators(lambda g, t: g.gamma(3, 1 + t, 20)), 0.9),
    "rounding errors": (lambda t: (1e4 + Z + 1e-6 * t).astype(np.float32), 1.0),
}
UNMATCHED = {
    "binomial": (of_generators(lambda g, t: g.binomial(1000, 0.3 + t, 20)), 0.003),
    "gamma of a shape": (of_generators(lambda g, t: g.gamma(0.5 + 0.5 * t, 1, 20)), 0.3),
    "negative binomial": (of_generators(lambda g, t: g.negative_binomial(5 + 5 * t, 0.3, 20)), 0.3),
    "other rows": (lambda t: Z[:: 1 if t else -1] + t, 0.2),
    "noise of its own": (
        lambda t: Z + t + 0.6 * np.random.default_rng(int(99 * t) + 99).standard_normal(Z.shape),
        0.3,
    ),
}
for rate in (0.3, 1, 3, 10, 30, 100):
    for step in (0.3, 1, 3):
        by = step / np.sqrt(20 * rate)
        name = f"rate {rate}, {step} bounds"
        MATCHED[name] = (
            of_uniform(lambda u, t, rate=rate: _poisson(u, rate * np.exp(t * TILT))),
            by,
        )
        if rate > 3 or step > 0.3:  # else too little is undone to be told from noise
            UNMATCHED[name] = (
                of_generators(lambda g, t, rate=rate: g.poisson(rate * np.exp(t * TILT))),
                by,
            )


def _poisson(u, rate):
    from scipy.stats import poisson

    return poisson.ppf(u, rate)


@pytest.mark.parametrize("sides", ["both", "one"])
def test_draws_that_match_in_part_are_told_from_matched_ones(sides):
    """Oracle: by construction: a generator that draws more numbers at another theta loses its place
    in the stream, and the inverse of a distribution function, or a scale, does not.
    """
    told = {}
    for kind, cases in (("matched", MATCHED), ("unmatched", UNMATCHED)):
        for name, (of, step) in cases.items():
            points = (-1, 0, 1) if sides == "both" else (0, 1, 2)
            low, middle, high = (np.asarray(of(t * step / 2), float) for t in points)
            if sides == "both":
                found = looked_at(middle, np.stack([low, high], axis=1)[:, :, None], [step])
            else:
                found = looked_at(low, np.stack([middle, high], axis=1), [[step / 2, step]])
            told[kind, name] = (len(list(choice.mismatches(found, ["p0"]))), found)
    wrong = {case: found for case, (n, found) in told.items() if n != (case[0] == "unmatched")}
    assert wrong == {}
    undone = {case: found["undone"][0] for case, (_, found) in told.items()}
    assert undone["matched", "line"] == pytest.approx(-1)
    assert undone["matched", "binary"] == pytest.approx(0, abs=1e-9)


def test_change_of_det_F_of_several_correlated_summaries(rng):
    """Oracle: numpy: |F| from the definition before and after, and the jackknife over simulations
    for its error.
    """
    A = rng.standard_normal((3, 3))
    x = rng.standard_normal((2000, 3)) @ A.T
    whole = rng.standard_normal((3, 2)) + 0.3 * rng.standard_normal((2000, 3, 2))
    half = whole[:300] + 0.02 + 0.1 * rng.standard_normal((300, 3, 2))
    change, error = step_check.change_of_det_F(step_check.Summaries(x, whole), half)
    inverse = np.linalg.inv(np.cov(x, rowvar=False))

    def ratio(rows):
        D, D_half = whole[:300][rows].mean(axis=0), half[rows].mean(axis=0)
        return np.linalg.det(D_half.T @ inverse @ D_half) / np.linalg.det(D.T @ inverse @ D) - 1

    assert change == pytest.approx(ratio(np.arange(300)), rel=1e-9)
    each = [ratio(np.delete(np.arange(300), i)) for i in range(300)]
    assert error == pytest.approx(np.sqrt(299 * np.var(each)), rel=0.2)
    assert np.isnan(step_check.change_of_det_F(step_check.Summaries(0 * x, whole), half)).all()


def test_change_of_det_F_where_the_steps_are_halved(rng):
    """Oracle: x = theta^3 at theta = 1 has the slope 3 + h^2/4 with step h: |F| changes by
    (3.0625/3.25)^2 from 1 to 1/2.
    """
    x = rng.standard_normal((5000, 1))
    noise = 0.1 * rng.standard_normal((5000, 1, 1))
    whole, half = (
        3 + 1 / 4 + noise,
        3 + 1 / 16 + noise[:400] + 0.01 * rng.standard_normal((400, 1, 1)),
    )
    change, error = step_check.change_of_det_F(step_check.Summaries(x, whole), half)
    slope, half_slope = whole[:400].mean(), half.mean()
    assert change == pytest.approx((half_slope / slope) ** 2 - 1, rel=1e-6)
    assert change == pytest.approx((3.0625 / 3.25) ** 2 - 1, abs=4 * error)
    assert error == pytest.approx(2 / slope * 0.01 / np.sqrt(400), rel=0.15)
