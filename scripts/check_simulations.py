"""Look at the first set that was drawn, as at a user's files, before anything is fitted to it."""

from imnn_core.data import looks, sets
from imnn_core.gradient import devices
from imnn_core.problems import load
from imnn_core.store import texts
from imnn_core.workflow.jobs import job, log


def check_simulations(paths_to_parts, path_to_checked, *, problem, seed, split, path_to_theta=None):
    """Write how many simulations were looked at.

    Raises:
        InputError: their numbers can't be right.

    """
    devices.only_cpu()
    problem = load.at(path_to_theta, **problem)
    with sets.open_simulations(
        paths_to_parts, problem, seed=seed, split=split, as_stored=True
    ) as source:
        looks.look_at(source, problem, checks=True)
        n_s, n_d = len(source.fiducial), len(source.derivative)
    log.info("%s, seed %d: looked at %d simulations, %d derivatives", split, seed, n_s, n_d)
    texts.write_json(path_to_checked, {split: {"seed": seed, "n_s": n_s, "n_d": n_d}})


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        check_simulations(
            paths_to_parts=snakemake.input.first,
            path_to_checked=snakemake.output.checked,
            problem=snakemake.params.problem,
            seed=snakemake.params.seed,
            split=snakemake.params.split,
            path_to_theta=snakemake.input.get("theta_fid"),
        )
