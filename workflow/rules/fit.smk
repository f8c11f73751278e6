rule fit:
    """Fit one recipe to one seed's simulations, until |F| stops rising."""
    input:
        unpack(sets_of_fit),
        unpack(first_look),
        unpack(parent_of_fit),
        unpack(theta_of_refinement),
    output:
        fit="results/{run}/fits/{fit}/seed-{seed}/fit.h5",
        history="results/{run}/fits/{fit}/seed-{seed}/history.csv",
    log:
        "results/{run}/logs/fit/{fit}/seed-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/fit/{fit}/seed-{seed}.tsv"
    threads: lambda wildcards: settings.fits[wildcards.fit].threads
    resources:
        gpu=n_gpus,
        mem_mb=mem_of_fit,
        runtime=minutes(240),
    params:
        problem=PROBLEM,
        n_s=SIZES["n_s"],
        n_d=SIZES["n_d"],
        recipe=recipe_of,
        seed=lambda wildcards: wildcards.seed,
        code=code("fit.py"),
        upstream=upstream("fit"),
    script:
        "../../scripts/fit.py"
