"""Prey and hunters: a simulator in numpy that takes some 20 ms, for what costs minutes.

Their logarithms follow dx = (growth - e^y) dt + noise dW and dy = (e^x - loss) dt + noise dW.
"""

from math import exp, log

import numpy as np
from imnn_core.problems import Problem

STEPS, EACH, DT, NOISE = 12_000, 600, 0.001, 0.1  # seen each 0.6 of a time of 12


def simulator(rng, theta):  # all random numbers are from rng, so many at whatever theta
    growth, loss = theta
    kicks = (NOISE * DT**0.5 * rng.standard_normal((STEPS, 2))).tolist()
    x, y, seen = log(1.5), log(0.8), []
    for step, (dx, dy) in enumerate(kicks, start=1):
        x, y = x + (growth - exp(y)) * DT + dx, y + (exp(x) - loss) * DT + dy
        if step % EACH == 0:
            seen += [x, y]
    return np.array(seen)


problem = Problem(
    simulator,
    theta_fid=[1.0, 1.0],
    names=["growth", "loss"],
    input_shape=[2 * STEPS // EACH],
    numpy=True,
)
