"""Calibrate one method: its posteriors of simulations whose parameters are known."""

import jax
import numpy as np
from imnn_core.gradient import devices
from imnn_core.inference import diagnostics, methods, populations, results, simulating, summaries
from imnn_core.problems import simulations
from imnn_core.store import unchecked
from imnn_core.workflow.jobs import job, log

BEYOND = 2**31  # the numbers of all observations, whose streams these are not
FEW = 1000  # samples of rejection, about
NUMBERS = 2_000_000  # of samples that are in memory at a time


@unchecked.named()
def calibrate(
    path_to_summaries,
    path_to_posterior,
    path_to_exact,
    path_to_calibration,
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
    """Write ranks, widths, TARP's fractions and densities at the true parameters.

    Population Monte Carlo, each of which simulates for itself, is calibrated by fewer simulations.

    Args:
        path_to_posterior: of the method, with its state.
        path_to_exact: exact posteriors of the same simulations, where they are known.

    """
    devices.use("cpu")
    found, state = summaries.read(path_to_summaries), results.read_posterior(path_to_posterior)
    words = tuple(simulations.words_of(simulations.seed_key(seed, "calibration")))
    task = methods.Task(found, posterior, words)
    calibration, sample = found.calibration, methods.SAMPLE.get(method)
    if method == "pmc":
        calibration = calibration.rows(slice(0, posterior["pmc"]["n_calibration"]))
        simulate = simulating.of_fit(
            problem, path_to_fit, path_to_information, threads, path_to_theta
        )
        of_pmc = jax.random.fold_in(simulations.seed_key(seed, "pmc"), BEYOND)

        def sample(task, state, observed, words):
            first = words[-1]
            return populations.of_observations(task, simulate, observed, of_pmc, None, first)

    rng = np.random.default_rng(words)
    n, p = calibration.theta.shape
    reference = rng.random((n, p))
    block = max(1, NUMBERS // (posterior.get("n_samples", FEW) * p))
    blocks, log_q = [], np.full(n, np.nan)
    for start in range(0, n, block):
        rows = slice(start, start + block)
        its = calibration.rows(rows)
        samples = sample(task, state.state, its, (*words, start))
        blocks.append(
            diagnostics.of_each(
                its.theta, samples.theta, samples.weights, found.prior, reference[rows], rng
            )
        )
        density = methods.log_density(method, task, state.state, its.theta, its)
        if density is not None:
            log_q[rows] = density
        bar.show(min(start + block, n), n, "posteriors")
    each = diagnostics.joined(blocks) if blocks else nothing(p)
    _, exact, _ = results.read_exact(path_to_exact)
    if exact is not None:
        place = np.searchsorted(exact.index, calibration.index)
        exact = results.Exact(*(array[place] for array in exact))
    about = {"method": method, "fit": fit, "seed": seed, "names": list(found.prior.names)}
    about |= {"symbols": found.about["symbols"]}
    log_prior = found.prior.log_density(calibration.theta)
    of = results.Calibration(each, log_q, log_prior, calibration.theta, exact, about)
    results.write_calibration(path_to_calibration, of)
    log.info("%s: %d posteriors; wrote %s", method, n, path_to_calibration)


def nothing(p):
    """Of no simulations."""
    return diagnostics.Each(*(np.empty((0, p)) for _ in range(3)), np.empty(0), np.empty(0))


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads) as bar:
        calibrate(
            path_to_summaries=snakemake.input.summaries,
            path_to_posterior=snakemake.input.posterior,
            path_to_exact=snakemake.input.exact,
            path_to_calibration=snakemake.output.calibration,
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
