"""Influenza in a school of 763 boys, January 1978: how many are in bed, day by day.

A stochastic epidemic (SIR), event by event: a boy is infected at the rate beta S I / 763, and one
recovers at the rate gamma I (per day), where S are susceptible and I are ill. An epidemic that dies
out before it is an outbreak begins again: it would not have been in the journal.
"""

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.problems import Problem

BOYS, IN_BED_FIRST = 763, 3  # the first day's number is given: the simulation begins with it
OUTBREAK = 50  # boys who have been ill at least once
DAYS = np.arange(1, 14)  # the other thirteen days
EVENTS = 2 * BOYS + 100  # each boy is infected once and recovers once; the others to begin again


def simulator(key, theta):  # one epidemic: boys in bed on these days, (13,)
    beta, gamma = theta
    of_kinds, of_waits = jax.random.split(key)
    kinds = jax.random.uniform(of_kinds, (EVENTS,))
    waits = jax.random.exponential(of_waits, (EVENTS,))
    start = 0.0, float(BOYS - IN_BED_FIRST), float(IN_BED_FIRST)

    def event(state, randoms):
        _, susceptible, ill = state
        again = (ill == 0) & (susceptible > BOYS - OUTBREAK)
        time, susceptible, ill = (jnp.where(again, a, b) for a, b in zip(start, state, strict=True))
        kind, wait = randoms
        infection, recovery = beta * susceptible / BOYS, gamma  # rates for each boy who is ill
        infects = kind * (infection + recovery) < infection
        goes_on = ill > 0
        following = (
            jnp.where(goes_on, time + wait / (ill * (infection + recovery)), time),
            jnp.where(goes_on & infects, susceptible - 1, susceptible),
            jnp.where(goes_on, jnp.where(infects, ill + 1, ill - 1), ill),
        )
        return following, (again, time, ill)

    state = jax.tree.map(jnp.asarray, start)
    _, (again, times, ill) = jax.lax.scan(event, state, (kinds, waits))
    run = jnp.cumsum(again)
    times = jnp.where(run == run[-1], times, -jnp.inf)  # the last one, which became an outbreak
    return ill[jnp.searchsorted(times, DAYS, side="right") - 1]


problem = Problem(
    simulator,
    theta_fid=[1.7, 0.5],
    names=["beta", "gamma"],
    input_shape=DAYS.shape,
    symbols=[r"$\beta$", r"$\gamma$"],
)
