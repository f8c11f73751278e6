rule export:
    """A fit's compressor as a program with its weights inside, which needs jax alone."""
    input:
        unpack(theta_of_refinement),
        fit="results/{run}/fits/{fit}/seed-{seed}/fit.h5",
        information="results/{run}/fits/{fit}/seed-{seed}/information.json",
    output:
        program="results/{run}/fits/{fit}/seed-{seed}/compressor.stablehlo",
        description="results/{run}/fits/{fit}/seed-{seed}/compressor.json",
    log:
        "results/{run}/logs/export/{fit}/seed-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/export/{fit}/seed-{seed}.tsv"
    resources:
        mem_mb=mem_of_small,
        runtime=minutes(15),
    params:
        problem=PROBLEM,
        code=code("export.py"),
        upstream=upstream("export"),
    script:
        "../../scripts/export.py"
