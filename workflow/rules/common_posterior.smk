# What the rules of posteriors ask of the config, and other rules of posteriors.
PRIOR = OF_POSTERIOR and OF_POSTERIOR["prior"]
OF_GIVEN = [
    local(path)
    for given in GIVEN.values()
    for path in content.inputs_of({"fiducial": given}, KNOWN)
]
N_FROM_PRIOR = {"prior": 0, "calibration": 0}
if settings.posterior:
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
    """Of one method: what changes its samples."""
    method = wildcards.method
    own = {method: OF_POSTERIOR[method]} if method in OF_POSTERIOR else {}
    has_choice = method in ("gaussian", "neural")  # of how many samples it gives
    return {"n_samples": OF_POSTERIOR["n_samples"]} | own if has_choice else own


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


def posterior_of_report(wildcards):
    """Tables and figures of posteriors: of this run, and the tables of those before it."""
    if not settings.posterior:
        return {}
    this = f"results/{wildcards.run}"
    before = RUNS[: RUNS.index(wildcards.run) + 1]
    return {
        "posteriors": expand("results/{run}/posterior.csv", run=before),
        "calibration": f"{this}/calibration.csv",
        "doubts": f"{this}/posterior/doubts.json",
        "posterior_figure": f"{this}/figures/posterior.svg",
        "calibration_figures": expand(
            f"{this}/figures/calibration/{{fit}}.svg", fit=settings.fits
        ),
    }


def posteriors_to_refine_by(wildcards):
    """The posteriors of the run before, where theta_fid or a box comes from them."""
    posterior = settings.posterior
    if not (posterior and (posterior.refine_by or posterior.truncate)):
        return {}
    before = RUNS[int(wildcards.step) - 1]
    return {
        "posteriors": expand(
            "results/{run}/fits/{fit}/seed-{seed}/posterior/{method}.h5",
            run=before,
            **OF_METHODS,
        )
    }
