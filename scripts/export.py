"""Write a fit's compressor as a program that needs jax alone, and what goes in and comes out."""

from imnn_core.fitted import export as exported
from imnn_core.fitted.load import of_files
from imnn_core.gradient import devices
from imnn_core.problems import load
from imnn_core.store import unchecked
from imnn_core.workflow.jobs import job, log


@unchecked.named()
def export(
    path_to_fit,
    path_to_information,
    path_to_program,
    path_to_description,
    *,
    problem,
    path_to_theta=None,
):
    """Write the program of a fit, and its description.

    Args:
        path_to_information: what was measured of it.
        problem: of the fit, which may have networks of its own.
        path_to_theta: theta_fid of a refinement, in place of the problem's, or None.

    """
    devices.only_cpu()  # it is written for all kinds
    compressor = of_files(path_to_fit, path_to_information, load.at(path_to_theta, **problem))
    n_bytes = exported.write(compressor, path_to_program, path_to_description)
    log.info("%s: %d bytes, for %s", path_to_program, n_bytes, ", ".join(exported.PLATFORMS))


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        export(
            path_to_fit=snakemake.input.fit,
            path_to_information=snakemake.input.information,
            path_to_program=snakemake.output.program,
            path_to_description=snakemake.output.description,
            problem=snakemake.params.problem,
            path_to_theta=snakemake.input.get("theta_fid"),
        )
