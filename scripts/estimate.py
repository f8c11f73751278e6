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
from imnn_core.store import fits, texts, unchecked
from imnn_core.store.errors import InputError
from imnn_core.workflow.jobs import job, log


def check_statistics(path_to_information, found):
    """See that the statistics of the test set's summaries are finite."""
    lacking = [name for name, array in found._asdict().items() if not np.isfinite(array).all()]
    if lacking:
        raise InputError(
            f"{path_to_information}: expected finite statistics of the test set's summaries, found "
            f"NaN or infinity in {', '.join(lacking)}, so that nothing can be estimated from them; "
            "get more test simulations, or look at the fit's log and history"
        )


def check_finite(path_to_observed, of_each, what, observed, before):
    """See that what was made of each of the observed simulations is finite.

    Args:
        of_each: (n, …).
        what: it is.
        observed: the data, (n, *input_shape).
        before: what stands before the network, which may know the scale of simulations.

    """
    bad = np.flatnonzero(~np.isfinite(of_each).all(axis=-1))
    if not len(bad):
        return
    its = observed[bad[0]].astype(np.float64)
    size = f"numbers up to {np.abs(its).max():.2g} in it"
    if before.scale is not None:
        centre = 0 if before.centre is None else before.centre
        away = np.abs(its - centre - before.mean) / before.scale
        size += f", up to {away.max():.2g} deviations from the mean of simulations"
    raise InputError(
        f"observed ({path_to_observed}): expected data like the simulations at theta_fid, found "
        f"{what} that are not finite for observed simulation {bad[0]} of {len(observed)}, with "
        f"{size}"
    )


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
    information = texts.read_json(path_to_information)
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
    check_statistics(path_to_information, found)
    d = fitted.seen_of(observed, path_to_observed)
    x = jax.vmap(partial(fitted.network.apply, trees[recipe.evaluated]))(d)
    x = np.asarray(x, np.float64)
    check_finite(path_to_observed, x, "summaries", observed, fitted.inputs)
    estimates = measure.estimates(x, found, problem.theta_fid)
    check_finite(path_to_observed, estimates, "estimates", observed, fitted.inputs)
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
