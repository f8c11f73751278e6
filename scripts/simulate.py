"""Draw one split of one seed's simulations with their derivatives, and write them."""

from imnn_core.data import sets
from imnn_core.gradient import devices
from imnn_core.problems import load, simulations
from imnn_core.workflow.jobs import job, log


def simulate(path_to_simulations, *, problem, seed, split, n_s, n_d, path_to_theta=None):
    """Draw ``n_s`` simulations at theta_fid, ``n_d`` of them with derivatives by theta.

    Args:
        path_to_theta: file with theta_fid of a refinement; None: theta_fid of the problem.

    """
    devices.only_cpu()
    problem = load.at(path_to_theta, **problem)
    log.info("%s, seed %d, %s: %d simulations, %d derivatives", problem.name, seed, split, n_s, n_d)
    pieces = simulations.draw(problem, simulations.seed_key(seed, split), n_s, n_d)
    sets.write_simulations(
        path_to_simulations, pieces, problem, n_s=n_s, n_d=n_d, seed=seed, split=split
    )
    log.info("wrote %s", path_to_simulations)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        simulate(
            path_to_simulations=snakemake.output.simulations,
            problem=snakemake.params.problem,
            seed=int(snakemake.wildcards.seed),
            split=snakemake.wildcards.split,
            n_s=snakemake.params.n_s,
            n_d=snakemake.params.n_d,
            path_to_theta=snakemake.input.get("theta_fid"),
        )
