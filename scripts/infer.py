"""Infer the posterior of the parameters by one method, from one fit's summaries."""

import time
from pathlib import Path

import numpy as np
from imnn_core.evaluation import weighted
from imnn_core.gradient import devices
from imnn_core.inference import (
    chains,
    doubts,
    methods,
    populations,
    results,
    simulating,
    summaries,
)
from imnn_core.problems import simulations
from imnn_core.store import unchecked
from imnn_core.store.wording import in_time
from imnn_core.workflow.jobs import job, log


@unchecked.named()
def infer(
    path_to_summaries,
    path_to_posterior,
    *,
    method,
    fit,
    seed,
    posterior,
    problem,
    path_to_fit,
    path_to_information,
    threads,
    bar,
    path_to_theta=None,
):
    """Write samples of the posterior with their weights: HDF5, CSV and GetDist's chain.

    Args:
        path_to_posterior: HDF5; the other files lie beside it under the same name.
        posterior: this part of the configuration.
        problem: for population Monte Carlo, which simulates with one fit.
        threads: processes of a simulator in numpy.

    """
    devices.use("cpu")
    found = summaries.read(path_to_summaries)
    began = time.monotonic()
    key = simulations.seed_key(seed, "posterior")
    task = methods.Task(found, posterior, tuple(simulations.words_of(key)), bar.show)
    state, n_simulations = {}, len(found.simulated.x) * (method != "gaussian")
    if method == "neural":
        network = methods.trained(task)
        state = network.arrays()
        log.info("trained: %s", network.report)
    if method == "pmc":
        simulate = simulating.of_fit(
            problem, path_to_fit, path_to_information, threads, path_to_theta
        )
        stream = simulations.seed_key(seed, "pmc")
        samples = populations.of_observations(
            task, simulate, found.observed, stream, path_to_posterior
        )
        n_simulations = int(samples.facts["n_simulations"].sum())
    else:
        samples = methods.SAMPLE[method](task, state, found.observed, task.words)
    seconds = time.monotonic() - began
    log.info("%s: %d simulations, %s", method, n_simulations, in_time(seconds))
    told = list(of_all(found, samples))
    about = {
        "method": method,
        "fit": fit,
        "seed": seed,
        "n_simulations": n_simulations,
        "seconds": seconds,
        "doubts": told,
        "det_F": found.about["det_F"][0],
        "theta_fid": found.about["theta_fid"],
        "is_observed": found.about["is_observed"],
        "facts": {name: array.tolist() for name, array in samples.facts.items()},
    }
    results.write_posterior(path_to_posterior, found.prior, samples, state, about)
    write_texts(Path(path_to_posterior), found, samples)


def of_all(found, samples):
    """Doubts about each observation's samples; what each one is."""
    zeros = np.zeros(len(samples.theta))
    for i, (theta, weights) in enumerate(zip(samples.theta, samples.weights, strict=True)):
        of = [
            *found.about["doubts"][i],
            *doubts.of_samples(theta, weights, samples.effective[i], found.prior),
            *doubts.of_epsilon(samples.facts.get("epsilon", zeros)[i], theta.shape[-1]),
        ]
        mean, sd = weighted.moments(theta, weights)
        for name, value, width in zip(found.prior.names, mean, sd, strict=True):
            log.info("observation %d: %s = %.5g +- %.2g", i, name, value, width)
        for line in of:
            log.info("warning: observation %d: %s", i, line)
        yield of


def write_texts(path, found, samples):
    """Samples of all observations as CSV, those of the first one as a chain of GetDist."""
    names = found.prior.names
    n_obs, n, p = samples.theta.shape
    theta = samples.theta.reshape(n_obs * n, p)
    if n_obs > 1:
        theta = np.column_stack([np.repeat(np.arange(n_obs), n), theta])
        names = ("observation", *names)
    chains.write_csv(path.with_suffix(".csv"), theta, samples.weights.ravel(), names)
    chains.write_getdist(
        path.with_suffix(""),
        samples.theta[0],
        samples.weights[0],
        found.prior.names,
        found.about["symbols"],
        found.prior.bounds,
    )


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads) as bar:
        infer(
            path_to_summaries=snakemake.input.summaries,
            path_to_posterior=snakemake.output.posterior,
            method=snakemake.wildcards.method,
            fit=snakemake.wildcards.fit,
            seed=int(snakemake.wildcards.seed),
            posterior=snakemake.params.posterior,
            problem=snakemake.params.problem,
            path_to_fit=snakemake.input.fit,
            path_to_information=snakemake.input.information,
            threads=snakemake.threads,
            bar=bar,
            path_to_theta=snakemake.input.get("theta_fid"),
        )
