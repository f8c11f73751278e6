"""Problems with an exact posterior, by quadrature or rejection, for benchmarks of inference."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from imnn_core.problems.prior import Prior, prior_of
from scipy.special import ndtr
from scipy.stats import multivariate_normal

N = 10  # draws of a simulation


class Exact(NamedTuple):
    """A problem whose summaries are simulated directly.

    simulate: (rng, theta (n, p)) -> data (n, …), of which ``summaries`` are x (n, k).
    moments: data -> means and standard deviations of the exact posterior, (n, p) each.
    log_density: (theta (n, p), data) -> of the exact posterior, (n,); None where not calculated.
    """

    prior: Prior
    theta_fid: tuple[float, ...]
    simulate: Callable
    summaries: Callable
    moments: Callable
    log_density: Callable | None


def _moments_on(log_weights, values):
    """Mean and standard deviation on a grid, (n, g) and (n, g) or (1, g) -> (n,) each."""
    w = np.exp(log_weights - log_weights.max(1, keepdims=True))
    w /= w.sum(1, keepdims=True)
    mean = (w * values).sum(1)
    return mean, np.sqrt((w * (values - mean[:, None]) ** 2).sum(1))


def _trapezoid(log_weights, step):
    log_weights = log_weights.copy()
    log_weights[:, [0, -1]] -= np.log(2)
    largest = log_weights.max(1, keepdims=True)
    return log_weights, largest[:, 0] + np.log(np.exp(log_weights - largest).sum(1) * step)


def _groups(theta, rng):
    """Means and variances of N draws of N(mu, Sigma) each, theta (n, 2 g) -> (n, 2 g)."""
    mu, Sigma = theta[:, 0::2], theta[:, 1::2]
    means = mu + np.sqrt(Sigma / N) * rng.standard_normal(mu.shape)
    return np.stack([means, Sigma * rng.chisquare(N - 1, mu.shape) / (N - 1)], -1).reshape(
        theta.shape
    )


def _group_grid(x, half_width, top):
    """A grid of ln Sigma, log-weights of its posterior, and those of mu given Sigma."""
    grid = np.linspace(np.log(1e-7), np.log(top), 4000)
    Sigma = np.exp(grid)[None]
    sd = np.sqrt(Sigma / N)
    a, b = (-half_width - x[:, :1]) / sd, (half_width - x[:, :1]) / sd
    a, b = np.where(a > 0, -b, a), np.where(a > 0, -a, b)  # where the differences keep digits
    mass = np.maximum(ndtr(b) - ndtr(a), 1e-300)
    log_w = -(N - 1) / 2 * grid - (N - 1) * x[:, 1:] / (2 * Sigma) + np.log(mass) + grid
    return grid, log_w, sd, a, b, mass


def _group_moments(x, half_width, top):
    grid, log_w, sd, a, b, mass = _group_grid(x, half_width, top)
    log_w, _ = _trapezoid(log_w, grid[1] - grid[0])
    mean_Sigma, sd_Sigma = _moments_on(log_w, np.exp(grid)[None])
    phi_a, phi_b = (np.exp(-0.5 * np.square(z)) for z in (a, b))
    shift = (phi_a - phi_b) / mass / np.sqrt(2 * np.pi)
    variance = 1 + (a * phi_a - b * phi_b) / mass / np.sqrt(2 * np.pi) - shift**2
    variance = np.clip(variance, 0, 1)
    flipped = (-half_width - x[:, :1]) / sd > 0
    mean_given = x[:, :1] + sd * np.where(flipped, -shift, shift)
    mean_mu, sd_of_mean = _moments_on(log_w, mean_given)
    mean_variance, _ = _moments_on(log_w, sd**2 * variance)
    sd_mu = np.sqrt(sd_of_mean**2 + mean_variance)
    return np.stack([mean_mu, mean_Sigma], 1), np.stack([sd_mu, sd_Sigma], 1)


def _group_log_density(theta, x, half_width, top):
    grid, log_w, *_ = _group_grid(x, half_width, top)
    _, log_evidence = _trapezoid(log_w, grid[1] - grid[0])
    mu, Sigma = theta.T
    log_like = -N / 2 * np.log(Sigma) - (N * (mu - x[:, 0]) ** 2 + (N - 1) * x[:, 1]) / (2 * Sigma)
    return log_like - log_evidence - 0.5 * np.log(2 * np.pi / N)


def gaussians(n_groups=1, half_width=10.0, top=10.0) -> Exact:
    """Ten draws of N(mu, Sigma) in each group; summaries are their means and variances."""
    names = [f"{name}{i}" for i in range(n_groups) for name in ("mu", "Sigma")]
    bounds = {"mu": [-half_width, half_width], "Sigma": [0, top]}
    prior = prior_of(names, {name: {"uniform": bounds[name[:-1]]} for name in names})

    def moments(x):
        each = [_group_moments(x[:, i : i + 2], half_width, top) for i in range(0, len(names), 2)]
        return tuple(np.concatenate(of, 1) for of in zip(*each, strict=True))

    def log_density(theta, x):
        pairs = [slice(i, i + 2) for i in range(0, len(names), 2)]
        return sum(_group_log_density(theta[:, of], x[:, of], half_width, top) for of in pairs)

    def simulate(rng, theta):
        return _groups(theta, rng)

    return Exact(prior, (0.0, 1.0) * n_groups, simulate, lambda x: x, moments, log_density)


def exponential(kind="uniform") -> Exact:
    """Ten draws of p(d) = rate exp(-rate d); the summary is their mean. Posterior: a gamma."""
    low, high = (0, 10) if kind == "uniform" else (0.1, 10)
    prior = prior_of(["rate"], {"rate": {kind: [low, high]}})
    grid = np.linspace(np.log(max(low, 1e-6)), np.log(high), 6000)

    def log_weights(x):
        rate = np.exp(grid)[None]
        log_w = N * grid - N * x * rate + prior.log_density(rate.T)[None] + grid
        return _trapezoid(log_w, grid[1] - grid[0])

    def moments(x):
        mean, sd = _moments_on(log_weights(x)[0], np.exp(grid)[None])
        return mean[:, None], sd[:, None]

    def log_density(theta, x):
        log_like = N * np.log(theta[:, 0]) - N * x[:, 0] * theta[:, 0]
        return log_like + prior.log_density(theta) - log_weights(x)[1]

    def simulate(rng, theta):
        return rng.gamma(N, size=theta.shape) / theta / N

    return Exact(prior, (1.0,), simulate, lambda x: x, moments, log_density)


def field(size=32, top=5.0, steepest=2.0) -> Exact:
    """gaussian_field of problems/shipped.py, P(k) = A k^-B.

    Data are the powers in each |k|, sums of |d_k|^2, which are sufficient. Summaries are the
    maximum-likelihood A and B and the curvature of the likelihood there.
    """
    prior = prior_of(["A", "B"], {"A": {"uniform": [0, top]}, "B": {"uniform": [0, steepest]}})
    f = np.fft.fftfreq(size, 1 / size)
    squares, n_modes = np.unique((f[:, None] ** 2 + f**2)[...].ravel(), return_counts=True)
    log_k, n_modes = 0.5 * np.log(squares[1:]), n_modes[1:]
    n, mean_log_k = n_modes.sum(), (n_modes * log_k).sum() / n_modes.sum()

    def simulate(rng, theta):
        A, B = theta.T[..., None]
        return A * np.exp(-B * log_k) * rng.chisquare(n_modes, (len(theta), len(log_k)))

    def scaled(data, B):
        """T = sum_k |d_k|^2 k^B, with the mean and variance of ln k that it weighs: (n,) each."""
        w = data * np.exp(B[:, None] * log_k)
        T = w.sum(1)
        mean = w @ log_k / T
        return T, mean, w @ log_k**2 / T - mean**2

    def most_likely(data):
        B = np.ones(len(data))
        for _ in range(30):
            T, mean, variance = scaled(data, B)
            B = B - np.clip((mean - mean_log_k) / variance, -1, 1)
        return scaled(data, B)[0] / n, B, variance

    def summaries(data):
        A, B, variance = most_likely(data)
        return np.stack([np.log(A), B, variance], 1)

    def moments(data):
        found = [_moments_of_field(row, most_likely(row[None])[1][0]) for row in data]
        return tuple(np.array(of) for of in zip(*found, strict=True))

    def _moments_of_field(row, B_best):
        sd = np.sqrt(2 / n) / 0.35
        B = np.linspace(max(0, B_best - 7 * sd), min(steepest, B_best + 7 * sd), 300)
        T = (row * np.exp(B[:, None] * log_k)).sum(1)
        u = np.linspace(-0.3, 0.3, 241)
        log_A = (np.log(T / n))[:, None] + u
        log_w = -n / 2 * log_A - T[:, None] * np.exp(-log_A) / 2 + log_A
        log_w += n / 2 * B[:, None] * mean_log_k
        log_w = np.where(log_A < np.log(top), log_w, -np.inf)
        log_w[[0, -1]] -= np.log(2)
        w = np.exp(log_w - log_w.max())
        w /= w.sum()
        values = np.stack([np.exp(log_A), np.broadcast_to(B[:, None], w.shape)])
        mean = (w * values).sum((1, 2))
        return mean, np.sqrt((w * (values - mean[:, None, None]) ** 2).sum((1, 2)))

    return Exact(prior, (1.0, 1.0), simulate, summaries, moments, None)


def linear(p=4) -> Exact:
    """Summaries x = M theta + noise, theta in a box: a Gaussian posterior, cut at the box."""
    rng = np.random.default_rng(4)
    M = np.eye(p) + 0.5 * rng.standard_normal((p, p))
    root = 0.2 * (np.eye(p) + 0.3 * rng.standard_normal((p, p)))
    names = [f"theta{i}" for i in range(p)]
    prior = prior_of(names, {name: {"uniform": [-1, 1]} for name in names})
    to_theta = np.linalg.inv(M)
    root_there = to_theta @ root  # theta - M^-1 x = root_there N(0, 1)

    def simulate(rng, theta):
        return theta @ M.T + rng.standard_normal(theta.shape) @ root.T

    def inside(row, n=400_000):
        theta = to_theta @ row + np.random.default_rng(5).standard_normal((n, p)) @ root_there.T
        return theta[prior.contains(theta)], n

    def moments(x):
        found = [(of.mean(0), of.std(0)) for of in (inside(row)[0] for row in x)]
        return tuple(np.array(of) for of in zip(*found, strict=True))

    def log_density(theta, x):
        covariance = root_there @ root_there.T
        normal = multivariate_normal(np.zeros(p), covariance, maxpts=20_000, releps=1e-3)
        centre = x @ to_theta.T
        mass = normal.cdf(1 - centre, lower_limit=-1 - centre)
        return normal.logpdf(theta - centre) - np.log(mass)

    return Exact(prior, (0.2, -0.1, 0.3, 0.0)[:p], simulate, lambda x: x, moments, log_density)


PROBLEMS = {
    "gaussian": gaussians,
    "exponential_uniform": exponential,
    "exponential_log_uniform": lambda: exponential("log_uniform"),
    "gaussian_field": field,
    "linear_4": linear,
    "two_gaussians_4": lambda: gaussians(2, 5.0, 5.0),
}
