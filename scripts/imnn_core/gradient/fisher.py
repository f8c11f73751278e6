"""All formulas: moments of summaries, Fisher information, penalty, coupling and loss.

Symbols, as in the literature and here:

    theta, theta_fid   parameters, fiducial parameters         strength    lambda
    x                  summaries                               closeness   epsilon
    mu, C              mean and covariance of x at theta_fid   rate        alpha
    dmu_dtheta         derivative of mu by theta               penalty     Lambda_2
    F                  Fisher information                      coupling    r

Source: Charnock, Lavaux & Wandelt 2018, arXiv:1802.03634.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Moments(NamedTuple):
    """All that F, the penalty and the loss know of a set of summaries.

    n_s, n_d: how many summaries, and how many of them with derivatives, ().
    mean: of the summaries, (n_summaries,).
    scatter: sum of (x - mean)(x - mean)^T, (n_summaries, n_summaries).
    mean_derivative: mean of dx/dtheta, (n_summaries, n_params).
    """

    n_s: jax.Array
    n_d: jax.Array
    mean: jax.Array
    scatter: jax.Array
    mean_derivative: jax.Array


class Statistics(NamedTuple):
    """Gaussian Fisher information of a set of summaries and what it is made of.

    F: (n_params, n_params), in theta^-2. C, invC: (n_summaries, n_summaries). mu: (n_summaries,).
    dmu_dtheta: (n_summaries, n_params).
    """

    F: jax.Array
    C: jax.Array
    invC: jax.Array
    mu: jax.Array
    dmu_dtheta: jax.Array


def _per(total, n):
    """Total / n, and 0 for n = 0."""
    return total / jnp.maximum(n, 1)


def moments(x: jax.Array, dx_dtheta: jax.Array, present_x=None, present_d=None) -> Moments:
    """Moments of one chunk of summaries.

    Args:
        x: summaries at theta_fid, (n, n_summaries).
        dx_dtheta: derivatives of some of them, (n_d, n_summaries, n_params).
        present_x: 1 for a row of ``x`` that counts and 0 for one that fills the chunk up, (n,); all
            count, if None.
        present_d: the same for ``dx_dtheta``, (n_d,).

    """
    present_x = jnp.ones(len(x), x.dtype) if present_x is None else present_x
    present_d = jnp.ones(len(dx_dtheta), x.dtype) if present_d is None else present_d
    n_s, n_d = jnp.sum(present_x), jnp.sum(present_d)
    # Shifted by a value of the data's own size, so that a mean far from zero keeps its digits.
    shift = jax.lax.stop_gradient(x[0])
    mean = shift + _per(present_x @ (x - shift[None]), n_s)
    centred = (x - mean[None]) * present_x[:, None]
    mean_derivative = _per(jnp.tensordot(present_d, dx_dtheta, axes=1), n_d)
    return Moments(n_s, n_d, mean, centred.T @ centred, mean_derivative)


def merge(a: Moments, b: Moments) -> Moments:
    """Moments of two disjoint sets together.

    scatter = scatter_a + scatter_b + n_a n_b / (n_a + n_b) (mean_b - mean_a)(mean_b - mean_a)^T,
    since sum x x^T - n mu mu^T cancels badly in float32.

    Source: Chan, Golub & LeVeque 1983, The American Statistician 37, 242.
    """
    n_s, n_d = a.n_s + b.n_s, a.n_d + b.n_d
    step = b.mean - a.mean
    return Moments(
        n_s=n_s,
        n_d=n_d,
        mean=a.mean + _per(b.n_s, n_s) * step,
        scatter=a.scatter + b.scatter + _per(a.n_s * b.n_s, n_s) * jnp.outer(step, step),
        mean_derivative=a.mean_derivative
        + _per(b.n_d, n_d) * (b.mean_derivative - a.mean_derivative),
    )


def merge_all(stacked: Moments) -> Moments:
    """Moments of many disjoint sets together, whose moments are stacked along a first axis."""
    first = jax.tree.map(lambda leaf: leaf[0], stacked)
    rest = jax.tree.map(lambda leaf: leaf[1:], stacked)
    return jax.lax.scan(lambda total, one: (merge(total, one), None), first, rest)[0]


def covariance(m: Moments) -> jax.Array:
    """C = scatter / (n_s - 1), (n_summaries, n_summaries)."""
    return m.scatter / (m.n_s - 1)


def information(C: jax.Array, dmu_dtheta: jax.Array) -> jax.Array:
    """F = (dmu/dtheta)^T C^-1 (dmu/dtheta), (n_params, n_params)."""
    F = dmu_dtheta.T @ jnp.linalg.solve(C, dmu_dtheta)
    return (F + F.T) / 2


def statistics(m: Moments) -> Statistics:
    """Gaussian Fisher information carried by a set of summaries.

    F = (dmu/dtheta)^T C^-1 (dmu/dtheta), with C the unbiased covariance of the summaries and
    dmu/dtheta the mean of their derivatives. F does not change under an invertible affine map of
    the summaries.
    """
    C = covariance(m)
    return Statistics(
        F=information(C, m.mean_derivative),
        C=C,
        invC=jnp.linalg.inv(C),
        mu=m.mean,
        dmu_dtheta=m.mean_derivative,
    )


def whitening(m: Moments) -> tuple[jax.Array, jax.Array]:
    """A and b, so that A x + b has mean 0 and covariance 1; NaN where C has no inverse.

    A = L^-1, with C = L L^T.
    """
    L = jnp.linalg.cholesky(covariance(m))
    A = jax.scipy.linalg.solve_triangular(L, jnp.eye(len(L), dtype=L.dtype), lower=True)
    return A, -A @ m.mean


def _frobenius(A):
    """Frobenius norm, with gradient 0 instead of NaN at A = 0."""
    square = jnp.sum(A**2)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)


def penalty(C: jax.Array) -> jax.Array:
    """Lambda_2 = |C - 1| + |C^-1 - 1| (Frobenius norms); it is 0 where the covariance is 1."""
    one = jnp.eye(len(C), dtype=C.dtype)
    return _frobenius(C - one) + _frobenius(jnp.linalg.inv(C) - one)


def rate(strength: float, closeness: float) -> float:
    """Alpha = -ln(epsilon (lambda - 1) + epsilon^2 / (1 + epsilon)) / epsilon.

    The rate at which the coupling r(Lambda_2) reaches lambda / (lambda + epsilon / (1 + epsilon))
    at Lambda_2 = epsilon.

    Raises:
        ValueError: alpha would not be positive, and the coupling could never switch off.

    """
    argument = closeness * (strength - 1) + closeness**2 / (1 + closeness)
    if not 0 < argument < 1:
        raise ValueError(
            f"no positive rate: expected 0 < ε (λ - 1) + ε²/(1 + ε) < 1, found {argument:g} at λ "
            f"= {strength:g}, ε = {closeness:g}"
        )
    return -math.log(argument) / closeness


def coupling(penalty: jax.Array, strength: float, rate: float) -> jax.Array:
    """Weight of the penalty in the loss: r = lambda Lambda_2 / (Lambda_2 + exp(-alpha Lambda_2)).

    Near lambda where the covariance is far from 1, and 0 where it is 1.
    """
    return strength * penalty / (penalty + jnp.exp(-rate * penalty))


def log_det(A: jax.Array) -> jax.Array:
    """Ln det A of a positive definite A; NaN for any other matrix."""
    _, value = jnp.linalg.slogdet(A)
    L = jnp.linalg.cholesky(jax.lax.stop_gradient(A))  # NaN where A is not positive definite
    return jnp.where(jnp.isfinite(L).all(), value, jnp.nan)


CLEAR = 1e-4  # of a parameter's F_aa, what the others leave of it where det F has its digits


def log_det_information(C: jax.Array, dmu_dtheta: jax.Array) -> jax.Array:
    """Ln det F, in whatever units the parameters are; NaN where C is not positive definite.

    Where parameters are nearly degenerate, F itself has lost its digits. Then 2 sum ln |R_aa| of a
    QR decomposition of L^-1 dmu/dtheta, with C = L L^T, has them.

    Source: Golub & Van Loan 2013, Matrix Computations, section 5.3.
    """

    def of_matrix(C, dmu_dtheta):
        return log_det(information(C, dmu_dtheta))

    def of_factor(C, dmu_dtheta):
        L = jnp.linalg.cholesky(C)
        A = jax.scipy.linalg.solve_triangular(L, dmu_dtheta, lower=True)
        R = jnp.linalg.qr(A, mode="r")
        return 2 * jnp.sum(jnp.log(jnp.abs(jnp.diagonal(R))))

    F = jax.lax.stop_gradient(information(C, dmu_dtheta))
    left = jnp.diagonal(jnp.linalg.cholesky(F)) ** 2 / jnp.diagonal(F)
    return jax.lax.cond(jnp.min(left) > CLEAR, of_matrix, of_factor, C, dmu_dtheta)


def loss(C: jax.Array, dmu_dtheta: jax.Array, strength: float, rate: float) -> jax.Array:
    """-ln det F + r Lambda_2, which the fit minimises."""
    Lambda_2 = penalty(C)
    return -log_det_information(C, dmu_dtheta) + coupling(Lambda_2, strength, rate) * Lambda_2
