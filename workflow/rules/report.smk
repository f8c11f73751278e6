rule report:
    """What the run found, in one HTML file that needs no network."""
    input:
        summary="results/{run}/summary.csv",
        analytic="results/{run}/analytic_fisher.json",
        information=every_information,
        histories=expand(
            "results/{{run}}/figures/history/{fit}/seed-{seed}.svg",
            fit=settings.fits,
            seed=settings.seeds,
        ),
        information_figure="results/{run}/figures/information.svg",
        ellipses="results/{run}/figures/fisher_ellipses.svg",
        estimates=expand(
            "results/{{run}}/figures/estimates/{fit}/seed-{seed}.svg",
            fit=settings.fits,
            seed=settings.seeds[0],
        ),
        estimates_of_observed=every_estimate if settings.observed else [],
        template=os.path.relpath(
            os.path.join(ROOT, "workflow", "report", "report.html.j2")
        ),
    output:
        report="results/{run}/report.html",
    log:
        "results/{run}/logs/report.log",
    benchmark:
        "results/{run}/benchmarks/report.tsv"
    resources:
        mem_mb=mem_of_small,
        runtime=minutes(15),
    params:
        settings=settings.model_dump(exclude={"checkpoint_minutes", "gpu_memory"}),
        template=content_digest(
            os.path.join(ROOT, "workflow", "report", "report.html.j2")
        ),
        code=code("report.py"),
        upstream=after(made_report),
    script:
        "../../scripts/report.py"
