rule evaluate:
    """The Fisher information that a fit keeps of each set of simulations."""
    input:
        unpack(sets_of_fit),
        unpack(theta_of_refinement),
        unpack(halved),
        test=test_set,
        fit="results/{run}/fits/{fit}/seed-{seed}/fit.h5",
        analytic="results/{run}/analytic_fisher.json",
    output:
        information="results/{run}/fits/{fit}/seed-{seed}/information.json",
        estimates="results/{run}/fits/{fit}/seed-{seed}/estimates.csv",
    log:
        "results/{run}/logs/evaluate/{fit}/seed-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/evaluate/{fit}/seed-{seed}.tsv"
    threads: lambda wildcards: settings.fits[wildcards.fit].threads
    resources:
        gpu=n_gpus,
        mem_mb=mem_of_evaluating,
        runtime=minutes(60),
    params:
        problem=PROBLEM,
        n_s=SIZES["n_s"],
        n_d=SIZES["n_d"],
        n_test=SIZES["n_test"],
        recipe=recipe_of,
        code=code("evaluate.py"),
        upstream=upstream("evaluate"),
    script:
        "../../scripts/evaluate.py"


localrules:
    summarise,  # no job for a cluster: it takes a second


rule summarise:
    """One table of all recipes, seeds and splits."""
    input:
        information=every_information,
        analytic="results/{run}/analytic_fisher.json",
    output:
        summary=report(
            "results/{run}/summary.csv",
            caption="../report/summary.rst",
            category="Fisher information",
            labels={"of all recipes": "table"},
        ),
    log:
        "results/{run}/logs/summarise.log",
    benchmark:
        "results/{run}/benchmarks/summarise.tsv"
    params:
        code=code("summarise.py"),
        upstream=upstream("summarise"),
    script:
        "../../scripts/summarise.py"
