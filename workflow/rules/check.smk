# A look at what a full run would meet: snakemake --cores all -- check
localrules:
    check,  # it asks for no job of a cluster, and looks at this machine


rule check:
    """Draw a few simulations, begin each fit, and tell what a full run would meet."""
    log:
        f"results/{settings.run}/logs/check.log",
    threads: threads_of_simulating
    params:
        problem=PROBLEM,
        files=FILES,
        sizes=tuple(SIMULATIONS),
        needed=lambda wildcards: None if settings.files else needed(),
        cores=workflow.resource_settings.cores,
    script:
        "../../scripts/check.py"
