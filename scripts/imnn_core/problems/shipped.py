"""The problems that ship with the project, with their likelihoods and Fisher information."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.problems import Problem


def gaussian(theta_fid=(0.0, 1.0), input_shape=(10,)) -> Problem:
    """Independent draws of N(mu, Sigma), with theta = (mu, Sigma) and Sigma the variance.

    F = diag(n / Sigma, n / (2 Sigma^2)) for n draws, so |F| = 50 for ten draws at theta = (0, 1).
    """
    n = math.prod(input_shape)

    def simulator(key, theta):
        mu, sigma_squared = theta
        return mu + jnp.sqrt(sigma_squared) * jax.random.normal(key, tuple(input_shape))

    def log_likelihood(theta, d):
        mu, sigma_squared = theta
        return -0.5 * (
            jnp.sum((d - mu) ** 2) / sigma_squared + n * jnp.log(2 * jnp.pi * sigma_squared)
        )

    def fisher(theta):
        _, sigma_squared = theta
        return np.diag([n / sigma_squared, n / (2 * sigma_squared**2)])

    return Problem(
        simulator,
        theta_fid,
        ("mu", "Sigma"),
        input_shape,
        log_likelihood,
        fisher,
        symbols=(r"$\mu$", r"$\Sigma$"),
    )


def exponential_rate(theta_fid=(1.0,), input_shape=(10,)) -> Problem:
    """Independent draws of p(d) = rate exp(-rate d), with theta = (rate,).

    F = n / rate^2 for n draws.
    """
    n = math.prod(input_shape)

    def simulator(key, theta):
        return jax.random.exponential(key, tuple(input_shape)) / theta[0]

    def log_likelihood(theta, d):
        return n * jnp.log(theta[0]) - theta[0] * jnp.sum(d)

    def fisher(theta):
        return np.array([[n / theta[0] ** 2]])

    return Problem(
        simulator,
        theta_fid,
        ("rate",),
        input_shape,
        log_likelihood,
        fisher,
        symbols=(r"$\lambda$",),
    )


def gaussian_field(theta_fid=(1.0, 1.0), input_shape=(32, 32)) -> Problem:
    """A Gaussian random field on a periodic grid, P(k) = A k^-B, theta = (A, B).

    k is in units of the smallest frequency, and P(0) = 0. In an orthonormal Fourier transform
    E|d_k|^2 = P(k), so

        ln L = -1/2 sum_k (|d_k|^2 / P(k) + ln 2 pi P(k)),   F_ab = 1/2 sum_k (dlnP/dtheta_a)
        (dlnP/dtheta_b),

    over all k != 0. Of a real field k and -k hold the same number, with real and imaginary part of
    variance P / 2 each: together the two terms of the sum. Frequencies that are their own negative
    (Nyquist's) hold a real number: one term.
    """
    shape = tuple(input_shape)
    frequencies = np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in shape), indexing="ij")
    k = np.sqrt(sum(frequency**2 for frequency in frequencies))
    log_k = np.log(np.where(k > 0, k, 1))  # no infinity at k = 0, whose derivative would be NaN
    is_mode = k > 0
    slopes = np.stack([np.ones(is_mode.sum()), -log_k[is_mode]])  # of ln P by ln A and by B

    def simulator(key, theta):
        A, B = theta
        amplitude = jnp.where(is_mode, jnp.sqrt(A) * jnp.exp(-0.5 * B * log_k), 0)
        return jnp.fft.ifftn(amplitude * jnp.fft.fftn(jax.random.normal(key, shape))).real

    def log_likelihood(theta, d):
        A, B = theta
        log_P = jnp.log(A) - B * log_k
        power = jnp.abs(jnp.fft.fftn(d, norm="ortho")) ** 2
        return -0.5 * jnp.sum(
            jnp.where(is_mode, power * jnp.exp(-log_P) + log_P + jnp.log(2 * jnp.pi), 0)
        )

    def fisher(theta):
        by_theta = slopes / np.array([[theta[0]], [1.0]])
        return by_theta @ by_theta.T / 2

    return Problem(
        simulator, theta_fid, ("A", "B"), shape, log_likelihood, fisher, symbols=("$A$", "$B$")
    )


EXAMPLES = {
    "gaussian": gaussian,
    "exponential_rate": exponential_rate,
    "gaussian_field": gaussian_field,
}
