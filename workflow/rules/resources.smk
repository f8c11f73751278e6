# What jobs ask a cluster for; on one machine only `gpu` counts.
from imnn_core.workflow.jobs import has_gpu


def n_gpus(wildcards):
    """GPUs that a fit asks for: with `devices: auto`, one where this machine has any."""
    recipe = settings.fits[wildcards.fit]
    # Not in a job's own process, whose machine may have GPUs that the job was not given.
    takes = recipe.devices == "auto" and workflow.is_main_process and has_gpu()
    return (recipe.n_devices or 1) if recipe.devices == "gpu" or takes else 0


def n_gpus_of_simulating(wildcards):
    """GPUs that a part asks for, as a fit does."""
    devices = settings.simulate.devices
    takes = devices == "auto" and workflow.is_main_process and has_gpu()
    return int(not SIMULATOR.is_numpy and (devices == "gpu" or takes))


def minutes(n):
    """Time that a job asks for, more in each attempt."""
    return lambda wildcards, attempt: n * attempt


def mem_of_small(wildcards, attempt):
    return memory.of_small(attempt)


def threads_of_simulating(wildcards):
    """Processes of a numpy simulator: as the config says, else all cores of one machine."""
    is_local = workflow.resource_settings.nodes is None and not workflow.remote_exec
    all_cores = SIMULATOR.is_numpy and is_local and workflow.resource_settings.cores
    return settings.simulate.threads or all_cores or 1


def minutes_of_simulating(wildcards, attempt):
    """Four hours, or what the config says of a simulation; more in each attempt."""
    seconds = settings.simulate.seconds_per_simulation
    if seconds is None:
        return 240 * attempt
    n = parts.MOST_HALVED_IN_NUMPY * N_COLUMNS
    if wildcards.part != parts.FEW:
        is_of_prior = wildcards.split in ("prior", "calibration")
        n_columns = 0 if is_of_prior else N_COLUMNS
        n = parts.n_of_part(parts.Part.of_name(wildcards.part), n_columns)
    return memory.minutes(seconds * n / threads_of_simulating(wildcards), attempt)


def mem_of_simulating(wildcards, attempt):
    has_workers = SIMULATOR.is_numpy and not settings.files
    n_workers = threads_of_simulating(wildcards) if has_workers else 0
    return memory.of_simulating(SIMULATIONS, attempt, n_workers)


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


def mem_of_exporting(wildcards, attempt):
    recipe = settings.fits[wildcards.fit]
    return memory.of_compressing(SIMULATIONS, recipe, 0, 0, attempt)


def mem_of_compressing(wildcards, input, attempt):
    recipe = settings.fits[wildcards.fit]
    of_npz = [os.path.getsize(path) for path in input.files if path.endswith(".npz")]
    n_gpus_of_fit, n_bytes = n_gpus(wildcards), max(of_npz, default=0)
    return memory.of_compressing(SIMULATIONS, recipe, n_bytes, n_gpus_of_fit, attempt)
