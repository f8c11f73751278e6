"""Moments, F, penalty, coupling and errors, each against an oracle that shares no code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imnn_core.gradient import fisher, matrices


def merged(x, dx, cuts):
    """Moments over the pieces between the cuts."""
    pieces = zip(np.split(x, cuts), np.split(dx, [min(c, len(dx)) for c in cuts]), strict=True)
    total = None
    for piece in pieces:
        m = fisher.moments(*map(jnp.asarray, piece))
        total = m if total is None else fisher.merge(total, m)
    return total


@pytest.mark.parametrize(
    ("dtype", "cuts"),
    [
        ("float32", []),
        ("float32", [1]),
        ("float32", [10, 20, 21, 500]),
        ("float64", list(range(100, 1000, 100))),
    ],
    indirect=["dtype"],
)
def test_moments_of_data_far_from_zero_equal_two_passes_in_numpy_float64(dtype, rng, cuts):
    """Oracle: numpy's two-pass covariance in float64.

    Mean 1e4 times the spread: sum x x^T - n mu mu^T fails in float32.
    """
    x = (
        1e4 + rng.standard_normal((1000, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0.2], [0, 0, 1]])
    ).astype(dtype)
    dx = (rng.standard_normal((700, 3, 2)) + 5).astype(dtype)
    m = merged(x, dx, cuts)
    loose = dtype == np.float32
    assert (m.n_s, m.n_d) == (1000, 700)
    np.testing.assert_allclose(
        m.mean, x.astype(np.float64).mean(0), rtol=2e-7 if loose else 1e-14
    )  # 2 ulp
    covariance = np.cov(x.astype(np.float64), rowvar=False)
    # float32 holds 1e4 + 1 to 1e-3 of the spread; cancellation would give errors of order 1 and
    # more.
    np.testing.assert_allclose(fisher.covariance(m), covariance, atol=2e-3 if loose else 1e-8)
    np.testing.assert_allclose(
        m.mean_derivative, dx.astype(np.float64).mean(0), rtol=1e-5 if loose else 1e-13
    )


def test_filling_does_not_count(dtype, rng):
    """Oracle: the same moments of the rows that count alone."""
    x, dx = rng.standard_normal((9, 2)).astype(dtype), rng.standard_normal((9, 2, 3)).astype(dtype)
    present_x, present_d = np.arange(9) < 7, np.arange(9) < 4
    with_filling = fisher.moments(x, dx, present_x.astype(dtype), present_d.astype(dtype))
    without = fisher.moments(jnp.asarray(x[:7]), jnp.asarray(dx[:4]))
    for one, other in zip(with_filling, without, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5 if dtype == np.float32 else 1e-13)


def test_an_empty_chunk_changes_nothing(float64, rng):
    x, dx = jnp.asarray(rng.standard_normal((5, 2))), jnp.asarray(rng.standard_normal((5, 2, 2)))
    m = fisher.moments(x, dx)
    nothing = fisher.moments(x, dx, jnp.zeros(5), jnp.zeros(5))
    for a, b in ((m, nothing), (nothing, m)):
        for one, other in zip(fisher.merge(a, b), m, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-14)


@given(seed=st.integers(0, 2**31), n_summaries=st.integers(2, 5), n_params=st.integers(1, 3))
@settings(max_examples=4, deadline=None)
def test_F_does_not_change_under_an_affine_map(seed, n_summaries, n_params):
    """Oracle: the invariance of F under x -> A x + b, A invertible; to 1e-12 in float64 at a
    condition number of at most 4.
    """
    rng = np.random.default_rng(seed)
    with jax.enable_x64(True):
        x, dx = (
            rng.standard_normal((50, n_summaries)),
            rng.standard_normal((50, n_summaries, n_params)),
        )
        q, _ = np.linalg.qr(rng.standard_normal((n_summaries, n_summaries)))
        A = q * rng.uniform(0.5, 2, n_summaries)
        F_of = jax.jit(lambda x, dx: fisher.statistics(fisher.moments(x, dx)).F)
        F = F_of(x, dx)
        mapped = F_of(x @ A.T + rng.standard_normal(n_summaries), np.einsum("ab,nbp->nap", A, dx))
        np.testing.assert_allclose(mapped, F, rtol=1e-12, atol=1e-12 * np.abs(F).max())


def test_F_by_hand(dtype):
    """Oracle: by hand: C = diag(4, 1), dmu/dtheta = ((2, 0), (1, 3)), F = ((2, 3), (3, 9))."""
    C, D = jnp.asarray([[4.0, 0.0], [0.0, 1.0]]), jnp.asarray([[2.0, 0.0], [1.0, 3.0]])
    np.testing.assert_allclose(fisher.information(C, D), [[2, 3], [3, 9]], rtol=1e-6)


def test_penalty_by_hand(dtype):
    """Oracle: by hand, C = diag(4, 1): |C - 1| = 3, |C^-1 - 1| = 3/4.

    And at C = 1 it is 0, with a finite gradient.
    """
    assert fisher.penalty(jnp.diag(jnp.asarray([4.0, 1.0]))) == pytest.approx(3.75, rel=1e-6)
    value, gradient = jax.value_and_grad(fisher.penalty)(jnp.eye(2))
    assert value == 0
    assert np.isfinite(gradient).all()


@given(strength=st.floats(0.5, 50), closeness=st.floats(0.01, 0.9))
@settings(max_examples=30, deadline=None)
def test_coupling_at_the_closeness(strength, closeness):
    """Oracle: what the rate is defined by, r(epsilon) = lambda / (lambda + epsilon / (1 +
    epsilon)).
    """
    with jax.enable_x64(True):
        try:
            rate = fisher.rate(strength, closeness)
        except ValueError:
            return
        assert rate > 0
        r = fisher.coupling(jnp.asarray(closeness), strength, rate)
        assert float(r) == pytest.approx(
            strength / (strength + closeness / (1 + closeness)), rel=1e-9
        )


@pytest.mark.parametrize(("strength", "closeness"), [(10, 0.2), (0.5, 0.1), (11, 0.1)])
def test_a_coupling_that_cannot_switch_off_is_refused(strength, closeness):
    with pytest.raises(ValueError, match="no positive rate"):
        fisher.rate(strength, closeness)


def test_loss_by_hand(float64):
    """Oracle: by hand, from the numbers of the tests above and the definition of the coupling."""
    C, D = jnp.asarray([[4.0, 0.0], [0.0, 1.0]]), jnp.asarray([[2.0, 0.0], [1.0, 3.0]])
    rate = 2.0
    r = 10 * 3.75 / (3.75 + np.exp(-rate * 3.75))
    assert float(fisher.loss(C, D, 10.0, rate)) == pytest.approx(-np.log(9) + r * 3.75, rel=1e-12)


@pytest.mark.parametrize(
    "A",
    [
        [[1.0, 0.0], [0.0, -1.0]],
        [[0.0, 0.0], [0.0, 0.0]],
        [[-1.0, 0.0], [0.0, -1.0]],
        [[1.0, 2.0], [2.0, 1.0]],
    ],
)
def test_ln_det_of_what_is_not_positive_definite_is_nan(dtype, A):
    """Oracle: numpy's eigenvalues. Two negative ones give a positive determinant."""
    assert np.linalg.eigvalsh(A)[0] <= 0
    assert np.isnan(fisher.log_det(jnp.asarray(A, dtype)))
    assert np.isnan(fisher.log_det(jnp.kron(jnp.eye(2, dtype=dtype), jnp.asarray(A, dtype))))


def test_ln_det_and_its_gradient(float64, rng):
    """Oracle: numpy's slogdet, and d ln det A = tr(A^-1 dA)."""
    B = rng.standard_normal((4, 4))
    A = B @ B.T + np.eye(4)
    assert float(fisher.log_det(A)) == pytest.approx(np.linalg.slogdet(A)[1], rel=1e-12)
    np.testing.assert_allclose(
        jax.grad(fisher.log_det)(A), np.linalg.inv(A).T, rtol=1e-10, atol=1e-12
    )


def test_whitened_summaries_have_covariance_one(float64, rng):
    """Oracle: numpy's mean and covariance of A x + b."""
    x = 1e3 + rng.standard_normal((50, 3)) @ rng.standard_normal((3, 3)) * 1e-2
    A, b = map(np.asarray, fisher.whitening(fisher.moments(jnp.asarray(x), jnp.zeros((1, 3, 1)))))
    mapped = x @ A.T + b
    np.testing.assert_allclose(mapped.mean(axis=0), np.zeros(3), atol=1e-8)
    np.testing.assert_allclose(np.cov(mapped, rowvar=False), np.eye(3), atol=1e-8)


@pytest.mark.parametrize(
    ("apart", "units"), [(0.3, (1, 1)), (3e-3, (1, 1)), (1e-4, (1, 1)), (0.3, (1e-12, 1e14))]
)
def test_ln_det_f_of_nearly_degenerate_parameters_in_any_units(apart, units):
    """Oracle: numpy in float64, in a basis d1, (d2 - d1) / apart that is far from degenerate:
    ln det F, and its gradients -C^-1 D F^-1 D^T C^-1 and 2 C^-1 D F^-1. slogdet of F in float32 is
    NaN, or off by tens of per cent, in the last three.
    """
    C = np.array([[2.0, 0.3, 0.1], [0.3, 1.0, 0.2], [0.1, 0.2, 1.5]])
    basis = np.array([[1.0, 0.0], [2.0, 1.0], [0.5, -1.0]])
    to_D = np.array([[1.0, 1.0], [0.0, apart]]) * units
    F = basis.T @ np.linalg.solve(C, basis)
    A = np.linalg.solve(C, basis)
    D = basis @ to_D
    expected = np.linalg.slogdet(F)[1] + 2 * (np.log(apart) + np.log(units).sum())
    by_C, by_D = -A @ np.linalg.solve(F, A.T), 2 * A @ np.linalg.solve(F, np.linalg.inv(to_D).T)
    arguments = (jnp.asarray(each, jnp.float32) for each in (C, D))
    value, slopes = jax.jit(jax.value_and_grad(fisher.log_det_information, argnums=(0, 1)))(
        *arguments
    )
    assert value == pytest.approx(expected, abs=0.01)
    np.testing.assert_allclose((slopes[0] + slopes[0].T) / 2, by_C, atol=0.01 * np.abs(by_C).max())
    scaled = np.asarray(slopes[1], float) * units
    np.testing.assert_allclose(scaled, by_D * units, atol=0.01 * np.abs(by_D * units).max())


def test_ln_det_f_is_not_a_number_where_c_is_not_positive_definite():
    D = jnp.eye(2)
    assert jnp.isnan(fisher.log_det_information(-jnp.eye(2), D))
    assert jnp.isfinite(fisher.log_det_information(jnp.eye(2), D))


def test_parameters_in_units_of_their_own():
    """Oracle: by hand: a matrix of determinant 4.5, rows and columns times 1e-12, 1 and 1e13."""
    A = np.array([[2.0, 1.0, 0.5], [1.0, 2.0, 1.0], [0.5, 1.0, 2.0]])
    unit = np.array([1e-12, 1, 1e13])
    assert matrices.determinant(A) == pytest.approx(4.5, rel=1e-14)
    assert matrices.determinant(np.diag([10.0, 5.0])) == 50
    assert matrices.determinant(A * np.outer(unit, unit)) == pytest.approx(4.5e2, rel=1e-12)
    assert matrices.is_positive_definite(A * np.outer(unit, unit))
    for bad in ([[1.0, 2.0], [2.0, 1.0]], [[1.0, 1.0], [1.0, np.nan]], [[-1.0, 0.0], [0.0, 1.0]]):
        assert not matrices.is_positive_definite(np.array(bad))
    assert not matrices.is_positive_definite(np.zeros((2, 2)))
    eps = np.finfo(np.float64).eps
    assert not matrices.is_positive_definite([[1, 1], [1, 1 + 4 * eps]])  # by rounding alone
    assert matrices.is_positive_definite([[1, 1], [1, 1 + 1e4 * eps]])
