"""Compress a user's files of simulations with one fit: summaries, and estimates of theta."""

import json

from imnn_core.config.recipe import Recipe
from imnn_core.data.listed import open_listed
from imnn_core.data.progress import Progress
from imnn_core.fitted import files
from imnn_core.fitted.load import of_files
from imnn_core.gradient import devices
from imnn_core.problems import load
from imnn_core.store import unchecked
from imnn_core.workflow.jobs import job, log


@unchecked.named()
def compress(
    given,
    path_to_fit,
    path_to_information,
    path_to_compressed,
    *,
    name,
    problem,
    fit,
    seed,
    recipe,
    bar,
    path_to_theta=None,
):
    """Write summaries and estimates of all simulations in some files, in their order.

    Args:
        given: names the files, as in the configuration.
        path_to_information: what was measured of the fit.
        name: of these simulations in the configuration.
        problem: of the fit, which may have networks of its own.
        bar: shows progress, see `bar.Bar`.
        path_to_theta: theta_fid of a refinement, in place of the problem's, or None.

    """
    recipe = Recipe(**recipe)
    devices.use(recipe.devices, recipe.n_devices)
    problem = load.at(path_to_theta, **problem)
    compressor = of_files(path_to_fit, path_to_information, problem)
    where = f"compress.{name}"
    takes_float32 = compressor.centre is None
    with open_listed(given, problem.input_shape, where, takes_float32=takes_float32) as d:
        log.info("%s: %d simulations of %s", name, d.shape[0], d.dtype)
        attributes = {"fit": fit, "seed": seed, "name": name, "files": json.dumps(given)[:10_000]}
        progress = Progress(d.shape[0], d.shape[0], "simulations", bar.show)
        n_far = files.compress(compressor, d, path_to_compressed, attributes, where, progress.add)
        log.info("wrote %s", path_to_compressed)
        for line in files.doubts(compressor, n_far, d.shape[0]):
            log.info("warning: %s", line)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.recipe["threads"]) as bar:
        compress(
            snakemake.params.given,
            path_to_fit=snakemake.input.fit,
            path_to_information=snakemake.input.information,
            path_to_compressed=snakemake.output.compressed,
            name=snakemake.wildcards.compressed,
            problem=snakemake.params.problem,
            fit=snakemake.wildcards.fit,
            seed=int(snakemake.wildcards.seed),
            recipe=snakemake.params.recipe,
            bar=bar,
            path_to_theta=snakemake.input.get("theta_fid"),
        )
