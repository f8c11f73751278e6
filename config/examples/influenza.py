"""Influenza in a school of 763 boys, January 1978: how many are in bed, day by day.

A stochastic epidemic (SIR), exact: infections at the rate beta S I / 763, removals at gamma I.
"""

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.problems import Problem

BOYS, IN_BED_FIRST = 763, 3  # the first day's number is given; the simulation begins with it
DAYS = np.arange(1, 14)  # days after the first one
EVENTS = 2 * BOYS - IN_BED_FIRST  # each boy falls ill once and recovers once: no more can happen


def simulator(key, theta):
    """Numbers in bed on the thirteen days after the first one, (13,)."""
    beta, gamma = theta
    keys = jax.random.split(key)
    randoms = jax.random.uniform(keys[0], (EVENTS,)), jax.random.exponential(keys[1], (EVENTS,))

    def event(state, random):
        susceptible, ill = state
        which, wait = random
        infection, removal = beta * susceptible / BOYS, gamma  # rates per boy who is ill
        rate = (infection + removal) * ill
        infects = which * (infection + removal) < infection
        there_is_one = ill > 0
        susceptible -= there_is_one & infects
        ill += jnp.where(infects, 1, -1) * there_is_one
        return (susceptible, ill), (jnp.where(there_is_one, wait / rate, jnp.inf), ill)

    start = jnp.array(BOYS - IN_BED_FIRST), jnp.array(IN_BED_FIRST)
    _, (waits, ill) = jax.lax.scan(event, start, randoms)
    before = jnp.searchsorted(jnp.cumsum(waits), DAYS)  # events until each day
    return jnp.concatenate([start[1][None], ill])[before].astype(beta.dtype)


problem = Problem(
    simulator,
    theta_fid=[1.7, 0.5],
    names=["beta", "gamma"],
    input_shape=DAYS.shape,
    symbols=[r"\beta", r"\gamma"],
)
