# From simulations to the Fisher information that a fitted IMNN keeps of them.
import os
import time

from snakemake.utils import min_version

min_version("9.0")

BEGAN = time.time()

# A config given with --configfile replaces the default one, whose recipes would else be fitted too.
if not workflow.overwrite_configfiles:
    default_config = os.path.join("config", "config.yaml")
    if not os.path.exists(default_config):
        default_config = os.path.join(workflow.basedir, default_config)

    configfile: default_config


report: "workflow/report/workflow.rst"


include: "workflow/rules/config.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/upstream.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/fit.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/observe.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/docs.smk"
include: "workflow/rules/pack.smk"


# Snakemake refuses to cache what has a benchmark, since what comes from the cache has none.
if "SNAKEMAKE_OUTPUT_CACHE" in os.environ:
    for name in filter(workflow.is_rule, ("simulate", "fit")):
        workflow.get_rule(name)._benchmark = None


onstart:
    lock_run()


onsuccess:
    for path in expand("results/{run}/report.html", run=RUNS):
        if os.path.exists(path) and os.path.getmtime(path) > BEGAN:
            logger.info(f"The report: {path}")


rule all:
    default_target: True
    input:
        everything,
