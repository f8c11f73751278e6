"""Population Monte Carlo over rejection: python tests/benchmarks/pmc.py --csv FILE.

Of each problem: mean and width of the posteriors of some seeds, over those by rejection at the same
epsilon, and the simulations that both took. In an environment that has pyABC as well, the time that
both take for the same number of simulations, on one core, in one process.
"""

import argparse
import csv
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import normal_draws
import numpy as np
from imnn_core.inference import pmc
from imnn_core.problems.prior import prior_of

CHUNK = 1_000_000  # simulations of rejection that are drawn together


class Case(NamedTuple):
    """A problem: its prior, its simulator by seed, an observation and the last epsilon."""

    prior: object
    simulator: object
    observed: np.ndarray
    epsilon: float
    n_rejection: int


def rate(seed):
    """The rate of an exponential, estimated from ten intervals, whitened at 1."""

    def simulate(theta, first):
        total = np.random.default_rng((seed, first)).exponential(size=(len(theta), 10)).sum(axis=1)
        return np.sqrt(10) * 10 * theta / total[:, None]

    return simulate


def twice(seed):
    """Two independent sets of normal draws, each with parameters of its own."""
    first_set, second_set = normal_draws.simulator(seed), normal_draws.simulator(seed + 1000)

    def simulate(theta, first):
        return np.concatenate(
            [first_set(theta[:, :2], first), second_set(theta[:, 2:], first)], axis=1
        )

    return simulate


def cases():
    """By name."""
    near = np.array([0.0, 1.0]) * normal_draws.SCALE
    of_four = {
        name: {"uniform": [-3, 3] if name.startswith("mu") else [0, 5]}
        for name in ("mu", "Sigma", "mu_2", "Sigma_2")
    }
    return {
        "gaussian": Case(normal_draws.PRIOR, normal_draws.simulator, near, 0.25, 20 * CHUNK),
        "exponential_rate": Case(
            prior_of(["rate"], {"rate": {"uniform": [0, 10]}}),
            rate,
            np.array([np.sqrt(10)]),
            0.01,
            10 * CHUNK,
        ),
        "four": Case(prior_of(list(of_four), of_four), twice, np.tile(near, 2), 0.9, 40 * CHUNK),
    }


def rejected(case):
    """Parameters within the last epsilon, and the share of simulations that are."""
    kept = []
    for i in range(case.n_rejection // CHUNK):
        theta = case.prior.draw(np.random.default_rng((99, i)), CHUNK)
        distance = np.linalg.norm(case.simulator(98)(theta, i) - case.observed, axis=1)
        kept.append(theta[distance <= case.epsilon])
    kept = np.concatenate(kept)
    return kept, len(kept) / case.n_rejection


def compared(name, case, n_seeds, n_particles):
    """Rows: what the seeds' posteriors are over rejection's, for each parameter."""
    kept, share = rejected(case)
    settings = pmc.Settings(n_particles, epsilon_end=case.epsilon, smallest_acceptance=1e-5)
    seeds = range(n_seeds)
    began = time.perf_counter()
    found = [
        pmc.run(case.simulator(seed), case.prior, case.observed, (seed,), settings)
        for seed in seeds
    ]
    seconds = (time.perf_counter() - began) / n_seeds
    moments = np.array([normal_draws.moments(each.theta, each.weights) for each in found])
    mean = (moments[:, 0] - kept.mean(axis=0)) / kept.std(axis=0)  # (n_seeds, n_params)
    width = moments[:, 1] / kept.std(axis=0)
    n = np.mean([each.n_simulations[-1] for each in found])
    for i, parameter in enumerate(case.prior.names):
        yield {
            "problem": name,
            "parameter": parameter,
            "mean_off": mean[:, i].mean(),
            "mean_sd": mean[:, i].std(ddof=1),
            "width": width[:, i].mean(),
            "width_sd": width[:, i].std(ddof=1),
            "epsilon": np.mean([each.epsilon[-1] for each in found]),
            "n_simulations": n,
            "rejection_over_pmc": n_particles / share / n,
            "n_effective": np.mean([each.n_effective[-1] for each in found]),
            "n_rejection_kept": len(kept),
            "seconds": seconds,
        }


def of_pyabc(n_particles, n_simulations):
    """Seconds of pyABC's population Monte Carlo of normal draws, and its simulations."""
    import pyabc

    def model(theta):
        draws = theta["mu"] + np.sqrt(theta["Sigma"]) * np.random.standard_normal(10)
        return {"s": np.array([draws.mean(), draws.var(ddof=1)]) * normal_draws.SCALE}

    prior = pyabc.Distribution(mu=pyabc.RV("uniform", -10, 20), Sigma=pyabc.RV("uniform", 0, 10))
    abc = pyabc.ABCSMC(
        model,
        prior,
        distance_function=lambda x, y: np.linalg.norm(x["s"] - y["s"]),
        population_size=n_particles,
        sampler=pyabc.sampler.SingleCoreSampler(),
    )
    with tempfile.TemporaryDirectory() as folder:
        database = "sqlite:///" + os.path.join(folder, "runs.db")
        abc.new(database, {"s": cases()["gaussian"].observed})
        began = time.perf_counter()
        history = abc.run(max_total_nr_simulations=n_simulations)
        return time.perf_counter() - began, history.total_nr_simulations


def against_pyabc(n_particles=1000, n_simulations=50_000):
    """Seconds of both for as many simulations, to the end of the step in which pyABC has them."""
    theirs, n = of_pyabc(n_particles, n_simulations)
    case = cases()["gaussian"]
    settings = pmc.Settings(
        n_particles, 0.5, 1000, smallest_acceptance=1e-5, most_simulations=n + 1000
    )
    began = time.perf_counter()
    found = pmc.run(case.simulator(1), case.prior, case.observed, (1,), settings)
    ours = time.perf_counter() - began
    print(
        f"pyABC: {theirs:.1f} s for {n} simulations; here {ours:.2f} s for "
        f"{found.n_simulations[-1]}: 1/{theirs / ours:.0f}"
    )


def main():
    """Write the table, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--particles", type=int, default=pmc.Settings().n_particles)
    parser.add_argument("--only", choices=[*cases(), "pyabc"])
    options = parser.parse_args()
    rows = []
    for name, case in cases().items():
        if options.only in (None, name):
            rows += compared(name, case, options.seeds, options.particles)
    for row in rows:
        print(
            {key: value if isinstance(value, str) else f"{value:.4g}" for key, value in row.items()}
        )
    if options.csv and rows:
        with open(options.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    if options.only in (None, "pyabc"):
        try:
            import pyabc  # noqa: F401
        except ImportError:
            print("pyABC is not installed: no comparison with it")
        else:
            against_pyabc()


if __name__ == "__main__":
    main()
