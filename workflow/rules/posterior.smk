# Posteriors of the parameters: simulations from the prior, which all fits share, and what each fit
# and method makes of them.
if settings.posterior.draws:

    rule simulate_prior:
        """Draw a part of the simulations from the prior, each at parameters of its own."""
        input:
            unpack(cut_prior),
        output:
            simulations=(temp(A_PART) if settings.simulate.keep is False else A_PART),
        log:
            "results/{run}/logs/simulate_prior/seed-{seed}/{split}/{part}.log",
        benchmark:
            "results/{run}/benchmarks/simulate_prior/seed-{seed}/{split}/{part}.tsv"
        wildcard_constraints:
            split="prior|calibration",
        threads: threads_of_simulating
        resources:
            gpu=n_gpus_of_simulating,
            mem_mb=mem_of_simulating,
            runtime=minutes_of_simulating,
        params:
            problem=FROM_PRIOR,
            prior=PRIOR,
            failures=OF_POSTERIOR["failures"],
            made_from=upstream("simulate_prior"),
        script:
            "../../scripts/simulate.py"


rule compress_prior:
    """Summaries of the simulations from the prior and of the observation, by one fit."""
    input:
        OF_GIVEN,
        unpack(theta_of_refinement),
        unpack(cut_prior),
        unpack(data_of_posterior),
        prior=from_prior("prior"),
        calibration=from_prior("calibration"),
        fit=f"{A_FIT}/fit.h5",
        information=f"{A_FIT}/information.json",
    output:
        summaries=f"{A_FIT}/posterior/summaries.h5",
    log:
        "results/{run}/logs/compress_prior/{fit}/seed-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/compress_prior/{fit}/seed-{seed}.tsv"
    threads: lambda wildcards: settings.fits[wildcards.fit].threads
    resources:
        gpu=n_gpus,
        mem_mb=mem_of_posterior,
        runtime=minutes(240),
    params:
        problem=PROBLEM,
        prior=PRIOR,
        posterior={
            key: OF_POSTERIOR[key]
            for key in ("failures", "n_calibration", "simulations")
        },
        given=GIVEN or None,
        recipe=recipe_of,
        first_seed=settings.seeds[0],
        code=code("compress_prior.py"),
        upstream=upstream("compress_prior"),
    script:
        "../../scripts/compress_prior.py"


rule exact_posterior:
    """The exact posterior where the likelihood is known, of observation and calibration."""
    input:
        OF_GIVEN,
        unpack(cut_prior),
        unpack(data_of_posterior),
        calibration=from_prior("calibration"),
    output:
        exact="results/{run}/posterior/seed-{seed}/exact.h5",
    log:
        "results/{run}/logs/exact_posterior/seed-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/exact_posterior/seed-{seed}.tsv"
    resources:
        mem_mb=mem_of_posterior,
        runtime=minutes(240),
    params:
        problem=PROBLEM,
        prior=PRIOR,
        posterior={key: OF_POSTERIOR[key] for key in ("n_samples", "n_calibration")},
        given=GIVEN or None,
        first_seed=settings.seeds[0],
        code=code("exact_posterior.py"),
        upstream=upstream("exact_posterior"),
    script:
        "../../scripts/exact_posterior.py"


rule infer:
    """Samples of the posterior by one method, from one fit's summaries."""
    input:
        unpack(theta_of_refinement),
        summaries=f"{A_FIT}/posterior/summaries.h5",
        fit=f"{A_FIT}/fit.h5",
        information=f"{A_FIT}/information.json",
    output:
        posterior=f"{A_FIT}/posterior/{{method}}.h5",
        samples=f"{A_FIT}/posterior/{{method}}.csv",
        chain=f"{A_FIT}/posterior/{{method}}.txt",
        names=f"{A_FIT}/posterior/{{method}}.paramnames",
        ranges=f"{A_FIT}/posterior/{{method}}.ranges",
    log:
        "results/{run}/logs/infer/{method}/{fit}/seed-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/infer/{method}/{fit}/seed-{seed}.tsv"
    threads: threads_of_inferring
    resources:
        mem_mb=mem_of_posterior,
        runtime=minutes(240),
    params:
        problem=PROBLEM,
        posterior=settings_of_method,
        code=code("infer.py"),
        upstream=upstream("infer"),
    script:
        "../../scripts/infer.py"


rule calibrate:
    """How posteriors by one method compare with parameters that are known."""
    input:
        unpack(theta_of_refinement),
        summaries=f"{A_FIT}/posterior/summaries.h5",
        posterior=f"{A_FIT}/posterior/{{method}}.h5",
        exact="results/{run}/posterior/seed-{seed}/exact.h5",
        fit=f"{A_FIT}/fit.h5",
        information=f"{A_FIT}/information.json",
    output:
        calibration=f"{A_FIT}/posterior/{{method}}.calibration.h5",
    log:
        "results/{run}/logs/calibrate/{method}/{fit}/seed-{seed}.log",
    benchmark:
        "results/{run}/benchmarks/calibrate/{method}/{fit}/seed-{seed}.tsv"
    threads: threads_of_inferring
    resources:
        mem_mb=mem_of_posterior,
        runtime=minutes(240),
    params:
        problem=PROBLEM,
        posterior=settings_of_method,
        code=code("calibrate.py"),
        upstream=upstream("calibrate"),
    script:
        "../../scripts/calibrate.py"


rule tabulate_posterior:
    """Tables of the posteriors and of their calibration, and what is doubtful about them."""
    input:
        posteriors=expand(f"{A_FIT}/posterior/{{method}}.h5", run="{run}", **OF_METHODS),
        calibrations=expand(
            f"{A_FIT}/posterior/{{method}}.calibration.h5", run="{run}", **OF_METHODS
        ),
        exact=expand(
            "results/{{run}}/posterior/seed-{seed}/exact.h5", seed=settings.seeds
        ),
    output:
        posterior="results/{run}/posterior.csv",
        calibration="results/{run}/calibration.csv",
        doubts="results/{run}/posterior/doubts.json",
    log:
        "results/{run}/logs/tabulate_posterior.log",
    benchmark:
        "results/{run}/benchmarks/tabulate_posterior.tsv"
    resources:
        mem_mb=mem_of_posterior,
        runtime=minutes(15),
    params:
        seeds=settings.seeds,
        code=code("tabulate_posterior.py"),
        upstream=upstream("tabulate_posterior"),
    script:
        "../../scripts/tabulate_posterior.py"


rule plot_posterior:
    """Figures of the posteriors: contours of all methods and recipes, and their calibration."""
    input:
        posteriors=expand(f"{A_FIT}/posterior/{{method}}.h5", run="{run}", **FIRST_SEED),
        calibrations=expand(
            f"{A_FIT}/posterior/{{method}}.calibration.h5", run="{run}", **OF_METHODS
        ),
        exact=f"results/{{run}}/posterior/seed-{settings.seeds[0]}/exact.h5",
        style=STYLE,
    output:
        posterior=drawn(
            "results/{run}/figures/posterior",
            caption="posterior",
            category="Posterior",
            labels={"of all recipes": "posterior"},
        ),
        calibration=[
            drawn(
                f"results/{{run}}/figures/calibration/{fit}",
                caption="calibration",
                category="Posterior",
                labels={"of all recipes": f"calibration of {fit}"},
            )
            for fit in settings.fits
        ],
    log:
        "results/{run}/logs/plot_posterior.log",
    benchmark:
        "results/{run}/benchmarks/plot_posterior.tsv"
    resources:
        mem_mb=mem_of_posterior,
        runtime=minutes(15),
    params:
        style=content_digest(STYLE),
        code=code("plot_posterior.py"),
        upstream=upstream("tabulate_posterior"),
    script:
        "../../scripts/plot_posterior.py"
