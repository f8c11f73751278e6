if settings.files:

    rule use_files:
        """Check the user's files of simulations; each set is a note of which simulations of a file it has."""
        input:
            **{
                split: found(path)
                for split in settings.files.splits
                if (path := getattr(settings.files, split))
            },
        output:
            expand(
                "results/{run}/simulations/seed-{seed}/{split}.h5",
                run=settings.run,
                seed=settings.seeds,
                split=settings.files.splits,
            ),
        log:
            expand("results/{run}/logs/use_files.log", run=settings.run),
        benchmark:
            f"results/{settings.run}/benchmarks/use_files.tsv"
        params:
            problem=PROBLEM,
            seeds=settings.seeds,
            splits=settings.files.splits,
            fractions=settings.files.fractions,
            fewest=max(recipe.n_summaries for recipe in settings.fits.values()) + 3,
            code=code("use_files.py"),
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
        params:
            problem=PROBLEM,
            n_s=lambda wildcards: (
                settings.n_test if wildcards.split == "test" else settings.n_s
            ),
            n_d=lambda wildcards: (
                settings.n_test if wildcards.split == "test" else settings.n_d
            ),
            code=code("simulate.py"),
        script:
            "../../scripts/simulate.py"


rule analytic_fisher:
    """The Fisher information of the simulations themselves, in closed form and by Monte Carlo."""
    input:
        unpack(theta_of_refinement),
    output:
        analytic="results/{run}/analytic_fisher.json",
    log:
        "results/{run}/logs/analytic_fisher.log",
    benchmark:
        "results/{run}/benchmarks/analytic_fisher.tsv"
    params:
        problem=PROBLEM,
        n_monte_carlo=settings.n_monte_carlo,
        code=code("analytic_fisher.py"),
    script:
        "../../scripts/analytic_fisher.py"
