rule simulate:
    """Draw one split of one seed: simulations at theta_fid and their derivatives."""
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
