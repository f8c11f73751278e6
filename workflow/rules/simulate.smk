if settings.files:
    # The user's files stay where they are, whatever `prefix:` a module has. If they are many, only
    # their content counts.
    INPUTS = {
        split: [local(path) for path in content.inputs_of(given, KNOWN)]
        for split, given in FILES.items()
    }

    rule check_files:
        """Check the user's files of simulations."""
        input:
            **INPUTS,
        output:
            checked="results/{run}/simulations/checked.json",
        log:
            "results/{run}/logs/check_files.log",
        benchmark:
            "results/{run}/benchmarks/check_files.tsv"
        resources:
            mem_mb=mem_of_simulating,
            runtime=minutes(60),
        params:
            problem=PROBLEM,
            files=FILES,
            content=CONTENT,
            code=code("check_files.py"),
        script:
            "../../scripts/check_files.py"

    rule use_files:
        """Write which simulations of a file each set of a seed has."""
        input:
            checked="results/{run}/simulations/checked.json",
        output:
            **{
                split: f"results/{{run}}/simulations/seed-{{seed}}/{split}.h5"
                for split in settings.files.splits
            },
        log:
            "results/{run}/logs/use_files/seed-{seed}.log",
        benchmark:
            "results/{run}/benchmarks/use_files/seed-{seed}.tsv"
        resources:
            mem_mb=mem_of_small,
            runtime=minutes(15),
        params:
            problem=PROBLEM,
            fractions=settings.files.fractions,
            files=FILES,  # their names are in the outputs
            n_summaries=max(each.n_summaries or 0 for each in settings.fits.values()),
            code=code("use_files.py"),
            upstream=upstream("simulate"),
        script:
            "../../scripts/use_files.py"

else:

    rule simulate:
        """Draw a part of one split of one seed: simulations at theta_fid, and derivatives."""
        input:
            unpack(theta_of_refinement),
        output:
            simulations=(temp(A_PART) if settings.simulate.keep is False else A_PART),
        log:
            "results/{run}/logs/simulate/seed-{seed}/{split}/{part}.log",
        benchmark:
            "results/{run}/benchmarks/simulate/seed-{seed}/{split}/{part}.tsv"
        threads: threads_of_simulating
        resources:
            gpu=n_gpus_of_simulating,
            mem_mb=mem_of_simulating,
            runtime=minutes_of_simulating,
        params:
            problem=SIMULATED,
            n_test=lambda wildcards: (
                min(settings.n_test, parts.MOST_HALVED)
                if wildcards.part == parts.FEW
                else None
            ),
            seed=lambda wildcards: wildcards.seed,
            split=lambda wildcards: wildcards.split,
            part=lambda wildcards: wildcards.part,
            made_from=upstream("simulate"),
        script:
            "../../scripts/simulate.py"

    rule check_simulations:
        """Look at the first set of a run that has several parts; one part looks at itself."""
        input:
            unpack(theta_of_refinement),
            first=lambda wildcards: set_of(FIRST_SET, wildcards.run, settings.seeds[0]),
        output:
            checked="results/{run}/simulations/checked.json",
        log:
            "results/{run}/logs/check_simulations.log",
        benchmark:
            "results/{run}/benchmarks/check_simulations.tsv"
        resources:
            mem_mb=mem_of_simulating,
            runtime=minutes(60),
        params:
            problem=PROBLEM,
            seed=settings.seeds[0],
            split=FIRST_SET,
            code=code("check_simulations.py"),
            upstream=upstream("simulate"),
        script:
            "../../scripts/check_simulations.py"


rule analytic_fisher:
    """The Fisher information of the simulations, in closed form and by Monte Carlo."""
    input:
        unpack(theta_of_refinement),
        # Simulations of a numpy simulator cost something; those that there are serve as well.
        test=lambda wildcards: (
            set_of("test", wildcards.run, settings.seeds[0])
            if SIMULATOR.is_numpy and not settings.files
            else []
        ),
    output:
        analytic="results/{run}/analytic_fisher.json",
    log:
        "results/{run}/logs/analytic_fisher.log",
    benchmark:
        "results/{run}/benchmarks/analytic_fisher.tsv"
    resources:
        mem_mb=mem_of_simulating,
        runtime=minutes(60),
    params:
        problem=PROBLEM,
        n_monte_carlo=settings.n_monte_carlo,
        seed=settings.seeds[0] if SIMULATOR.is_numpy else None,
        code=code("analytic_fisher.py"),
        upstream=upstream("analytic_fisher"),
    script:
        "../../scripts/analytic_fisher.py"


if workflow.is_main_process and IS_ALONE and not settings.files:
    of_sets, _ = needed()
    n_to_draw = sum(each.n - each.n_there for each in of_sets.values())
    seconds = settings.simulate.seconds_per_simulation
    logger.info(
        inventory.in_words(
            of_sets,
            0 if SIMULATOR.is_numpy else settings.n_monte_carlo * len(RUNS),
            seconds and n_to_draw * seconds / (workflow.resource_settings.cores or 1),
        )
    )
