"""Ten draws of N(mu, Sigma) with their sufficient statistics, and the exact posterior of both."""

import numpy as np
from imnn_core.problems.prior import prior_of

N_DRAWS = 10
PRIOR = prior_of(["mu", "Sigma"], {"mu": {"uniform": [-10, 10]}, "Sigma": {"uniform": [0, 10]}})
SCALE = np.sqrt([10, 5])  # root of F at theta_fid = (0, 1)


def simulator(seed):
    """simulate(theta, first): mean and variance of ten draws, whitened by F, (n, 2)."""

    def simulate(theta, first):
        draws = np.random.default_rng((seed, first)).standard_normal((len(theta), N_DRAWS))
        draws = theta[:, :1] + np.sqrt(theta[:, 1:]) * draws
        return np.stack([draws.mean(axis=1), draws.var(axis=1, ddof=1)], axis=1) * SCALE

    return simulate


def exact(observed):
    """Mean and width of the posterior, (2,) each, by quadrature on a grid over the prior."""
    mean, variance = observed / SCALE
    mu = np.linspace(*PRIOR.bounds[0], 1001)[:, None]  # (n, 1)
    Sigma = (np.arange(1000) + 0.5) / 100  # (m,)
    squares = N_DRAWS * (mu - mean) ** 2 + (N_DRAWS - 1) * variance
    log_p = -N_DRAWS / 2 * np.log(Sigma) - squares / 2 / Sigma  # (n, m)
    p = np.exp(log_p - log_p.max())
    grid = np.stack(np.broadcast_arrays(mu, Sigma), axis=-1).reshape(-1, 2)
    return moments(grid, p.ravel())


def moments(theta, weights):
    """Weighted mean and standard deviation, (n, p) and (n,) -> (p,) each."""
    weights = weights / weights.sum()
    mean = weights @ theta
    return mean, np.sqrt(weights @ (theta - mean) ** 2)
