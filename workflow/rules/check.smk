# A look at what a full run would meet: snakemake --cores all -- check
localrules:
    check,  # it asks for no job of a cluster, and looks at this machine


rule check:
    """Draw a few simulations, begin each fit, and tell what a full run would meet."""
    log:
        f"results/{settings.run}/logs/check.log",
    threads: threads_of_simulating
    params:
        settings=settings.model_dump(exclude=SAID_BY_FILES),
        problem=PROBLEM,
        files=FILES,
        sizes=tuple(SIMULATIONS),
        needed=lambda wildcards: None if settings.files else needed(),
        cores=workflow.resource_settings.cores or 1,  # on a cluster, of this machine
        # Of jax, which draws and fits in one process here.
        threads=max(
            (not SIMULATOR.is_numpy and settings.simulate.threads) or 1,
            *(recipe.threads for recipe in settings.fits.values()),
        ),
    script:
        "../../scripts/check.py"
