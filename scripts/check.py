"""Draw a few simulations, begin each fit, and tell what a full run would meet; nothing is kept."""

import contextlib
import time

import jax
import numpy as np
from imnn_core.config.run import Config
from imnn_core.data import prior_check, sample_check, sample_of_files, sets
from imnn_core.gradient import devices
from imnn_core.problems import derivative_check, load, sample, simulations, simulator
from imnn_core.problems.prior import prior_of
from imnn_core.store.errors import InputError
from imnn_core.store.wording import shortened, shown
from imnn_core.training import timing
from imnn_core.workflow import costs, forecast, requests
from imnn_core.workflow.findings import Findings
from imnn_core.workflow.jobs import has_gpu, job, log

SECONDS = 20.0  # of comparing derivatives by JAX, at most
OF_FITS = 30.0  # seconds of all fits, after which no other is begun
HALVED, OF_HALVED = 50, 5.0  # simulations drawn with half the steps, and their seconds
OF_PRIOR = 100  # simulations from the prior, at most
ENOUGH = 100  # simulations, by fewer of which a fit may fail that would not by all


def tell_problem(findings, settings, problem):
    """Lines on what is simulated."""
    names = shortened(", ".join(problem.names), 100)
    theta, kind = shown(problem.theta_fid.tolist()), settings.derivative
    steps = "" if problem.delta_theta is None else f" by delta_theta = {shown(problem.delta_theta)}"
    findings.tell("problem", f"{settings.problem}: simulations of shape {problem.input_shape}")
    text = f"{names} at theta_fid = {theta}; derivative: {kind}{steps}"
    findings.tell("parameters", text)


def draw(findings, settings, problem, path, n_workers):
    """Draw simulations, and look at them: the sample, and whether it has no fault."""
    key = simulations.seed_key(settings.seeds[0], "training")
    try:
        simulator.check(problem)
        simulator.check_steps(problem)
        drawn = sample.draw(problem, key, path, n_workers, settings.simulate.n_per_call)
    except InputError as error:
        findings.add("simulation", "could not be drawn", error.lines)
        return None, False
    n, n_d = len(drawn.fiducial), len(drawn.derivative)
    found = sample_check.of_sample(drawn, problem)
    of_one, them = "derivative", "with derivatives"
    if problem.delta_theta is not None:
        of_one, them = f"{len(problem.columns)} shifted ones", "also shifted"
    words = f"{n} drawn, {n_d} of them {them}; {found.words}"
    findings.add("simulation", words, found.faults, found.doubts)
    each = f"a simulation takes {costs.in_words(drawn.seconds)} on one core"
    if n_d or problem.numpy:
        each += f", with its {of_one} {costs.in_words(drawn.seconds + drawn.of_derivative)}"
    once = f", {costs.in_words(drawn.compiling)} of it to compile" if drawn.compiling else ""
    findings.tell("speed", f"{each}; the first one {costs.in_words(drawn.first)}{once}")
    return drawn, not found.faults


def look_at_derivatives(findings, settings, problem, drawn, path, n_workers):
    """Seeds, steps and derivatives of what was drawn."""
    key = simulations.seed_key(settings.seeds[0], "training")
    if problem.delta_theta is None:
        each = drawn.seconds, drawn.of_derivative
        n = derivative_check.affordable(problem.n_params, *each, SECONDS)
        if n is None:
            text = "not compared with finite differences: too dear for a check; a full run does"
            findings.add("derivatives", text)
            return
        faults = sample_check.lines_of(derivative_check.check, problem, key, n)
        text = f"JAX's agree with finite differences (means and variances of {n} simulations)"
        findings.add("derivatives", "" if faults else text, faults)
        return
    stored = sample_check.source_of(drawn, problem)
    seen = sample_check.of_seeds(stored, problem)
    if seen is None:
        text = f"too few were drawn to tell ({len(drawn.derivative)}); a full run looks at them"
        findings.add("seeds", text)
        return
    found = seen[1]
    findings.add("seeds", found.words, found.faults, found.doubts)
    n = min(HALVED, len(drawn.derivative))
    if any(seen[0]["is_discrete"]) or found.faults:
        findings.add(
            "derivatives", "steps are not looked at, since simulations jump or don't match"
        )
    elif not problem.numpy and n * drawn.of_derivative > OF_HALVED:
        findings.add(
            "derivatives", "steps are not looked at: too dear for a check; a full run does"
        )
    else:
        try:
            halved = sample.draw_halved(problem, key, path, n_workers, n, OF_HALVED)
        except InputError as error:
            findings.add("derivatives", "half the steps could not be drawn", error.lines)
            return
        if len(halved) and np.isfinite(halved).all():
            steps = sample_check.of_steps(stored, halved, problem)
            findings.add("derivatives", steps.words, steps.faults, steps.doubts)
        elif len(halved):
            line = f"problem {problem.name!r}: expected finite numbers by half the steps, found NaN"
            findings.add("derivatives", "", [f"{line} or infinity"])
        else:
            findings.add("derivatives", "steps are not looked at: too dear; a full run does")


def look_at_prior(findings, settings, problem, drawn, path, n_workers):
    """Simulations at parameters of the prior, where the simulator may fail."""
    posterior, key = settings.posterior, simulations.seed_key(settings.seeds[0], "prior")
    prior = prior_of(problem.names, posterior.prior)
    n = (
        OF_PRIOR
        if drawn is None
        else int(min(OF_PRIOR, max(5, SECONDS / max(drawn.seconds, 1e-9))))
    )
    try:
        found = prior_check.look(problem, prior, key, path, n_workers, n, posterior.failures)
    except InputError as error:
        found = "could not be drawn", error.lines
    findings.add("prior", *found)


def time_fits(findings, settings, problem, source, sizes, n_bytes):
    """Begin each kind of fit: seconds of an iteration by the fits' names, and those to compile.

    Args:
        findings: what is told.
        settings: of the run.
        problem: of the simulations.
        source: some of them as they are stored, without faults; None where there are none.
        sizes: n_s and n_d of the training set.
        n_bytes: of all sets of a fit.

    """
    seconds, compiling, end = {}, 0.0, time.monotonic() + OF_FITS
    groups = timing.distinct(settings.fits)
    of_one = max(0.5, min(timing.SECONDS, OF_FITS / 3 / len(groups)))
    for name, names in groups.items():
        recipe, named = settings.fits[name].of(problem.n_params), shortened(", ".join(names), 60)
        if time.monotonic() > end and seconds:
            findings.add("fit", f"{named}: not begun, since the check's time is over")
            continue
        if sizes[0] < recipe.n_summaries + 3:
            most = sizes[0] - 3
            line = f"n_summaries: expected at most n_s - 3 = {most}, found {recipe.n_summaries}"
            findings.add("fit", named, [f"fits.{name}.{line}"])
            continue
        is_real = source is not None and len(source.fiducial) >= recipe.n_summaries + 3
        is_real = is_real and len(source.derivative) >= 2
        seen = (
            sets.derived(source, problem)
            if is_real
            else timing.at_random(problem, 50 + 2 * recipe.n_summaries)
        )
        try:
            with devices.memory_for(recipe.n_per_device):
                found = timing.measure(
                    recipe,
                    problem,
                    seen,
                    sizes,
                    n_bytes,
                    settings.simulations == "on_the_fly",
                    settings.seeds[0],
                    of_one,
                )
        except InputError as error:
            lines = [f"fits.{name}: {line}" for line in error.lines]
            is_fault = is_real and len(source.fiducial) >= ENOUGH
            few = [f"{line} (of a few simulations, which may be chance)" for line in lines]
            findings.add("fit", named, *((lines, []) if is_fault else ([], few)))
            continue
        seconds |= dict.fromkeys(names, found.seconds)
        compiling += found.compiling  # once; other seeds take the program from the cache
        findings.add("fit", f"{named}: {_of_timing(found, sizes, is_real)}")
    return seconds, compiling


def _of_timing(found, sizes, is_real):
    how = "loss and gradient are finite" if is_real else "timed on random numbers"
    share = "" if found.share == 1 else f", by {100 * found.share:.2g} % of them"
    return (
        f"{how}; {costs.in_words(found.seconds)} per iteration with n_s = {sizes[0]}, n_d = "
        f"{sizes[1]} ({found.flow}{share}), after {costs.in_words(found.compiling)} to compile"
    )


def check(say, *, settings, problem, files, sizes, needed, n_workers=1, cores=1):
    """Tell what a full run would meet.

    Args:
        say: shows a line.
        settings: the whole configuration, a mapping.
        problem: arguments of `load.build`.
        files: the user's files of simulations, by set; empty if there are none.
        sizes: `requests.Sizes` of the run.
        needed: n and n_there of each set, see `inventory.of_run`, and how many are drawn with half
            the steps; None with files.
        n_workers: processes of a numpy simulator.
        cores: that the run may take.

    Raises:
        InputError: a full run would meet faults; a line each.

    """
    settings, sizes = Config(**settings), requests.Sizes(*sizes)
    if not has_gpu() or all(recipe.devices == "cpu" for recipe in settings.fits.values()):
        devices.only_cpu()
    findings, path = Findings(say, lambda line: log.info("%s", line)), problem["kind"]
    problem = load.build(**problem)
    tell_problem(findings, settings, problem)
    drawn = source = None
    if settings.files:
        source, of_set = sample_of_files.look(findings.add, files, settings.files, problem)
    else:
        of_set = settings.n_s, settings.n_d
        on = jax.devices("cpu")[0] if settings.simulate.devices == "cpu" else None
        with jax.default_device(on) if on else contextlib.nullcontext():
            drawn, is_right = draw(findings, settings, problem, path, n_workers)
            if drawn and sample_check.is_sound(drawn):
                look_at_derivatives(findings, settings, problem, drawn, path, n_workers)
            if is_right:
                source = sample_check.source_of(drawn, problem)
    if settings.posterior and settings.posterior.draws and problem.simulator:
        look_at_prior(findings, settings, problem, drawn, path, n_workers)
    if of_set:
        n_bytes = sum(n for split, n in sizes.sets.items() if split != "test")
        fits = time_fits(findings, settings, problem, source, of_set, n_bytes)
        forecast.tell(findings.add, settings, problem, sizes, needed, drawn, fits, n_workers, cores)
    findings.end()


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.threads) as bar:
        check(
            bar.say,
            settings=snakemake.params.settings,
            problem=snakemake.params.problem,
            files=snakemake.params.files,
            sizes=snakemake.params.sizes,
            needed=snakemake.params.needed,
            n_workers=snakemake.threads,
            cores=snakemake.params.cores,
        )
