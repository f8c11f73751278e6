"""Estimate the parameters of observed data from one fit's summaries of them."""

import jax
import numpy as np
from imnn_core import files, fisher, measure, problems, recipes, sets, storage
from imnn_core.jobs import job, log
from imnn_core.schema import Recipe


def estimate(path_to_observed, path_to_fit, path_to_estimate, *, problem, fit, seed, recipe, path_to_theta=None):
    """Compress the observed data and write their estimates theta_fid + F^-1 (dmu/dtheta)^T C^-1 (x - mu), with errors from F.

    The statistics are those of the validation set, or of training where there was none, at the weights that the recipe chose.
    """
    recipe = Recipe(**recipe)
    problem = problems.at(path_to_theta, **problem)
    observed = sets.read_observed(path_to_observed, problem)
    fitter = recipes.build(recipe, problem, scaling=storage.read_scaling(path_to_fit))
    like = fitter.first_state(seed).weights
    trees, _, statistics, _ = storage.read_fit(path_to_fit, {recipe.evaluated: like})
    split = "validation" if "validation" in statistics else "training"
    found = fisher.Statistics(**statistics[split])
    x = jax.vmap(lambda d: fitter.network.apply(trees[recipe.evaluated], d))(observed)
    estimates = measure.estimates(np.asarray(x, np.float64), found, problem.theta_fid)
    covariance = np.linalg.inv(found.F)
    for values in estimates:
        shown = zip(problem.names, values, np.sqrt(np.diag(covariance)), strict=True)
        log.info("%s", ", ".join(f"{name} = {value:.4g} +- {error:.2g}" for name, value, error in shown))
    files.write_json(
        path_to_estimate,
        {
            "fit": fit,
            "seed": seed,
            "names": list(problem.names),
            "theta_fid": problem.theta_fid.tolist(),
            "estimates": estimates.tolist(),
            "covariance": covariance.tolist(),
            "error": np.sqrt(np.diag(covariance)).tolist(),
            "statistics": split,
            "det_F": fisher.determinant(found.F),
            "observed": str(path_to_observed),
        },
    )


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.recipe["threads"]):
        estimate(
            path_to_observed=snakemake.input.observed,
            path_to_fit=snakemake.input.fit,
            path_to_estimate=snakemake.output.estimate,
            problem=snakemake.params.problem,
            fit=snakemake.wildcards.fit,
            seed=int(snakemake.wildcards.seed),
            recipe=snakemake.params.recipe,
            path_to_theta=snakemake.input.get("theta_fid"),
        )
