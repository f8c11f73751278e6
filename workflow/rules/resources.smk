# What jobs ask a cluster for; on one machine only `gpu` counts.
from imnn_core.workflow.jobs import has_gpu


def n_gpus(wildcards):
    """GPUs that a fit asks for: with `devices: auto`, one where this machine has any."""
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
    recipe, n_bytes = settings.fits[wildcards.fit], os.path.getsize(input.observed)
    return memory.of_estimating(
        SIMULATIONS, recipe, n_bytes, n_gpus(wildcards), attempt
    )
