"""Compress simulations from the prior, and the observation, with one fit."""

from imnn_core.config.recipe import Recipe
from imnn_core.data.progress import Progress
from imnn_core.fitted.load import of_files
from imnn_core.gradient import devices
from imnn_core.inference import inputs, reach, summaries
from imnn_core.problems import load
from imnn_core.problems.prior import of_run
from imnn_core.store import unchecked
from imnn_core.store.errors import InputError
from imnn_core.workflow.jobs import job, log


@unchecked.named()
def compress_prior(
    paths,
    path_to_fit,
    path_to_information,
    path_to_summaries,
    *,
    problem,
    prior,
    posterior,
    recipe,
    fit,
    seed,
    observed,
    bar,
    given=None,
    path_to_box=None,
    path_to_theta=None,
):
    """Write summaries of the simulations from the prior, of those for calibration and observed.

    Args:
        paths: to parts of the sets "prior" and "calibration"; none where a user's files have them.
        path_to_information: what was measured of the fit.
        problem, prior: see `simulate`.
        posterior: this part of the configuration.
        observed: where the observation lies, see `inputs.Observed`.
        bar: shows progress, see `bar.Bar`.
        given: names the user's files, of `theta` and `d`, or None.
        path_to_box: to which the prior of a refinement is cut, or None.
        path_to_theta: theta_fid of a refinement, in place of the problem's, or None.

    """
    recipe = Recipe(**recipe)
    devices.use(recipe.devices, recipe.n_devices)
    problem = load.at(path_to_theta, **problem)
    prior = of_run(problem.names, prior, path_to_box)
    compressor = of_files(path_to_fit, path_to_information, problem)
    over, takes_float32 = problem.over(prior), compressor.centre is None
    found, n_failed, n_all = {}, 0, 0
    for split in ("prior", "calibration"):
        if not paths[split] and (given is None or split == "calibration"):
            found[split] = summaries.nothing(problem.n_params, compressor.n_summaries)
            continue
        with inputs.opened(paths[split], given, over, seed, split, takes_float32) as source:
            n = len(source.fiducial)
            log.info("%s: %d simulations", split, n)
            progress = Progress(n, n, "simulations", bar.show)
            where = inputs.WHERE if given else f"simulations of the {split}"
            of_split = summaries.of_source(
                compressor, source, where, posterior["failures"], progress.add
            )
            found[split] = of_split._replace(theta=prior.unrounded(of_split.theta))
            n_failed, n_all = n_failed + n - len(of_split.x), n_all + n
    if given is not None:
        if posterior["n_calibration"] >= n:
            raise InputError(
                f"posterior.n_calibration: expected fewer than the {n} simulations that there are, "
                f"found {posterior['n_calibration']}"
            )
        which = inputs.held_out(n, posterior["n_calibration"], seed)[found["prior"].index]
        found["calibration"] = found["prior"].rows(which)
        found["prior"] = found["prior"].rows(~which)
    d, where = inputs.observations(observed, problem)
    about = {
        "names": list(problem.names),
        "symbols": list(problem.symbols),
        "theta_fid": problem.theta_fid.tolist(),
        "covariance": compressor.covariance.tolist(),
        "why_not": compressor.why_not,
        "det_F": list(compressor.measured.det_F),
        "is_observed": observed.path is not None,
        "n_failed": n_failed,
        "n_all": n_all,
    }
    at = summaries.of_observed(compressor, d, where)
    result = summaries.Summaries(prior, found["prior"], found["calibration"], at, about)
    if given is not None:
        reach.check_theta(result, inputs.WHERE)
    about["doubts"] = reach.of_observations(result)
    for i, of in enumerate(about["doubts"]):
        for line in of:
            log.info("warning: observation %d: %s", i, line)
    summaries.write(path_to_summaries, result, {"fit": fit, "seed": seed})
    log.info("wrote %s", path_to_summaries)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.recipe["threads"]) as bar:
        compress_prior(
            paths={
                split: list(snakemake.input.get(split, [])) for split in ("prior", "calibration")
            },
            path_to_fit=snakemake.input.fit,
            path_to_information=snakemake.input.information,
            path_to_summaries=snakemake.output.summaries,
            problem=snakemake.params.problem,
            prior=snakemake.params.prior,
            path_to_box=snakemake.input.get("cut_prior"),
            posterior=snakemake.params.posterior,
            recipe=snakemake.params.recipe,
            fit=snakemake.wildcards.fit,
            seed=int(snakemake.wildcards.seed),
            observed=inputs.observed_of(snakemake.input, snakemake.params.first_seed),
            bar=bar,
            given=snakemake.params.given,
            path_to_theta=snakemake.input.get("theta_fid"),
        )
