# The config, checked before the graph is built, and what several rules ask of it.
import os
import re
import sys

from snakemake.exceptions import WorkflowError

ROOT = os.path.dirname(os.path.dirname(str(workflow.current_basedir)))
SCRIPTS = os.path.join(ROOT, "scripts")
if SCRIPTS not in sys.path:
    sys.path.append(SCRIPTS)

from imnn_core import memory
from imnn_core.config import read_config
from imnn_core.digest import code_digest, user_code_digest
from imnn_core.errors import InputError
from imnn_core.jobs import has_gpu
from imnn_core.problem_schema import is_file


def found(path):
    """A path of the config: from the working directory, or else from the project's folder."""
    in_project = os.path.join(ROOT, path)
    return (
        in_project if not os.path.exists(path) and os.path.exists(in_project) else path
    )


def problem_of(settings):
    """What the scripts need to know of the problem; a user's file with a digest of what its code means."""
    is_own = is_file(settings.problem)
    path = found(settings.problem) if is_own else settings.problem
    return {
        "kind": path,
        "theta_fid": settings.theta_fid,
        "input_shape": settings.input_shape,
        "names": settings.names,
        "delta_theta": settings.delta_theta,
        "code": user_code_digest(path) if is_own else None,
    }


def check_with_jax(settings, problem):
    """Build optimisers, problem and networks once: only in the workflow's own process, not in each job's.

    Returns what the jobs' memory depends on.
    """
    from imnn_core import checks

    observed = settings.observed and found(settings.observed)
    faults = checks.faults(settings, problem, observed)
    if faults:
        raise InputError("\n".join(faults))
    return checks.sizes(settings, problem, FILES)


# A job's own process asks for no memory: the workflow's has done so.
SIMULATIONS = memory.Simulations(
    (1,), 1, *(dict.fromkeys(("training", "validation", "test"), 0) for _ in range(2))
)

try:
    settings = read_config(config)
    PROBLEM = problem_of(settings)
    FILES = {
        split: found(path)
        for split in (settings.files.splits if settings.files else [])
        if (path := getattr(settings.files, split))
    }
    if workflow.is_main_process:
        SIMULATIONS = check_with_jax(settings, PROBLEM)
except InputError as error:
    raise WorkflowError(f"The config has faults:\n{error}") from None

# What changes no result reaches the jobs past their params, which would make everything anew.
config["checkpoint_minutes"] = settings.checkpoint_minutes
MEMORY = (
    "XLA_PYTHON_CLIENT_PREALLOCATE",
    "XLA_CLIENT_MEM_FRACTION",
    "XLA_PYTHON_CLIENT_MEM_FRACTION",
)
if not any(name in os.environ for name in MEMORY):  # which the user has chosen
    on_demand = settings.gpu_memory == "on_demand"
    os.environ[MEMORY[not on_demand]] = (
        "false" if on_demand else str(settings.gpu_memory)
    )

ON_THE_FLY = settings.simulations == "on_the_fly"
# Files say themselves how many simulations they hold.
SIZES = {
    key: None if settings.files else getattr(settings, key)
    for key in ("n_s", "n_d", "n_test")
}
# The run, and its repetitions at what was estimated from observed data.
RUNS = [
    settings.run,
    *(f"{settings.run}/refined-{i + 1}" for i in range(settings.refine)),
]


wildcard_constraints:
    run="|".join(map(re.escape, RUNS)),
    fit="|".join(re.escape(name) for name in settings.fits),
    seed=r"\d+",
    split="training|validation|test",


def recipe_of(wildcards):
    """The recipe of a fit, every key of it, as plain values."""
    return settings.fits[wildcards.fit].model_dump()


def code(script):
    """What a script's code means; see imnn_core/digest.py."""
    return code_digest(os.path.join(SCRIPTS, script))


def sets_of_fit(wildcards):
    """The sets that the recipe uses."""
    validation = settings.fits[wildcards.fit].validation
    splits = ["training"] * (not ON_THE_FLY) + ["validation"] * validation
    return {
        split: f"results/{wildcards.run}/simulations/seed-{wildcards.seed}/{split}.h5"
        for split in splits
    }


def parent_of_fit(wildcards):
    """The fit that the recipe continues, if any."""
    parent = settings.fits[wildcards.fit].continue_from
    path = f"results/{wildcards.run}/fits/{parent}/seed-{wildcards.seed}/fit.h5"
    return {"parent": path} if parent else {}


def theta_of_refinement(wildcards):
    """The file with theta_fid of a run that repeats another one at its estimate."""
    is_repetition = wildcards.run != settings.run
    return (
        {"theta_fid": f"results/{wildcards.run}/theta_fid.json"}
        if is_repetition
        else {}
    )


every_estimate = expand(
    "results/{{run}}/fits/{fit}/seed-{seed}/observed.json",
    fit=settings.fits,
    seed=settings.seeds,
)


every_information = expand(
    "results/{{run}}/fits/{fit}/seed-{seed}/information.json",
    fit=settings.fits,
    seed=settings.seeds,
)


def n_gpus(wildcards):
    """GPUs that a fit asks the scheduler for: those that the recipe wants, or takes where this machine has one."""
    recipe = settings.fits[wildcards.fit]
    # Not in a job's own process, whose machine may have GPUs that the job was not given.
    takes = recipe.devices == "auto" and workflow.is_main_process and has_gpu()
    return (recipe.n_devices or 1) if recipe.devices == "gpu" or takes else 0


def minutes(n):
    """Time that a job asks for, more in each attempt."""
    return lambda wildcards, attempt: n * attempt


def mem_of_small(wildcards, attempt):
    return memory.of_small(attempt)


def mem_of_simulating(wildcards, attempt):
    return memory.of_simulating(SIMULATIONS, attempt)


def mem_of_fit(wildcards, attempt):
    recipe, splits = settings.fits[wildcards.fit], list(sets_of_fit(wildcards))
    return memory.of_fitting(SIMULATIONS, recipe, splits, n_gpus(wildcards), attempt)


def mem_of_evaluating(wildcards, attempt):
    recipe = settings.fits[wildcards.fit]
    return memory.of_evaluating(SIMULATIONS, recipe, n_gpus(wildcards), attempt)


def mem_of_estimating(wildcards, input, attempt):
    n_bytes = os.path.getsize(input.observed)
    recipe = settings.fits[wildcards.fit]
    return memory.of_estimating(
        SIMULATIONS, recipe, n_bytes, n_gpus(wildcards), attempt
    )
