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
        mem_mb=mem_of_exporting,
        runtime=minutes(15),
    params:
        problem=PROBLEM,
        code=code("export.py"),
        upstream=upstream("export"),
    script:
        "../../scripts/export.py"


if settings.compress:

    rule compress:
        """Summaries and estimates of the simulations in some of the user's files."""
        input:
            unpack(theta_of_refinement),
            files=lambda wildcards: [
                local(path)
                for path in content.inputs_of(
                    {"fiducial": COMPRESS[wildcards.compressed]}, KNOWN
                )
            ],
            fit="results/{run}/fits/{fit}/seed-{seed}/fit.h5",
            information="results/{run}/fits/{fit}/seed-{seed}/information.json",
        output:
            compressed="results/{run}/fits/{fit}/seed-{seed}/compressed/{compressed}.h5",
        log:
            "results/{run}/logs/compress/{compressed}/{fit}/seed-{seed}.log",
        benchmark:
            "results/{run}/benchmarks/compress/{compressed}/{fit}/seed-{seed}.tsv"
        threads: lambda wildcards: settings.fits[wildcards.fit].threads
        resources:
            gpu=n_gpus,
            mem_mb=mem_of_compressing,
            runtime=minutes(240),
        params:
            problem=PROBLEM,
            recipe=recipe_of,
            given=lambda wildcards: COMPRESS[wildcards.compressed],
            content=lambda wildcards: COMPRESSED[wildcards.compressed],
            code=code("compress.py"),
            upstream=upstream("compress"),
        script:
            "../../scripts/compress.py"
