"""The problems that ship with the project: closed forms against what automatic differentiation and
simulations say.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic_fisher import monte_carlo
from imnn_core.config.problem import PROBLEMS
from imnn_core.problems import shipped, simulations
from small_files import fiducial

CASES = [
    ("exponential_rate", {"theta_fid": (2.5,), "input_shape": (7,)}),
    ("gaussian_field", {"theta_fid": (0.7, 1.5), "input_shape": (8, 8)}),
    (
        "gaussian_field",
        {"theta_fid": (2.0, 0.5), "input_shape": (7, 6)},
    ),  # an odd side has no frequency of Nyquist
    ("gaussian_field", {"theta_fid": (2.0, 0.5), "input_shape": (11,)}),
]


def drawn(problem, n, n_d=1):
    pieces = list(simulations.draw(problem, simulations.seed_key(1, "test"), n, n_d))
    return [np.concatenate(arrays) for arrays in zip(*pieces, strict=True)]


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_the_closed_form_is_the_covariance_of_the_score_and_the_mean_curvature(name, settings):
    """Oracle: Cov of d lnL/dtheta and mean of -d^2 lnL/dtheta^2, by autodiff over 4000 simulations;
    4 of their errors.
    """
    problem = shipped.EXAMPLES[name](**settings)
    F = problem.closed_form()
    found = monte_carlo(problem, fiducial(problem, 4000))
    assert np.all(
        np.abs(np.asarray(found["F"]) - F) < 4 * np.asarray(found["F_error"]) + 1e-4 * np.abs(F)
    )
    theta = jnp.asarray(problem.theta_fid, jnp.float32)
    d, _ = drawn(problem, 4000)
    score = np.asarray(
        jax.vmap(lambda d: jax.grad(problem.log_likelihood)(theta, d))(d), np.float64
    )
    root = np.sqrt(np.diag(F))
    np.testing.assert_allclose(score.mean(axis=0) / root, 0, atol=4 / np.sqrt(4000))
    C = np.cov(score, rowvar=False).reshape(F.shape)
    np.testing.assert_allclose(C / np.outer(root, root), F / np.outer(root, root), atol=0.15)


@pytest.mark.parametrize("shape", [(8, 8), (7, 6), (9,), (4, 4, 4)])
def test_the_field_has_the_covariance_that_its_likelihood_and_its_fisher_information_say(
    float64, shape
):
    """Oracle: numpy, with the pixels' covariance written out: a circulant sum of cosines; lnL and F
    of a Gaussian by matrices.

    The mean over the grid is 0, so that the covariance has one eigenvalue 0: pseudo-inverse and
    product of the others.
    """
    A, B = 0.7, 1.3
    problem = shipped.gaussian_field((A, B), shape)
    n = int(np.prod(shape))
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(n, -1)
    waves = np.stack(
        np.meshgrid(*(np.fft.fftfreq(m, 1 / m) for m in shape), indexing="ij"), axis=-1
    ).reshape(n, -1)[1:]
    k = np.sqrt((waves**2).sum(axis=1))
    phase = 2 * np.pi * ((points[:, None] - points[None]) / np.array(shape)) @ waves.T
    cosines = np.cos(phase) / n
    C, by_A, by_B = (cosines @ weight for weight in (A * k**-B, k**-B, -A * np.log(k) * k**-B))
    inverse = np.linalg.pinv(C, hermitian=True)
    F = [[np.trace(inverse @ a @ inverse @ b) / 2 for b in (by_A, by_B)] for a in (by_A, by_B)]
    np.testing.assert_allclose(problem.closed_form(), F, rtol=1e-9)

    d = problem.simulator(jax.random.key(3), jnp.array([A, B]))
    assert d.shape == shape
    assert abs(d.mean()) < 1e-12
    flat = np.asarray(d).reshape(-1)
    eigenvalues = np.linalg.eigvalsh(C)[1:]
    expected = -0.5 * (flat @ inverse @ flat + np.log(2 * np.pi * eigenvalues).sum())
    assert float(problem.log_likelihood(jnp.array([A, B]), d)) == pytest.approx(expected, rel=1e-10)


def test_the_simulated_field_has_its_power_spectrum():
    """Oracle: |d_k|^2 of 4000 fields has the mean A k^-B, with an error of that over sqrt(4000), or
    sqrt(2) times as much.
    """
    A, B = 1.5, 1.0
    problem = shipped.gaussian_field((A, B), (6, 8))
    d, dd = drawn(problem, 4000, 4000)
    power = (np.abs(np.fft.fft2(d, norm="ortho")) ** 2).mean(axis=0)
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(6, 1 / 6), np.fft.fftfreq(8, 1 / 8), indexing="ij"))
    k[0, 0] = np.inf
    expected = A / k**B
    assert np.all(np.abs(power - expected) <= 5 * np.sqrt(2) * expected / np.sqrt(4000) + 1e-9)
    assert np.isfinite(dd).all()
    np.testing.assert_allclose(dd[..., 0], d / (2 * A), atol=1e-5)  # d goes as sqrt(A)


def test_the_default_field_is_that_of_the_readme():
    """Oracle: by hand, 1023 modes: F_AA = 1023/2 at A = 1; |F| = (1023/2)^2 Var(ln k)."""
    F = shipped.gaussian_field().closed_form()
    k = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(32, 1 / 32)]))
    log_k = np.log(k[k > 0])
    assert F[0, 0] == pytest.approx(511.5)
    assert np.linalg.det(F) == pytest.approx(511.5**2 * log_k.var(), rel=1e-9)
    assert round(np.linalg.det(F)) == 65127


def test_the_exponential_rate_by_hand():
    """Oracle: n / rate^2; and the mean of the draws is 1 / rate."""
    problem = shipped.exponential_rate((4.0,), (50,))
    np.testing.assert_allclose(problem.closed_form(), [[50 / 16]])
    d, dd = drawn(problem, 2000, 2000)
    assert d.mean() == pytest.approx(0.25, rel=0.02)
    np.testing.assert_allclose(dd[..., 0], -d / 4, rtol=1e-5)


@pytest.mark.parametrize("name", shipped.EXAMPLES)
def test_what_the_configuration_knows_of_a_problem_is_so(name):
    """Before jax is imported; so it is written twice."""
    known, problem = PROBLEMS[name], shipped.EXAMPLES[name]()
    assert (known.names, known.input_shape) == (problem.names, problem.input_shape)
    np.testing.assert_array_equal(known.theta_fid, problem.theta_fid)
    assert PROBLEMS.keys() == shipped.EXAMPLES.keys()
