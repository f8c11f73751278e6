"""Estimate the parameters of observed data from one fit's summaries of them."""

import numpy as np
from imnn_core.config.recipe import Recipe
from imnn_core.data import arrays
from imnn_core.evaluation import warnings
from imnn_core.fitted import finite
from imnn_core.fitted.load import of_files
from imnn_core.gradient import devices
from imnn_core.problems import load
from imnn_core.store import texts, unchecked
from imnn_core.workflow.jobs import job, log


@unchecked.named()
def estimate(
    path_to_observed,
    path_to_fit,
    path_to_information,
    path_to_estimate,
    *,
    problem,
    fit,
    seed,
    recipe,
    path_to_theta=None,
):
    """Write estimates of the parameters of the observed data, with errors from F.

    theta_fid + F^-1 (dmu/dtheta)^T C^-1 (x - mu), with x the summaries of the observed data. The
    statistics are those of the test set, which neither fitted nor chose the weights; F is without
    its bias of order 1/n.
    """
    given = Recipe(**recipe)
    devices.use(given.devices, given.n_devices)
    problem = load.at(path_to_theta, **problem)
    observed = arrays.read_observed(path_to_observed, problem)
    compressor = of_files(path_to_fit, path_to_information, problem)
    # Before anything is computed: they may not exist.
    covariance, _ = compressor.covariance, compressor.measured.statistics
    where = f"observed ({path_to_observed})"
    x = compressor.summaries(observed, where)
    called = "observed simulation"
    finite.check(x, "summaries", observed, compressor, where, called)
    estimates = compressor.estimates_of(x)
    finite.check(estimates, "estimates", observed, compressor, where, called)
    measured = compressor.measured.test["network"]
    for values in estimates:
        shown = zip(problem.names, values, np.sqrt(np.diag(covariance)), strict=True)
        log.info(
            "%s", ", ".join(f"{name} = {value:.4g} +- {error:.2g}" for name, value, error in shown)
        )
    written = {
        "fit": fit,
        "seed": seed,
        "names": list(problem.names),
        "theta_fid": problem.theta_fid.tolist(),
        "estimates": estimates.tolist(),
        "covariance": covariance.tolist(),
        "error": np.sqrt(np.diag(covariance)).tolist(),
        "det_F": float(measured["det_F"]["debiased"]),
        "observed": str(path_to_observed),
    }
    if (away := warnings.distance(written)) > warnings.FAR:
        log.info(
            "warning: %.3g bounds from theta_fid, where neither F nor its error need hold; see "
            "`refine`",
            away,
        )
    texts.write_json(path_to_estimate, written)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.recipe["threads"]):
        estimate(
            path_to_observed=snakemake.input.observed,
            path_to_fit=snakemake.input.fit,
            path_to_information=snakemake.input.information,
            path_to_estimate=snakemake.output.estimate,
            problem=snakemake.params.problem,
            fit=snakemake.wildcards.fit,
            seed=int(snakemake.wildcards.seed),
            recipe=snakemake.params.recipe,
            path_to_theta=snakemake.input.get("theta_fid"),
        )
