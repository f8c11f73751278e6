# Posteriors of the parameters: simulations from the prior, which all fits share, and what each fit
# and method makes of them.
PRIOR = OF_POSTERIOR["prior"]
OF_GIVEN = [
    local(path)
    for given in GIVEN.values()
    for path in content.inputs_of({"fiducial": given}, KNOWN)
]
N_FROM_PRIOR = {
    "prior": settings.posterior.n_simulations,
    "calibration": settings.posterior.n_calibration,
}
FIRST_SEED = OF_METHODS | {"seed": settings.seeds[0]}
A_FIT = "results/{run}/fits/{fit}/seed-{seed}"


def run_of_prior(run):
    """The run whose folder has the simulations from the prior: a box's own, or the first one's."""
    return run if settings.posterior.truncate else settings.run


def cut_prior(wildcards):
    """The file with the box of a refinement."""
    is_cut = settings.posterior.truncate and wildcards.run != settings.run
    return {"cut_prior": f"results/{wildcards.run}/prior.json"} if is_cut else {}


def from_prior(split):
    """A function of wildcards to the parts of a set from the prior."""

    def paths(wildcards):
        n = N_FROM_PRIOR[split] if settings.posterior.draws else 0
        run = run_of_prior(wildcards.run)
        folder = f"results/{run}/simulations/seed-{wildcards.seed}/{split}"
        cut = parts.cut(n, n, settings.simulate.n_per_part) if n else []
        return [f"{folder}/{part.name}.h5" for part in cut]

    return paths


def data_of_posterior(wildcards):
    """The observed data, or the first seed's test set."""
    if settings.observed:
        return {"observed": local(found(settings.observed))}
    return {"test": set_of("test", wildcards.run, settings.seeds[0])}


def settings_of_method(wildcards):
    """Of one method."""
    method = wildcards.method
    own = {method: OF_POSTERIOR[method]} if method in OF_POSTERIOR else {}
    return {"n_samples": OF_POSTERIOR["n_samples"]} | own


def threads_of_inferring(wildcards):
    """Processes of a numpy simulator, which population Monte Carlo runs."""
    return threads_of_simulating(wildcards) if wildcards.method == "pmc" else 1


def mem_of_posterior(wildcards, attempt):
    """Of summaries and samples in float64, beside what compressing needs."""
    recipe = settings.fits[wildcards.get("fit", next(iter(settings.fits)))]
    width = (recipe.n_summaries or len(PRIOR)) + 4 * len(PRIOR)
    n = sum(N_FROM_PRIOR.values()) + settings.posterior.n_samples
    gpus = n_gpus(wildcards) if "fit" in wildcards.keys() else 0
    return memory.of_posterior(SIMULATIONS, recipe, 8 * width * n, gpus, attempt)


if settings.posterior.draws:

    rule simulate_prior:
        """Draw a part of the simulations from the prior, each at parameters of its own."""
        input:
            unpack(cut_prior),
        output:
            simulations="results/{run}/simulations/seed-{seed}/{split}/{part}.h5",
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
    """The exact posterior where the likelihood is known: of the observation, and for calibration."""
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
