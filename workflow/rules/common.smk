# The config, checked before the graph is built, and what several rules ask of it.
import os
import re
import sys

from snakemake.exceptions import WorkflowError

ROOT = os.path.dirname(os.path.dirname(str(workflow.current_basedir)))
SCRIPTS = os.path.join(ROOT, "scripts")
if SCRIPTS not in sys.path:
    sys.path.append(SCRIPTS)

from imnn_core.config import read_config
from imnn_core.digest import code_digest
from imnn_core.errors import InputError
from imnn_core.jobs import has_gpu


def check_optimisers(settings):
    """Build every optimiser once, which imports jax: only in the workflow's own process, not in each job's."""
    from imnn_core import optimisers

    faults = optimisers.faults(settings.fits)
    if faults:
        raise InputError("\n".join(faults))


try:
    settings = read_config(config)
    if workflow.is_main_process:
        check_optimisers(settings)
except InputError as error:
    raise WorkflowError(f"The config has faults:\n{error}") from None

PROBLEM = {
    "kind": settings.problem,
    "theta_fid": settings.theta_fid,
    "input_shape": settings.input_shape,
}


wildcard_constraints:
    run=re.escape(settings.run),
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
    splits = ["training", "validation"] if validation else ["training"]
    return {
        split: f"results/{wildcards.run}/simulations/seed-{wildcards.seed}/{split}.h5"
        for split in splits
    }


def parent_of_fit(wildcards):
    """The fit that the recipe continues, if any."""
    parent = settings.fits[wildcards.fit].continue_from
    path = f"results/{wildcards.run}/fits/{parent}/seed-{wildcards.seed}/fit.h5"
    return {"parent": path} if parent else {}


every_information = expand(
    "results/{{run}}/fits/{fit}/seed-{seed}/information.json",
    fit=settings.fits,
    seed=settings.seeds,
)


def n_gpus(wildcards):
    """GPUs that a fit asks the scheduler for: one where the recipe wants it, or takes it where this machine has one."""
    devices = settings.fits[wildcards.fit].devices
    return int(devices == "gpu" or (devices == "auto" and has_gpu()))
