rule plot_fit:
    """Figures of one recipe: histories of each seed and of all, and estimates of the first seed."""
    input:
        history=expand(
            "results/{{run}}/fits/{{fit}}/seed-{seed}/history.csv", seed=settings.seeds
        ),
        information=expand(
            "results/{{run}}/fits/{{fit}}/seed-{seed}/information.json",
            seed=settings.seeds,
        ),
        estimates=f"results/{{run}}/fits/{{fit}}/seed-{settings.seeds[0]}/estimates.csv",
        analytic="results/{run}/analytic_fisher.json",
        style=STYLE,
    output:
        histories=drawn(
            "results/{run}/figures/history/{fit}/all-seeds",
            caption="histories",
            category="Histories",
            labels={"fit": "{fit}", "seed": "all"},
        ),
        history=[
            drawn(
                f"results/{{run}}/figures/history/{{fit}}/seed-{seed}",
                caption="history",
                category="Histories",
                labels={"fit": "{fit}", "seed": str(seed)},
            )
            for seed in settings.seeds
        ],
        estimates=drawn(
            f"results/{{run}}/figures/estimates/{{fit}}/seed-{settings.seeds[0]}",
            caption="estimates",
            category="Estimates",
            labels={"fit": "{fit}", "seed": str(settings.seeds[0])},
        ),
    log:
        "results/{run}/logs/plot_fit/{fit}.log",
    benchmark:
        "results/{run}/benchmarks/plot_fit/{fit}.tsv"
    resources:
        mem_mb=mem_of_small,
        runtime=minutes(15),
    params:
        fits=list(settings.fits),
        style=content_digest(STYLE),
        code=code("plot_fit.py"),
        upstream=upstream("evaluate"),
    script:
        "../../scripts/plot_fit.py"


rule plot_comparison:
    """Figures of all recipes: the information that they kept, and contours of F^-1."""
    input:
        information=every_information,
        analytic="results/{run}/analytic_fisher.json",
        style=STYLE,
    output:
        information=drawn(
            "results/{run}/figures/information",
            caption="information",
            category="Fisher information",
            labels={"of all recipes": "what they kept"},
        ),
        ellipses=drawn(
            "results/{run}/figures/fisher_ellipses",
            caption="ellipses",
            category="Fisher information",
            labels={"of all recipes": "ellipses"},
        ),
    log:
        "results/{run}/logs/plot_comparison.log",
    benchmark:
        "results/{run}/benchmarks/plot_comparison.tsv"
    resources:
        mem_mb=mem_of_small,
        runtime=minutes(15),
    params:
        style=content_digest(STYLE),
        code=code("plot_comparison.py"),
        upstream=upstream("evaluate"),
    script:
        "../../scripts/plot_comparison.py"
