"""Draw a part of one split of one seed's simulations with their derivatives."""

from imnn_core.data import choice, differences, drawing, numbers, parts, sets
from imnn_core.data.parts import Part
from imnn_core.gradient import devices
from imnn_core.problems import derivative_check, load, simulations, simulator
from imnn_core.store.errors import InputError
from imnn_core.workflow.jobs import job, log

FEW = "few"  # the part of `half_step`


class NoBar:
    """In the place of a progress bar."""

    def show(self, done, n_all, text):
        """Show nothing."""


def simulate(
    path_to_simulations,
    *,
    problem,
    seed,
    split,
    n_s,
    n_d,
    first=0,
    path_to_theta=None,
    checks=False,
    made_from="",
    threads=1,
    n_per_call=simulations.PER_CALL,
    device="cpu",
    n_of_set=None,
    bar=None,
):
    """Draw the simulations from number ``first`` up to ``n_s``, with derivatives up to ``n_d``.

    The split ``half_step`` has derivatives of some simulations of the test set, by half the steps
    of finite differences.

    Args:
        path_to_theta: file with theta_fid of a refinement; None: theta_fid of the problem.
        checks: whether JAX's derivatives are compared with finite differences first, and what was
            drawn is looked at.
        made_from: digest of the code and the settings, by which simulations are known to be these.
        threads: processes of a numpy simulator.
        n_per_call: simulations in a compiled call of one in JAX.
        device: "cpu", "gpu" or "auto", of one in JAX.
        n_of_set: simulations of the whole set, those at shifted parameters too, for an estimate.
        bar: of progress.

    """
    if device == "cpu":
        devices.only_cpu()
    else:
        devices.choose(device)
    path, problem = problem["kind"], load.at(path_to_theta, **problem)
    simulator.check_steps(problem)
    part = Part(first, n_s, n_d)
    if split == "half_step":
        part = Part(0, 0, differences.n_halved(problem, n_s))
        problem = problem.with_half_steps()
    key = simulations.seed_key(seed, split)
    if problem.delta_theta is None and checks:
        derivative_check.check(problem, key)
    log.info("%s, seed %d, %s: %s", problem.name, seed, split, described(part))

    def told(seconds, said=[]):  # noqa: B006 (once)
        if n_of_set and not said:
            said.append(True)
            tell(seconds * n_of_set, n_of_set, split, threads)

    with sets.writing(
        path_to_simulations, part, problem, seed=seed, split=split, made_from=made_from
    ) as writer:
        drawing.draw(
            writer,
            problem,
            key,
            path=path,
            threads=threads,
            n_per_call=n_per_call,
            show=(bar or NoBar()).show,
            told=told,
        )
    log.info("wrote %s", path_to_simulations)
    is_looked_at = checks or (problem.delta_theta is not None and split == "training")
    if is_looked_at and part.first == 0 < part.stop:
        with sets.open_simulations(
            path_to_simulations, problem, seed=seed, split=split, as_stored=True, is_own=True
        ) as source:
            look_at(source, problem, checks)


def described(part):
    """A part in words."""
    found = {"simulations": part.stop, "derivatives": part.d_stop}
    return ", ".join(
        f"{what} {part.first} to {stop - 1}" for what, stop in found.items() if stop > part.first
    )


def tell(seconds, n, split, threads):
    """How long a whole set takes, and what makes it shorter where it is long."""
    words = "the whole set of %d simulations takes about %s by %d at a time"
    log.info(words, n, parts.in_time(seconds), threads)
    if split == "test" and seconds > drawing.LONG:
        log.info(
            "warning: this test set takes long; a smaller `n_test` takes less, for a larger error "
            "of |F|"
        )


def look_at(source, problem, checks):
    """Look at what was drawn, as at a user's files."""
    if checks:
        found = numbers.look(source, problem)
        again = None if found.is_discrete else found.repeats()
        if faults := [*found.faults, *filter(None, [again])]:
            raise InputError(*(f"problem {problem.name!r}: {fault}" for fault in faults))
    if problem.delta_theta is not None and len(source.derivative):
        shifted = differences.look(source, problem)
        for line in choice.doubts(shifted, problem.of_summaries, problem.names):
            log.info("warning: %s", line)


def n_of_set(config, split):
    """Simulations of a whole set, those at shifted parameters too."""
    n_columns = parts.n_columns_of(config["delta_theta"])
    if split == "test":
        return config["n_test"] * (1 + n_columns)
    return config["n_s"] + config["n_d"] * n_columns if split != "half_step" else None


def is_first(config, wildcards):
    """Whether a part is the first of a run, by which derivatives are checked for all."""
    split = "validation" if config["simulations"] == "on_the_fly" else "training"
    is_first_part = Part.of_name(wildcards.part).first == 0 if wildcards.part != FEW else False
    return wildcards.split == split and int(wildcards.seed) == config["seeds"][0] and is_first_part


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads) as bar:
        name, params = snakemake.wildcards.part, snakemake.params
        part = Part(0, params.n_test, params.n_test) if name == FEW else Part.of_name(name)
        simulate(
            path_to_simulations=snakemake.output.simulations,
            problem=params.problem,
            seed=int(snakemake.wildcards.seed),
            split=snakemake.wildcards.split,
            first=part.first,
            n_s=part.stop,
            n_d=part.d_stop,
            path_to_theta=snakemake.input.get("theta_fid"),
            checks=is_first(snakemake.config, snakemake.wildcards),
            made_from=params.made_from,
            threads=snakemake.threads,
            n_per_call=snakemake.config["simulate"]["n_per_call"],
            device=snakemake.config["simulate"]["devices"],
            n_of_set=n_of_set(snakemake.config, snakemake.wildcards.split),
            bar=bar,
        )
