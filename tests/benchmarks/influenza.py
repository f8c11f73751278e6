"""The exact posterior of config/examples/influenza.py, which knows nothing of summaries.

How many are susceptible is not observed; the likelihood sums over it. From one day to the next the
probabilities of all states (susceptible, ill) follow the master equation, solved by uniformisation:
with the largest rate L, p(1) = sum over k of Poisson(k; L) (1 + Q / L)^k p(0). The posterior is its
product with the prior, flat here, on a grid.

    python tests/benchmarks/influenza.py --csv influenza.csv
"""

import argparse
import csv
import itertools
import math
from multiprocessing import Pool

import numpy as np

BOYS = 763
IN_BED = (3, 8, 26, 76, 225, 298, 258, 233, 189, 128, 68, 29, 14, 4)
OUTBREAK = 50  # boys ever ill, without whom there is no simulation
SLACK = 70  # boys who may be ill between two days above or below both days' numbers


def day(p, susceptible, ill, beta, gamma):
    """Probabilities of the states (susceptible, ill) a day later, (n_susceptible, n_ill)."""
    infection = beta / BOYS * susceptible[:, None] * ill
    removal = gamma * ill * np.ones_like(infection)
    largest = float((infection + removal).max())
    infects, removes = infection / largest, removal / largest
    stays = 1 - infects - removes
    spread = 9 * math.sqrt(largest) + 20  # beyond it, less than 1e-16 of Poisson(k; largest)
    later, following, moved = np.zeros_like(p), np.empty_like(p), np.empty_like(p)
    p = p.copy()
    for k in range(int(largest + spread)):
        if k > largest - spread:
            later += math.exp(k * math.log(largest) - largest - math.lgamma(k + 1)) * p
        np.multiply(stays, p, out=following)
        np.multiply(infects, p, out=moved)  # one more ill, one fewer susceptible
        following[:-1, 1:] += moved[1:, :-1]
        np.multiply(removes, p, out=moved)
        following[:, :-1] += moved[:, 1:]
        p, following = following, p
    return later


def chance_of_outbreak(beta, gamma, first=IN_BED[0]):
    """Probability that OUTBREAK boys become ill before nobody is, by the order of events alone."""
    later = np.ones(OUTBREAK + 1)  # with so many ill now, once OUTBREAK have been
    for ever_ill in range(OUTBREAK - 1, first - 1, -1):
        infects = beta * (BOYS - ever_ill) / BOYS
        infects /= infects + gamma
        now = np.zeros(OUTBREAK + 1)
        for ill in range(1, ever_ill + 1):
            now[ill] = infects * later[ill + 1] + (1 - infects) * now[ill - 1]
        later = now
    return later[first]


def log_likelihood(beta, gamma, in_bed=IN_BED):
    """Log probability of the numbers after the first one, given that one, beta, gamma and that
    there is an outbreak; of numbers that reach OUTBREAK.
    """
    total = -math.log(chance_of_outbreak(beta, gamma, in_bed[0]))
    low = high = BOYS - in_bed[0]
    chance = np.ones(
        1
    )  # of each number of susceptible boys from low to high, given the days so far
    for now, then in itertools.pairwise(in_bed):
        bottom = max(0, low - max(then - now, 0) - 2 * SLACK)
        susceptible = np.arange(bottom, high + 1.0)
        ill = np.arange(max(0, min(now, then) - SLACK), max(now, then) + SLACK + 1.0)
        p = np.zeros((len(susceptible), len(ill)))
        p[low - bottom :, now - int(ill[0])] = chance
        chance = day(p, susceptible, ill, beta, gamma)[:, then - int(ill[0])]
        probability = chance.sum()
        if probability <= 0:
            return -math.inf
        total += math.log(probability)
        (kept,) = np.nonzero(chance > 1e-12 * chance.max())
        low, high = bottom + int(kept[0]), bottom + int(kept[-1])
        chance = chance[kept[0] : kept[-1] + 1] / probability
    return total


def grid(low, high, n):
    return np.linspace(low, high, n)


def summary(theta, weights):
    """Means and standard deviations of beta, gamma and R0 = beta / gamma."""
    values = np.column_stack([theta, theta[:, 0] / theta[:, 1]])
    mean = weights @ values
    return mean, np.sqrt(weights @ (values - mean) ** 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--beta", type=float, nargs=2, default=(1.4, 2.4))
    parser.add_argument("--gamma", type=float, nargs=2, default=(0.40, 0.56))
    parser.add_argument("--n", type=int, default=13, help="points of the grid in each parameter")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--csv", help="the grid, with ln L of each point")
    options = parser.parse_args()
    axes = grid(*options.beta, options.n), grid(*options.gamma, options.n)
    theta = np.array(list(itertools.product(*axes)))
    with Pool(options.processes) as pool:
        log_L = np.array(pool.starmap(log_likelihood, theta.tolist(), chunksize=1))
    weights = np.exp(log_L - log_L.max())
    weights /= weights.sum()
    for name, mean, sd in zip(("beta", "gamma", "R0"), *summary(theta, weights), strict=True):
        print(f"{name:5s} {mean:.4f} ± {sd:.4f}")
    plane = weights.reshape(options.n, options.n)
    edge = max(plane[[0, -1]].sum(), plane[:, [0, -1]].sum())
    print(
        f"ln L at most {log_L.max():.2f}, at {theta[log_L.argmax()]}; at the grid's edge {edge:.1e}"
    )
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            csv.writer(file).writerows([("beta", "gamma", "log_likelihood")])
            csv.writer(file).writerows(zip(*theta.T.tolist(), log_L.tolist(), strict=True))


if __name__ == "__main__":
    main()
