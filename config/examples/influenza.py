"""Influenza in a school of 763 boys, January 1978: how many are in bed, day by day.

A stochastic epidemic (SIR), event by event: a boy is infected at the rate beta S I / 763, and one
recovers at the rate gamma I (per day), where S are susceptible and I are ill.
"""

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.problems import Problem

BOYS, IN_BED_FIRST = 763, 3  # the first day's number is given: the simulation begins with it
DAYS = np.arange(1, 14)  # the other thirteen days
EVENTS = 2 * BOYS - IN_BED_FIRST  # at most: each boy is infected once and recovers once


def simulator(key, theta):  # one epidemic: boys in bed on these days, (13,)
    beta, gamma = theta
    of_kinds, of_waits = jax.random.split(key)
    kinds = jax.random.uniform(of_kinds, (EVENTS,))
    waits = jax.random.exponential(of_waits, (EVENTS,))

    def event(state, randoms):
        susceptible, ill = state
        kind, wait = randoms
        infection, recovery = beta * susceptible / BOYS, gamma  # rates for each boy who is ill
        goes_on = ill > 0
        infects = kind * (infection + recovery) < infection
        susceptible = jnp.where(goes_on & infects, susceptible - 1, susceptible)
        wait = jnp.where(goes_on, wait / (ill * (infection + recovery)), jnp.inf)
        ill = jnp.where(goes_on, jnp.where(infects, ill + 1, ill - 1), 0)
        return (susceptible, ill), (wait, ill)

    start = jnp.array(BOYS - IN_BED_FIRST), jnp.array(IN_BED_FIRST)
    _, (waits, ill) = jax.lax.scan(event, start, (kinds, waits))
    ill = jnp.append(start[1], ill)  # after 0, 1, … events
    return ill[jnp.searchsorted(jnp.cumsum(waits), DAYS)].astype(beta.dtype)


problem = Problem(
    simulator,
    theta_fid=[1.7, 0.5],
    names=["beta", "gamma"],
    input_shape=DAYS.shape,
    symbols=[r"$\beta$", r"$\gamma$"],
)
