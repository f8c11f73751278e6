# The config, read and checked before the graph is built.
import fcntl
import os
import sys

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

ROOT = os.path.dirname(os.path.dirname(str(workflow.current_basedir)))
SCRIPTS = os.path.join(ROOT, "scripts")
if SCRIPTS not in sys.path:
    sys.path.append(SCRIPTS)

from imnn_core.workflow import requests as memory
from imnn_core.config.read import read_config
from imnn_core.workflow.digest import user_code_digest
from imnn_core.store.errors import InputError
from imnn_core.store.files import check_room
from imnn_core.config.problem import is_file

if workflow.is_main_process:
    try:
        check_room(".snakemake", 2**20)
    except (
        InputError
    ) as error:  # Snakemake's own way of saying so needs room for its log
        sys.exit(f"error: {error}")


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


def repeated_keys(path):
    """A line for each key that stands twice in a mapping of a YAML file; YAML itself takes the last one, and says nothing."""
    seen, lines = set(), []

    def walk(node, where):
        if isinstance(node, yaml.ScalarNode) or id(node) in seen:  # by an alias
            return
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for i, item in enumerate(node.value):
                walk(item, [*where, str(i)])
            return
        first = {}
        for key, value in node.value:
            name = [*where, str(key.value)]
            line = key.start_mark.line + 1
            if name[-1] in first:
                found = f"found it in lines {first[name[-1]]} and {line} of {path}"
                lines.append(f"{'.'.join(name)}: expected once, {found}")
            first.setdefault(name[-1], line)
            walk(value, name)

    with open(path, encoding="utf-8") as file:
        try:
            walk(yaml.compose(file), [])
        except yaml.YAMLError:
            pass  # JSON that is no YAML, one with tabs: Snakemake has read it before
    return lines


def check_with_jax(settings, problem):
    """Build optimisers, problem and networks once: only in the workflow's own process, not in each job's.

    Returns what the jobs' memory depends on.
    """
    from imnn_core.figures import styles
    from imnn_core.workflow import checks

    with styles.style(STYLE):
        pass  # it can be drawn in

    observed = settings.observed and found(settings.observed)
    faults, built = checks.faults(settings, problem, observed)
    if faults:
        raise InputError("\n".join(faults))
    return checks.sizes(settings, built, FILES)


# A job's own process asks for no memory: the workflow's has done so.
SIMULATIONS = memory.Sizes(
    (1,), 1, dict.fromkeys(("training", "validation", "test"), 0)
)

try:
    repeated = [line for path in workflow.configfiles for line in repeated_keys(path)]
    if repeated:
        raise InputError("\n".join(repeated))
    settings = read_config(config)
    PROBLEM = problem_of(settings)
    FILES = {
        split: found(path)
        for split in (settings.files.splits if settings.files else [])
        if (path := getattr(settings.files, split))
    }
    STYLE = found(settings.figures.style)
    if not os.path.isfile(STYLE):
        raise InputError(f"figures.style: expected a file, found none at {STYLE}")
    if workflow.is_main_process:
        SIMULATIONS = check_with_jax(settings, PROBLEM)
except InputError as error:
    raise WorkflowError(f"The config has faults:\n{error}") from None

# What changes no result reaches the jobs past their params, which would make everything anew.
os.environ.update(IMNN_SNAKEMAKE=str(os.getpid()))  # without which a job ends
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

    Snakemake's own locks don't hold where two begin in the same moment, and the first to end removes the others'.
    The system gives this one back when the process ends, however it does.
    """
    path = os.path.join(".snakemake", f"{settings.run}.lock")
    try:
        lock = open(path, "w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise WorkflowError(
            f"run {settings.run!r}: expected no other snakemake at work on it in this folder, found one; "
            "wait for its end, or take another name: --config run=NAME"
        ) from None
    except OSError as error:  # as on a cluster's file system without locks
        logger.warning(
            f"{path} can't be locked ({error.strerror}): have one snakemake at a time in this folder"
        )
        return
    workflow.globals["lock_of_run"] = lock  # open as long as the process
