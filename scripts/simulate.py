"""Draw a part of one split of one seed's simulations with their derivatives."""

from imnn_core.data import compared, differences, drawing, looks, parts, sets
from imnn_core.data.parts import Part
from imnn_core.gradient import devices
from imnn_core.problems import derivative_check, load, simulations, simulator
from imnn_core.problems.prior import of_run
from imnn_core.store.wording import in_time
from imnn_core.workflow.jobs import job, log

OF_PRIOR = {"prior": "n_simulations", "calibration": "n_calibration"}  # sets, and their sizes
OF_SUMMARIES = "finite_difference_of_summaries"


def simulate(
    path_to_simulations,
    *,
    problem,
    seed,
    split,
    n_s,
    n_d,
    first=0,
    n_of_set=None,
    path_to_theta=None,
    checks=False,
    made_from="",
    threads=1,
    n_per_call=simulations.PER_CALL,
    device="cpu",
    bar=None,
    prior=None,
    path_to_box=None,
    failures=0.0,
):
    """Draw the simulations from number ``first`` up to ``n_s``, with derivatives up to ``n_d``.

    The split ``half_step`` has derivatives of some simulations of the test set, by half the steps
    of finite differences. From a prior, each simulation has parameters of its own, which stand in
    the place of derivatives.

    Args:
        n_of_set: simulations of the whole set, those at shifted parameters too; None if this is it.
        path_to_theta: file with theta_fid of a refinement; None: theta_fid of the problem.
        checks: whether JAX's derivatives are compared with finite differences first, and what was
            drawn is looked at.
        made_from: digest of the code and the settings, by which simulations are known to be these.
        threads: processes of a numpy simulator.
        n_per_call: simulations in a compiled call of one in JAX.
        device: "cpu", "gpu" or "auto", of one in JAX.
        bar: of progress.
        prior: densities of the parameters, as in the configuration; None: all have theta_fid.
        path_to_box: to which the prior of a refinement is cut, or None.
        failures: the share of simulations from a prior that may fail.

    """
    devices.use(device)
    path, problem = problem["kind"], load.at(path_to_theta, **problem)
    if prior is not None:
        problem = problem.over(of_run(problem.names, prior, path_to_box))
        simulator.check_prior(problem)
    simulator.check_steps(problem)
    compared.check_former(
        path_to_simulations,
        problem,
        path,
        seed=seed,
        split=split,
        made_from=made_from,
        n_per_call=n_per_call,
    )
    part = Part(first, n_s, n_d)
    if split == "half_step":
        part = Part(0, 0, differences.n_halved(problem, n_s))
        problem = problem.with_half_steps()
    n = parts.n_of_part(part, len(problem.columns) if problem.delta_theta else 0)
    n_of_set = n_of_set or n
    is_whole = first == 0 and n == n_of_set
    key = simulations.seed_key(seed, split)
    if problem.delta_theta is None and problem.prior is None and checks:
        derivative_check.check(problem, key)
    log.info("%s, seed %d, %s: %s", problem.name, seed, split, described(part))
    with sets.writing(
        path_to_simulations, part, problem, seed=seed, split=split, made_from=made_from
    ) as writer:
        drawing.draw(
            writer,
            key,
            path=path,
            threads=threads,
            n_per_call=n_per_call,
            is_whole=is_whole,
            show=bar.show if bar else lambda done, n_all, text: None,
            told=lambda seconds: tell(seconds * n_of_set, n_of_set, split, threads),
            allowed=failures,
        )
    log.info("wrote %s", path_to_simulations)
    if is_whole and part.stop and prior is None and (checks or split == "training"):
        with sets.open_simulations(
            path_to_simulations, problem, seed=seed, split=split, as_stored=True, is_own=True
        ) as source:
            looks.look_at(source, problem, checks)


def described(part):
    """A part in words."""
    found = {"simulations": part.stop, "derivatives": part.d_stop}
    return ", ".join(
        f"{what} {part.first} to {stop - 1}" for what, stop in found.items() if stop > part.first
    )


def tell(seconds, n, split, threads):
    """How long a whole set takes, and what makes it shorter where it is long."""
    words = "the whole set of %d simulations takes about %s by %d at a time"
    log.info(words, n, in_time(seconds), threads)
    if split == "test" and seconds > drawing.LONG:
        log.info(
            "warning: this test set takes long; a smaller `n_test` takes less, for a larger error "
            "of |F|"
        )


def n_of_set(config, split):
    """Simulations of a whole set, those at shifted parameters too; None of the half step's."""
    if split in OF_PRIOR:
        return config["posterior"][OF_PRIOR[split]]
    n_columns = parts.n_columns_of(config["delta_theta"])
    sizes = {"test": ("n_test", "n_test"), "half_step": None}.get(split, ("n_s", "n_d"))
    return sizes and parts.n_of_part(Part(0, *(config[key] for key in sizes)), n_columns)


def is_first(config, wildcards):
    """Whether a part is the first of a run, by which derivatives are checked for all."""
    split = "validation" if config["simulations"] == "on_the_fly" else "training"
    is_of_set = wildcards.split == split and int(wildcards.seed) == config["seeds"][0]
    return is_of_set and Part.of_name(wildcards.part).first == 0


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads) as bar:
        name, params, config = snakemake.wildcards.part, snakemake.params, snakemake.config
        is_few, prior = name == parts.FEW, params.get("prior")
        part = Part(0, params.n_test, params.n_test) if is_few else Part.of_name(name)
        simulate(
            path_to_simulations=snakemake.output.simulations,
            problem=params.problem
            | {"of_summaries": prior is None and config["derivative"] == OF_SUMMARIES},
            seed=int(snakemake.wildcards.seed),
            split=snakemake.wildcards.split,
            first=part.first,
            n_s=part.stop,
            n_d=part.d_stop,
            n_of_set=n_of_set(config, snakemake.wildcards.split),
            path_to_theta=snakemake.input.get("theta_fid"),
            checks=is_first(config, snakemake.wildcards),
            made_from=params.made_from,
            threads=snakemake.threads,
            n_per_call=config["simulate"]["n_per_call"],
            device=config["simulate"]["devices"],
            bar=bar,
            prior=prior,
            path_to_box=snakemake.input.get("cut_prior"),
            failures=params.get("failures", 0.0),
        )
