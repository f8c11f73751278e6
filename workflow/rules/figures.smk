rule plot_history:
    """|F|, covariance and regularisation of one fit against its iterations."""
    input:
        history="results/{run}/fits/{fit}/seed-{seed}/history.csv",
        information="results/{run}/fits/{fit}/seed-{seed}/information.json",
    output:
        report(
            "results/{run}/figures/history/{fit}/seed-{seed}.svg",
            caption="../report/history.rst",
            category="Histories",
            labels={"fit": "{fit}", "seed": "{seed}"},
        ),
        "results/{run}/figures/history/{fit}/seed-{seed}.png",
    log:
        "results/{run}/logs/plot_history/{fit}/seed-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/plot_history/{fit}/seed-{seed}.tsv"
    resources:
        mem_mb=mem_of_small,
        runtime=minutes(15),
    params:
        code=code("plot_history.py"),
        upstream=after(made_information),
    script:
        "../../scripts/plot_history.py"


rule plot_information:
    """What each recipe kept of the information, seed by seed."""
    input:
        information=every_information,
        analytic="results/{run}/analytic_fisher.json",
    output:
        report(
            "results/{run}/figures/information.svg",
            caption="../report/information.rst",
            category="Fisher information",
        ),
        "results/{run}/figures/information.png",
    log:
        "results/{run}/logs/plot_information.log",
    benchmark:
        "results/{run}/benchmarks/plot_information.tsv"
    resources:
        mem_mb=mem_of_small,
        runtime=minutes(15),
    params:
        code=code("plot_information.py"),
        upstream=after(made_information_of_all),
    script:
        "../../scripts/plot_information.py"


rule plot_ellipses:
    """Contours of F^-1 of each recipe on the analytic ones."""
    input:
        information=every_information,
        analytic="results/{run}/analytic_fisher.json",
    output:
        report(
            "results/{run}/figures/fisher_ellipses.svg",
            caption="../report/ellipses.rst",
            category="Fisher information",
        ),
        "results/{run}/figures/fisher_ellipses.png",
    log:
        "results/{run}/logs/plot_ellipses.log",
    benchmark:
        "results/{run}/benchmarks/plot_ellipses.tsv"
    resources:
        mem_mb=mem_of_small,
        runtime=minutes(15),
    params:
        code=code("plot_ellipses.py"),
        upstream=after(made_information_of_all),
    script:
        "../../scripts/plot_ellipses.py"


rule plot_estimates:
    """Estimates of the parameters from the summaries of test simulations."""
    input:
        estimates="results/{run}/fits/{fit}/seed-{seed}/estimates.csv",
        information="results/{run}/fits/{fit}/seed-{seed}/information.json",
        analytic="results/{run}/analytic_fisher.json",
    output:
        report(
            "results/{run}/figures/estimates/{fit}/seed-{seed}.svg",
            caption="../report/estimates.rst",
            category="Estimates",
            labels={"fit": "{fit}", "seed": "{seed}"},
        ),
        "results/{run}/figures/estimates/{fit}/seed-{seed}.png",
    log:
        "results/{run}/logs/plot_estimates/{fit}/seed-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/plot_estimates/{fit}/seed-{seed}.tsv"
    resources:
        mem_mb=mem_of_small,
        runtime=minutes(15),
    params:
        fits=list(settings.fits),
        code=code("plot_estimates.py"),
        upstream=after(made_information),
    script:
        "../../scripts/plot_estimates.py"
