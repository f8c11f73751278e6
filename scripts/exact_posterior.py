"""The exact posterior of the observation and of the calibration simulations, where it is known."""

import numpy as np
from imnn_core.gradient import devices
from imnn_core.inference import exact, inputs, results
from imnn_core.problems import load, simulations
from imnn_core.problems.prior import of_run, prior_of
from imnn_core.store import unchecked
from imnn_core.workflow.jobs import job, log

BLOCK = 50  # observations whose grids are in memory at a time


@unchecked.named()
def exact_posterior(
    paths,
    path_to_exact,
    *,
    problem,
    prior,
    posterior,
    seed,
    observed,
    bar,
    given=None,
    path_to_box=None,
):
    """Write means, widths and evidences by quadrature, and samples at the observation.

    Where there is no likelihood, or there are more than three parameters, the file says so.

    Args:
        paths: to the parts of the set "calibration"; none where a user's files have them.
        problem, posterior, observed, given: see `compress_prior`.
        prior: the configuration's, which the observation's posterior has.
        path_to_box: to which the prior of simulations is cut in a refinement, or None.

    """
    devices.use("cpu")
    problem = load.at(None, **problem)
    why_not = unknown(problem)
    if why_not:
        log.info("no exact posterior: %s", why_not)
        results.write_exact(path_to_exact, None, None, why_not)
        return
    words = simulations.words_of(simulations.seed_key(seed, "posterior"))
    d, _ = inputs.observations(observed, problem)
    grid = exact.posterior(problem.log_likelihood, prior_of(problem.names, prior), d)
    at = results.Exact(
        grid.mean,
        grid.sd,
        grid.log_evidence,
        np.full(len(d), np.nan),
        grid.accurate,
        np.arange(len(d)),
    )
    theta = grid.sample(posterior["n_samples"], words)
    at, theta = kept(at), theta if grid.accurate[0] else None
    if not grid.accurate.all():
        log.info("warning: the exact posterior of the observation is not known: no grid holds it")
    cut = of_run(problem.names, prior, path_to_box)
    calibration = calibrated(paths, problem, cut, posterior, seed, given, bar)
    results.write_exact(path_to_exact, at, calibration, "", theta)
    log.info("wrote %s", path_to_exact)


def unknown(problem):
    """Why the exact posterior is not known; empty if it is."""
    if problem.log_likelihood is None:
        return "the problem has no likelihood"
    if problem.n_params > 3:
        return f"{problem.n_params} parameters are too many for a grid"
    return ""


def calibrated(paths, problem, prior, posterior, seed, given, bar):
    """The exact posterior of each simulation for calibration; NaN for those that failed."""
    if not paths and (given is None or not posterior["n_calibration"]):
        return None
    over = problem.over(prior)
    with inputs.opened(paths, given, over, seed, "calibration", True) as source:
        n = len(source.fiducial)
        rows = np.arange(n)
        if given is not None:
            rows = np.flatnonzero(inputs.held_out(n, posterior["n_calibration"], seed))
        blocks = []
        for start in range(0, len(rows), BLOCK):
            blocks.append(of_block(source, rows[start : start + BLOCK], over, prior))
            bar.show(min(start + BLOCK, len(rows)), len(rows), "exact posteriors")
    found = results.Exact(*map(np.concatenate, zip(*blocks, strict=True)))
    if n_odd := int(np.sum(~found.accurate)):
        log.info("warning: %d of %d are left out: no grid holds them to 2 %%", n_odd, len(rows))
    return kept(found)


def kept(found):
    """Exact posteriors, NaN where the grid is not accurate."""
    fine = found.accurate
    return found._replace(
        mean=np.where(fine[:, None], found.mean, np.nan),
        sd=np.where(fine[:, None], found.sd, np.nan),
        log_evidence=np.where(fine, found.log_evidence, np.nan),
    )


def of_block(source, rows, problem, prior):
    """The exact posterior of some simulations."""
    d = np.empty((len(rows), *problem.input_shape), source.fiducial.dtype)
    theta = np.empty((len(rows), problem.n_params), source.derivative.dtype)
    for i, row in enumerate(rows):
        source.read("fiducial", int(row), d[i : i + 1])
        source.read("derivative", int(row), theta[i : i + 1])
    fine = np.isfinite(d.reshape(len(d), -1)).all(axis=1)
    n, p = theta.shape
    found = results.Exact(
        np.full((n, p), np.nan), np.full((n, p), np.nan), *np.full((2, n), np.nan), ~fine, rows
    )
    if fine.any():
        grid = exact.posterior(problem.log_likelihood, prior, d[fine])
        log_l = exact.log_likelihoods(problem.log_likelihood, theta[fine], d[fine])
        of = (grid.mean, grid.sd, grid.log_evidence, log_l, grid.accurate)
        for array, values in zip(found, of, strict=False):
            array[fine] = values
    return found


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads) as bar:
        exact_posterior(
            paths=list(snakemake.input.get("calibration", [])),
            path_to_exact=snakemake.output.exact,
            problem=snakemake.params.problem,
            prior=snakemake.params.prior,
            path_to_box=snakemake.input.get("cut_prior"),
            posterior=snakemake.params.posterior,
            seed=int(snakemake.wildcards.seed),
            observed=inputs.observed_of(snakemake.input, snakemake.params.first_seed),
            bar=bar,
            given=snakemake.params.given,
        )
