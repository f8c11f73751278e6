rule plot_history:
    """|F|, covariance and regularisation of one fit against its iterations."""
    input:
        history=["results/{run}/fits/{fit}/seed-{seed}/history.csv"],
        information=["results/{run}/fits/{fit}/seed-{seed}/information.json"],
        style=STYLE,
    output:
        report(
            "results/{run}/figures/history/{fit}/seed-{seed}.svg",
            caption="../report/history.rst",
            category="Histories",
            labels={"fit": "{fit}", "seed": "{seed}"},
        ),
        also("results/{run}/figures/history/{fit}/seed-{seed}"),
    log:
        "results/{run}/logs/plot_history/{fit}/seed-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/plot_history/{fit}/seed-{seed}.tsv"
    resources:
        mem_mb=mem_of_small,
        runtime=minutes(15),
    params:
        style=content_digest(STYLE),
        code=code("plot_history.py"),
        upstream=upstream("evaluate"),
    script:
        "../../scripts/plot_history.py"


rule plot_histories:
    """The same of all seeds of a recipe, with their median."""
    input:
        history=expand(
            "results/{{run}}/fits/{{fit}}/seed-{seed}/history.csv", seed=settings.seeds
        ),
        information=expand(
            "results/{{run}}/fits/{{fit}}/seed-{seed}/information.json",
            seed=settings.seeds,
        ),
        style=STYLE,
    output:
        report(
            "results/{run}/figures/history/{fit}/all-seeds.svg",
            caption="../report/histories.rst",
            category="Histories",
            labels={"fit": "{fit}", "seed": "all"},
        ),
        also("results/{run}/figures/history/{fit}/all-seeds"),
    log:
        "results/{run}/logs/plot_histories/{fit}.log",
    benchmark:
        "results/{run}/benchmarks/plot_histories/{fit}.tsv"
    resources:
        mem_mb=mem_of_small,
        runtime=minutes(15),
    params:
        style=content_digest(STYLE),
        code=code("plot_history.py"),
        upstream=upstream("evaluate"),
    script:
        "../../scripts/plot_history.py"


rule plot_information:
    """What each recipe kept of the information, seed by seed."""
    input:
        information=every_information,
        analytic="results/{run}/analytic_fisher.json",
        style=STYLE,
    output:
        report(
            "results/{run}/figures/information.svg",
            caption="../report/information.rst",
            category="Fisher information",
            labels={"of all recipes": "what they kept"},
        ),
        also("results/{run}/figures/information"),
    log:
        "results/{run}/logs/plot_information.log",
    benchmark:
        "results/{run}/benchmarks/plot_information.tsv"
    resources:
        mem_mb=mem_of_small,
        runtime=minutes(15),
    params:
        style=content_digest(STYLE),
        code=code("plot_information.py"),
        upstream=upstream("evaluate"),
    script:
        "../../scripts/plot_information.py"


rule plot_ellipses:
    """Contours of F^-1 of each recipe on the analytic ones."""
    input:
        information=every_information,
        analytic="results/{run}/analytic_fisher.json",
        style=STYLE,
    output:
        report(
            "results/{run}/figures/fisher_ellipses.svg",
            caption="../report/ellipses.rst",
            category="Fisher information",
            labels={"of all recipes": "ellipses"},
        ),
        also("results/{run}/figures/fisher_ellipses"),
    log:
        "results/{run}/logs/plot_ellipses.log",
    benchmark:
        "results/{run}/benchmarks/plot_ellipses.tsv"
    resources:
        mem_mb=mem_of_small,
        runtime=minutes(15),
    params:
        style=content_digest(STYLE),
        code=code("plot_ellipses.py"),
        upstream=upstream("evaluate"),
    script:
        "../../scripts/plot_ellipses.py"


rule plot_estimates:
    """Estimates of the parameters from the summaries of test simulations."""
    input:
        estimates="results/{run}/fits/{fit}/seed-{seed}/estimates.csv",
        information="results/{run}/fits/{fit}/seed-{seed}/information.json",
        analytic="results/{run}/analytic_fisher.json",
        style=STYLE,
    output:
        report(
            "results/{run}/figures/estimates/{fit}/seed-{seed}.svg",
            caption="../report/estimates.rst",
            category="Estimates",
            labels={"fit": "{fit}", "seed": "{seed}"},
        ),
        also("results/{run}/figures/estimates/{fit}/seed-{seed}"),
    log:
        "results/{run}/logs/plot_estimates/{fit}/seed-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/plot_estimates/{fit}/seed-{seed}.tsv"
    resources:
        mem_mb=mem_of_small,
        runtime=minutes(15),
    params:
        fits=list(settings.fits),
        style=content_digest(STYLE),
        code=code("plot_estimates.py"),
        upstream=upstream("evaluate"),
    script:
        "../../scripts/plot_estimates.py"
