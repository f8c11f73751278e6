rule report:
    """What the run found, in one HTML file that needs no network."""
    input:
        unpack(posterior_of_report),
        analytic="results/{run}/analytic_fisher.json",
        information=every_information,
        information_figure="results/{run}/figures/information.svg",
        ellipses="results/{run}/figures/fisher_ellipses.svg",
        histories=expand(
            "results/{{run}}/figures/history/{fit}/all-seeds.svg", fit=settings.fits
        ),
        history=expand(
            "results/{{run}}/figures/history/{fit}/seed-{seed}.svg",
            fit=settings.fits,
            seed=settings.seeds,
        ),
        estimates=expand(
            "results/{{run}}/figures/estimates/{fit}/seed-{seed}.svg",
            fit=settings.fits,
            seed=settings.seeds[0],
        ),
        estimates_of_observed=every_estimate if settings.observed else [],
        template=TEMPLATE,
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
        # Without what changes no result, and without sizes that the user's files have themselves.
        settings=settings.model_dump(
            exclude={"checkpoint_minutes", "gpu_memory", "compress"} | SAID_BY_FILES
        ),
        texts=[content_digest(path) for path in TEXTS],
        code=code("report.py"),
        upstream=upstream("report"),
    script:
        "../../scripts/report.py"
