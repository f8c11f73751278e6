rule report:
    """What the run found, in one HTML file that needs no network."""
    input:
        summary="results/{run}/summary.csv",
        analytic="results/{run}/analytic_fisher.json",
        information=expand(
            "results/{{run}}/fits/{fit}/seed-{seed}/information.json",
            fit=settings.fits,
            seed=settings.seeds,
        ),
        histories=expand(
            "results/{{run}}/figures/history/{fit}/seed-{seed}.svg",
            fit=settings.fits,
            seed=settings.seeds,
        ),
        template=os.path.relpath(
            os.path.join(ROOT, "workflow", "report", "report.html.j2")
        ),
    output:
        report="results/{run}/report.html",
    log:
        "results/{run}/logs/report.log",
    benchmark:
        "results/{run}/benchmarks/report.tsv"
    params:
        settings=settings.model_dump(),
        code=code("report.py"),
    script:
        "../../scripts/report.py"
