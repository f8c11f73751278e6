# The config, read and checked before the graph is built.
import fcntl
import glob
import json
import os
import sys
import time

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger


include: "source.smk"


# A config given with --configfile replaces the default one, whose recipes would else be fitted too.
if not workflow.configfiles:

    configfile: default_config()


from imnn_core.config import read
from imnn_core.config.problem import is_file
from imnn_core.data import named_files, named_sets, trial
from imnn_core.store import machine
from imnn_core.store.errors import InputError
from imnn_core.store.files import check_room
from imnn_core.workflow import checked, content, room, simulator_code
from imnn_core.workflow import requests as memory
from imnn_core.workflow.digest import parsed, user_code_digest

if workflow.is_main_process:
    try:
        check_room(".snakemake", 2**20)
    except InputError as error:
        # Snakemake's own way of saying so needs room for its log.
        sys.exit(f"error: {error}")


parsed.keep_in(os.path.join(".snakemake", "imnn", "parsed.json"))


def found(path):
    """A path of the config: from the working directory, or else a file of this project."""
    return read.found(path, own)


def repeated_keys(path):
    """A line for each key that stands twice in a mapping of a YAML file."""
    if not os.path.isfile(path):
        # A pipe, which Snakemake has read.
        return []
    with open(path, encoding="utf-8") as file:
        try:
            return read.repeated_keys(yaml.compose(file), path)
        except yaml.YAMLError:
            # JSON that is no YAML, one with tabs: Snakemake has read it before.
            return []


# What a packed run that was handed on without its user's files of simulations knows of them.
HANDED_ON = own("config/contents.json")
KNOWN = {}
if HANDED_ON:
    with open(HANDED_ON, encoding="utf-8") as file:
        KNOWN = json.load(file)

# Whether no other workflow has this one as a module, or includes it.
IS_ALONE = workflow.main_snakefile in [
    os.path.join(ROOT, *parts, "Snakefile") for parts in ((), ("workflow",))
]


def check_with_jax(settings, problem):
    """Build optimisers, problem and networks once, in the workflow's own process.

    Returns what the jobs' memory depends on.
    """
    observed = settings.observed and found(settings.observed)
    # Snakemake counts nodes where it sends jobs elsewhere, which may have more memory.
    is_local = workflow.resource_settings.nodes is None
    available = machine.memory() if is_local else room.ON_A_CLUSTER

    def is_made(by):
        """Whether files may be missing: a rule of another workflow makes or made them."""
        # Where there are results, a figure of an old run may be all that is asked for.
        return not IS_ALONE or bool(glob.glob(f"results/{settings.run}/{by}"))

    of_observed = is_made("fits/*/seed-*/observed.json")
    to_compress = {f"compress.{name}": given for name, given in COMPRESS.items()}
    of_prior = {f"posterior.simulations.{key}": given for key, given in GIVEN.items()}
    sets = {f"simulations.{split}": given for split, given in FILES.items()}
    files, odd = content.to_open(sets, KNOWN, is_made("simulations/checked.json"))
    for arrays, by in (
        (to_compress, "fits/*/seed-*/compressed/*.h5"),
        (of_prior, "fits/*/seed-*/posterior/summaries.h5"),
    ):
        further, of_further = content.to_open(arrays, KNOWN, is_made(by), arrays=True)
        files, odd = files + further, odd + of_further
    to_compress |= of_prior
    files += [("observed", observed)] if observed else []
    odd += trial.faults(files)
    others = (STYLE, available, of_observed)
    digest = None
    if not odd:  # else nothing here opens them
        read = FILES | {key: {"fiducial": given} for key, given in to_compress.items()}
        digest = checked.digest_of(settings, problem, read, observed, *others)
        if known := checked.recall(digest):
            return known
    from imnn_core.workflow import checks

    observed = None if odd else observed
    to_compress = None if odd else to_compress
    faults, built = checks.faults(settings, problem, observed, *others, to_compress)
    if odd or faults:
        raise InputError(*odd, *faults)
    sizes = checks.sizes(settings, built, FILES)
    checked.remember(digest, sizes)
    return sizes


# A job's own process asks for no memory: the workflow's has done so.
SIMULATIONS = memory.Sizes(
    (1,), 1, dict.fromkeys(("training", "validation", "test"), 0)
)

try:
    repeated = [line for path in workflow.configfiles for line in repeated_keys(path)]
    if repeated:
        raise InputError(*repeated)
    settings = read.read_config(config)
    PROBLEM = read.problem_of(settings, own, user_code_digest)
    SIMULATOR = simulator_code.SimulatorCode(None, False)
    if is_file(settings.problem):
        SIMULATOR = simulator_code.of_file(PROBLEM["kind"])
    # What names the simulations of each set that has files of its own.
    FILES = {
        split: named_sets.found(given, found)
        for split, given in (settings.files.given if settings.files else {}).items()
    }
    COMPRESS = {
        name: named_files.found(given, found)
        for name, given in settings.compress.items()
    }
    # What names simulations of the prior that exist.
    GIVEN = {
        key: named_files.found(getattr(settings.posterior.simulations, key), found)
        for key in (
            ("theta", "d")
            if settings.posterior and settings.posterior.simulations
            else ()
        )
    }
    STYLE = local(found(settings.figures.style))
    if workflow.is_main_process:
        SIMULATIONS = check_with_jax(settings, PROBLEM)
except InputError as error:
    raise WorkflowError(f"The config has faults:\n{error}") from None

# What changes no result reaches the jobs past their params, which would make everything anew.
os.environ.update(IMNN_SNAKEMAKE=str(os.getpid()))  # without which a job ends
if workflow.is_main_process:
    os.environ.update(IMNN_BEGAN=str(time.time()))  # which parts are of this run
# And captions, in Snakemake's report as in the run's own, have the settings with their defaults.
config.update(settings.model_dump())
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


def lock_run():
    """Refuse to make a run that another workflow is making in this folder.

    Snakemake's own locks don't hold where two begin in the same moment, and the first to end
    removes the others'. The system gives this one back when the process ends, however it does.
    """
    global LOCK
    path = os.path.join(".snakemake", f"{settings.run}.lock")
    try:
        lock = open(path, "w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise WorkflowError(
            f"run {settings.run!r}: expected no other snakemake at work on it in this folder, found "
            "one; wait for its end, or take another name: --config run=NAME"
        ) from None
    except OSError as error:  # as on a cluster's file system without locks
        logger.warning(
            f"{path} can't be locked ({error.strerror}): have one snakemake at a time in this "
            "folder"
        )
        return
    LOCK = lock  # open as long as the process
