# All of the workflow but `all`, which each Snakefile has.
import os
import time

from snakemake.utils import min_version

min_version("9.0")

BEGAN = time.time()


report: "../report/workflow.rst"


include: "config.smk"
include: "common.smk"
include: "resources.smk"
include: "upstream.smk"
include: "common_posterior.smk"
include: "simulate.smk"
include: "check.smk"
include: "fit.smk"
include: "evaluate.smk"
include: "observe.smk"
include: "compress.smk"


if settings.posterior:

    include: "posterior.smk"


include: "figures.smk"
include: "report.smk"


if IS_FOLDER:  # they show, and pack, what lies beside this Snakefile

    include: "docs.smk"
    include: "pack.smk"


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
