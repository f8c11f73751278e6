if settings.files:

    rule check_files:
        """Check the user's files of simulations."""
        input:
            **FILES,
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
        """Draw one split of one seed: simulations at theta_fid and their derivatives."""
        input:
            unpack(theta_of_refinement),
        output:
            simulations="results/{run}/simulations/seed-{seed}/{split}.h5",
        log:
            "results/{run}/logs/simulate/seed-{seed}/{split}.log",
        benchmark:
            "results/{run}/benchmarks/simulate/seed-{seed}/{split}.tsv"
        resources:
            mem_mb=mem_of_simulating,
            runtime=minutes(240),
        params:
            problem=PROBLEM,
            n_s=lambda wildcards: (
                settings.n_test if is_of_test(wildcards.split) else settings.n_s
            ),
            n_d=lambda wildcards: (
                settings.n_test if is_of_test(wildcards.split) else settings.n_d
            ),
            seed=lambda wildcards: wildcards.seed,
            split=lambda wildcards: wildcards.split,
            code=code("simulate.py"),
            upstream=upstream("simulate"),
        script:
            "../../scripts/simulate.py"


rule analytic_fisher:
    """The Fisher information of the simulations, in closed form and by Monte Carlo."""
    input:
        unpack(theta_of_refinement),
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
        code=code("analytic_fisher.py"),
        upstream=upstream("analytic_fisher"),
    script:
        "../../scripts/analytic_fisher.py"
