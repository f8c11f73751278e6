"""Take theta_fid of the next refinement from the estimates of the observed data."""

import numpy as np
from imnn_core.store import texts, unchecked
from imnn_core.workflow.jobs import job, log


@unchecked.named()
def refine(paths_to_estimates, path_to_theta):
    """Write the estimate of the best recipe, averaged over seeds and observations.

    The best recipe has the largest |F| on the test set, averaged over seeds.

    Args:
        paths_to_estimates: one file of `estimate` for each recipe and seed.

    """
    of_fit = {}
    for path in paths_to_estimates:
        found = texts.read_json(path)
        of_fit.setdefault(found["fit"], []).append(found)
    fit = max(of_fit, key=lambda name: np.mean([found["det_F"] for found in of_fit[name]]))
    each = np.array([np.mean(found["estimates"], axis=0) for found in of_fit[fit]])
    theta_fid, names = each.mean(axis=0), of_fit[fit][0]["names"]
    log.info("theta_fid: mean estimate of recipe %s over %d seeds", fit, len(each))
    for name, value, spread in zip(names, theta_fid, np.ptp(each, axis=0), strict=True):
        log.info("%s = %.6g; range over seeds %.2g", name, value, spread)
    texts.write_json(
        path_to_theta,
        {"theta_fid": theta_fid.tolist(), "names": names, "fit": fit, "of_seeds": each.tolist()},
    )


if __name__ == "__main__":
    with job(snakemake.log[0]):
        refine(
            paths_to_estimates=snakemake.input.estimates, path_to_theta=snakemake.output.theta_fid
        )
