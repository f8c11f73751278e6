"""Take theta_fid of the next refinement, and a box for its prior, from this run's results."""

import numpy as np
from imnn_core.evaluation import weighted
from imnn_core.inference import results
from imnn_core.problems.prior import prior_of
from imnn_core.store import texts, unchecked
from imnn_core.store.errors import InputError
from imnn_core.workflow.jobs import job, log

TAIL = 1e-4  # of each posterior at each side, beyond which the box may end
WIDER = 0.2  # of the width between these ends, by which it is wider on each side


@unchecked.named()
def refine(paths_to_estimates, path_to_theta, *, paths_to_posteriors=(), method=None, prior=None):
    """Write the estimate of the best recipe, averaged over seeds and observations.

    The best recipe has the largest |F| on the test set, averaged over seeds.

    Args:
        paths_to_estimates: one file of `estimate` for each recipe and seed.
        paths_to_posteriors: one file of `infer` for each recipe, seed and method.
        method: whose posterior's mean takes the estimate's place, or None.
        prior: of the configuration, inside of which theta_fid has to lie, or None.

    Raises:
        InputError: it does not.

    """
    if method is None:
        found = [texts.read_json(path) for path in paths_to_estimates]
    else:
        found = list(means_of(paths_to_posteriors, method))
    of_fit = {}
    for each in found:
        of_fit.setdefault(each["fit"], []).append(each)
    fit = max(of_fit, key=lambda name: np.mean([each["det_F"] for each in of_fit[name]]))
    each = np.array([np.mean(of["estimates"], axis=0) for of in of_fit[fit]])
    theta_fid, names = each.mean(axis=0), of_fit[fit][0]["names"]
    what = "estimate" if method is None else f"posterior by {method}"
    log.info("theta_fid: mean %s of recipe %s over %d seeds", what, fit, len(each))
    for name, value, spread in zip(names, theta_fid, np.ptp(each, axis=0), strict=True):
        log.info("%s = %.6g; range over seeds %.2g", name, value, spread)
    if prior is not None:
        check_inside(names, theta_fid, prior)
    texts.write_json(
        path_to_theta,
        {"theta_fid": theta_fid.tolist(), "names": names, "fit": fit, "of_seeds": each.tolist()},
    )


def means_of(paths_to_posteriors, method):
    """Posteriors' means by one method, as `estimate` writes estimates."""
    for path in paths_to_posteriors:
        posterior = results.read_posterior(path)
        if posterior.about["method"] == method:
            mean, _ = weighted.moments(posterior.theta, posterior.weights)
            names = list(posterior.prior.names)
            yield posterior.about | {"estimates": mean.tolist(), "names": names}


def check_inside(names, theta_fid, prior):
    """See that theta_fid lies inside of the prior, as the configuration's has to."""
    bounds = prior_of(names, prior).bounds
    for name, value, (low, high) in zip(names, theta_fid, bounds, strict=True):
        if not low < value < high:
            raise InputError(
                f"theta_fid of the next refinement: expected {name} inside of its prior, {low:g} "
                f"to {high:g}, found {value:g}; widen the prior, or take another "
                "posterior.refine_by"
            )


@unchecked.named()
def cut_prior(paths_to_posteriors, path_to_prior):
    """Write the box that holds nearly all of each posterior, by which the next prior is cut.

    Within it the posterior keeps its shape, since likelihood and prior do. What lies outside is
    lost, which is less than TAIL at each side by this run's posteriors.
    """
    ends, prior = [], None
    for path in paths_to_posteriors:
        posterior = results.read_posterior(path)
        prior = posterior.prior
        for theta, weights in zip(posterior.theta, posterior.weights, strict=True):
            ends.append([weighted.quantiles(x, weights, [TAIL, 1 - TAIL]) for x in theta.T])
    low, high = np.min(ends, axis=0)[:, 0], np.max(ends, axis=0)[:, 1]
    margin = WIDER * (high - low)
    bounds = prior.bounds
    low, high = np.maximum(low - margin, bounds[:, 0]), np.minimum(high + margin, bounds[:, 1])
    cut = prior.truncated_to(np.stack([low, high], axis=1))
    for name, a, b in zip(prior.names, low, high, strict=True):
        log.info("prior of %s: from %.6g to %.6g", name, a, b)
    share = np.exp(cut.log_mass - prior.log_mass)
    log.info("of this run's prior %.3g %% lie in this box", 100 * share)
    texts.write_json(path_to_prior, cut.plain())


if __name__ == "__main__":
    with job(snakemake.log[0]):
        refine(
            paths_to_estimates=snakemake.input.estimates,
            path_to_theta=snakemake.output.theta_fid,
            paths_to_posteriors=snakemake.input.get("posteriors", ()),
            method=snakemake.params.get("refine_by"),
            prior=snakemake.params.get("prior"),
        )
        if snakemake.output.get("prior"):
            cut_prior(
                paths_to_posteriors=snakemake.input.posteriors,
                path_to_prior=snakemake.output.prior,
            )
