"""Draw one split of one seed's simulations with their derivatives, and write them."""

from imnn_core.data import choice, differences, numbers, sets
from imnn_core.gradient import devices
from imnn_core.problems import derivative_check, load, simulations, simulator
from imnn_core.store.errors import InputError
from imnn_core.workflow.jobs import job, log


def simulate(
    path_to_simulations, *, problem, seed, split, n_s, n_d, path_to_theta=None, checks=False
):
    """Draw ``n_s`` simulations at theta_fid, ``n_d`` of them with derivatives by theta.

    The split ``half_step`` has some simulations of the test set, with half the steps of finite
    differences.

    Args:
        path_to_theta: file with theta_fid of a refinement; None: theta_fid of the problem.
        checks: whether JAX's derivatives are compared with finite differences first, and what was
            drawn is looked at.

    """
    devices.only_cpu()
    problem, drawn_as = load.at(path_to_theta, **problem), split
    simulator.check_steps(problem)
    if split == "half_step":
        n_s = n_d = differences.n_halved(problem, n_s)
        problem, drawn_as = problem.with_half_steps(), "test"
    elif problem.delta_theta is None and checks:
        derivative_check.check(problem, simulations.seed_key(seed, split))
    log.info("%s, seed %d, %s: %d simulations, %d derivatives", problem.name, seed, split, n_s, n_d)
    pieces = simulations.draw(problem, simulations.seed_key(seed, drawn_as), n_s, n_d)
    sets.write_simulations(
        path_to_simulations, pieces, problem, n_s=n_s, n_d=n_d, seed=seed, split=split
    )
    log.info("wrote %s", path_to_simulations)
    if checks or (problem.delta_theta is not None and split == "training"):
        with sets.open_simulations(
            path_to_simulations, problem, seed=seed, split=split, as_stored=True
        ) as source:
            look_at(source, problem, checks)


def look_at(source, problem, checks):
    """Look at what was drawn, as at a user's files."""
    if checks:
        found = numbers.look(source, problem)
        again = None if found.is_discrete else found.repeats()
        if faults := [*found.faults, *filter(None, [again])]:
            raise InputError(*(f"problem {problem.name!r}: {fault}" for fault in faults))
    if problem.delta_theta is not None:
        shifted = differences.look(source, problem)
        for line in choice.doubts(shifted, problem.of_summaries, problem.names):
            log.info("warning: %s", line)


def is_first(config, wildcards):
    """Whether a set is the first of a run, by which derivatives are checked for all."""
    split = "validation" if config["simulations"] == "on_the_fly" else "training"
    return wildcards.split == split and int(wildcards.seed) == config["seeds"][0]


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
            checks=is_first(snakemake.config, snakemake.wildcards),
        )
