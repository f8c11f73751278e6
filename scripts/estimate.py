"""Estimate the parameters of observed data from one fit's summaries of them."""

import jax
import numpy as np
from imnn_core.config.recipe import Recipe
from imnn_core.data import arrays
from imnn_core.evaluation import measure, warnings
from imnn_core.gradient import fisher
from imnn_core.networks import scaling
from imnn_core.problems import load
from imnn_core.store import files, fits
from imnn_core.store.errors import InputError
from imnn_core.training import fitters
from imnn_core.workflow.jobs import job, log


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
    """Compress the observed data and write their estimates theta_fid + F^-1 (dmu/dtheta)^T C^-1 (x - mu), with errors from F.

    The statistics are those of the test set, which neither fitted nor chose the weights; F without
    its bias of order 1/n.
    """
    recipe = Recipe(**recipe)
    problem = load.at(path_to_theta, **problem)
    observed = arrays.read_observed(path_to_observed, problem)
    fitter = fitters.build(recipe, problem, scaling=scaling.of_fit(path_to_fit))
    like = fitter.first_state(seed).weights
    trees, _, _, _ = fits.read_fit(path_to_fit, {recipe.evaluated: like})
    information = files.read_json(path_to_information)
    found = fisher.Statistics(
        **{name: np.array(array, np.float64) for name, array in information["calibration"].items()}
    )
    measured = information["splits"]["test"]["network"]
    F, det_F = (np.array(measured[name]["debiased"], np.float64) for name in ("F", "det_F"))
    if not (np.isfinite(F).all() and np.linalg.eigvalsh(F)[0] > 0):
        raise InputError(
            f"{path_to_fit}: expected a positive definite F of the test set, found {F.tolist()}; "
            "no error follows from it"
        )
    x = jax.vmap(lambda d: fitter.network.apply(trees[recipe.evaluated], d))(observed)
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
