"""Estimate the parameters of observed data from one fit's summaries of them."""

from functools import partial

import jax
import numpy as np
from imnn_core.compression import compressor
from imnn_core.config.recipe import Recipe
from imnn_core.data import arrays
from imnn_core.evaluation import measure, warnings
from imnn_core.gradient import fisher
from imnn_core.gradient.matrices import is_positive_definite
from imnn_core.networks import inputs
from imnn_core.problems import load
from imnn_core.store import files, fits, unchecked
from imnn_core.store.errors import InputError
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
    problem = load.at(path_to_theta, **problem)
    recipe = Recipe(**recipe).of(problem.n_params)
    observed = arrays.read_observed(path_to_observed, problem)
    fitted = compressor.build(recipe, problem, inputs.of_fit(path_to_fit))
    trees, _, _, _ = fits.read_fit(path_to_fit, {recipe.evaluated: fitted.like()})
    information = files.read_json(path_to_information)
    found = fisher.Statistics(
        **{name: np.array(array, np.float64) for name, array in information["calibration"].items()}
    )
    measured = information["splits"]["test"]["network"]
    F, det_F = (np.array(measured[name]["debiased"], np.float64) for name in ("F", "det_F"))
    if not is_positive_definite(F):
        raise InputError(
            f"{path_to_fit}: expected a positive definite F of the test set, found {F.tolist()}; "
            "no error follows from it"
        )
    d = fitted.seen_of(observed, path_to_observed)
    x = jax.vmap(partial(fitted.network.apply, trees[recipe.evaluated]))(d)
    estimates = measure.estimates(np.asarray(x, np.float64), found, problem.theta_fid)
    covariance = np.linalg.inv(F)
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
        "det_F": float(det_F),
        "observed": str(path_to_observed),
    }
    if (away := warnings.distance(written)) > warnings.FAR:
        log.info(
            "warning: %.3g bounds from theta_fid, where neither F nor its error need hold; see "
            "`refine`",
            away,
        )
    files.write_json(path_to_estimate, written)


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
