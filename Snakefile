# From simulations to the Fisher information that a fitted IMNN keeps of them.
import os
import time

from snakemake.utils import min_version

min_version("9.0")

BEGAN = time.time()


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


if IS_FOLDER:  # they show, and pack, what lies beside this Snakefile

    include: "workflow/rules/docs.smk"
    include: "workflow/rules/pack.smk"


# Snakemake refuses to cache what has a benchmark, since what comes from the cache has none.
if "SNAKEMAKE_OUTPUT_CACHE" in os.environ:
    for each in (
        getattr(rules, name) for name in ("simulate", "fit") if rules.has(name)
    ):
        each.rule._benchmark = None


onstart:
    lock_run()


onsuccess:
    for path in expand("results/{run}/report.html", run=RUNS):
        if os.path.exists(path) and os.path.getmtime(path) > BEGAN:
            logger.info(f"The report: {path}")


rule all:
    input:
        everything,
