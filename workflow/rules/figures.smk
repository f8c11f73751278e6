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
    params:
        code=code("plot_history.py"),
    script:
        "../../scripts/plot_history.py"
