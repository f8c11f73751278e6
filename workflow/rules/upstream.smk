# The parameter `upstream`: a digest of the code, the settings and the user's files that earlier
# rules depend on. It reruns what follows when one of them changes, also where times of modification
# don't tell, as after a clock was set back.
import math

from imnn_core.workflow.digest import content_digest, settings_digest

# Digests of the user's files of simulations, by split, of those to compress, and of observed data.
CONTENT = {split: content.of_set(given, KNOWN) for split, given in FILES.items()}
COMPRESSED = {name: content.of_array(given, KNOWN) for name, given in COMPRESS.items()}
OBSERVED = settings.observed and content.of_set(found(settings.observed), KNOWN)

# Its file may lie in another folder elsewhere.
ANY_FOLDER = PROBLEM | {"kind": os.path.basename(PROBLEM["kind"])}
FRACTIONS = settings.files and settings.files.fractions
# What decides the bits of simulations that are drawn here; how they are written does not.
DRAWN_BY = ["imnn_core/problems/load.py", "imnn_core/problems/simulations.py"]
OF_JAX = [settings.simulate.n_per_call, settings.simulate.devices]
# Which differences are taken makes no other simulations.
SIMULATED = {key: value for key, value in PROBLEM.items() if key != "of_summaries"}
SIMULATED |= {"code": SIMULATOR.digest}
DRAWN = [
    SIMULATED | {"kind": ANY_FOLDER["kind"]},
    None if SIMULATOR.is_numpy else OF_JAX,
    parts.FORMAT,
]
# Simulations from the prior depend on no theta_fid, and have no derivatives.
FROM_PRIOR = SIMULATED | {"theta_fid": None, "delta_theta": None}
DRAWN_FROM_PRIOR = [FROM_PRIOR | {"kind": ANY_FOLDER["kind"]}, *DRAWN[1:]]
GIVEN_CONTENT = {key: content.of_array(given, KNOWN) for key, given in GIVEN.items()}
USES_POSTERIOR = settings.posterior and (
    settings.posterior.refine_by or settings.posterior.truncate
)
OF_POSTERIOR = settings.posterior and settings.posterior.model_dump()
USED_BY = ["check_files.py", "use_files.py"]
PLOTS = ["plot_fit.py", "plot_comparison.py"]
# Each rule's settings, scripts and parents. Recipes are added to those of `fit`.
MADE_BY = {
    "simulate": (
        ([ANY_FOLDER, CONTENT, FRACTIONS], USED_BY, [])
        if settings.files
        else (DRAWN, DRAWN_BY, [])
    ),
    "analytic_fisher": (
        [ANY_FOLDER, settings.n_monte_carlo],
        ["analytic_fisher.py"],
        [],
    ),
    "fit": ([ANY_FOLDER, SIZES["n_s"], SIZES["n_d"]], ["fit.py"], ["simulate"]),
    "evaluate": ([SIZES["n_test"]], ["evaluate.py"], ["fit", "analytic_fisher"]),
    "export": ([], ["export.py"], ["evaluate"]),
    "compress": ([], ["compress.py"], ["evaluate"]),
    "summarise": ([], ["summarise.py"], ["evaluate"]),
    "simulate_prior": (DRAWN_FROM_PRIOR, DRAWN_BY, []),
    "compress_prior": (
        [OBSERVED, GIVEN_CONTENT],
        ["compress_prior.py"],
        ["evaluate", "simulate_prior"],
    ),
    "exact_posterior": (
        [ANY_FOLDER, OBSERVED, GIVEN_CONTENT],
        ["exact_posterior.py"],
        ["simulate_prior"],
    ),
    # Each method's own settings are among its rule's parameters.
    "infer": ([], ["infer.py"], ["compress_prior"]),
    "calibrate": ([], ["calibrate.py"], ["infer", "exact_posterior"]),
    "tabulate_posterior": ([OF_POSTERIOR], ["tabulate_posterior.py"], ["calibrate"]),
    "estimate": ([OBSERVED], ["estimate.py"], ["evaluate"]),
    "refine": (
        [settings.seeds, USES_POSTERIOR and OF_POSTERIOR],
        ["refine.py"],
        ["estimate", *(["infer"] if USES_POSTERIOR else [])],
    ),
    "report": (
        [content_digest(STYLE)],
        PLOTS,
        [
            "summarise",
            *(["refine"] if settings.observed else []),
            *(["tabulate_posterior"] if settings.posterior else []),
        ],
    ),
}


def recipes(fit):
    """The recipe of a fit and of those that it continues; of all fits, if it is None."""
    if fit is None:
        return [recipe.model_dump() for recipe in settings.fits.values()]
    recipe = settings.fits[fit].model_dump()
    parent = recipe["continue_from"]
    return [recipe, *(recipes(parent) if parent else [])]


def made_by(rule, fit=None):
    """All that a rule and its ancestors depend on, for one fit or for all."""
    values, scripts, parents = MADE_BY[rule]
    own = [recipes(fit) if rule == "fit" else None, values, *map(code, scripts)]
    return [own, *(made_by(parent, fit) for parent in parents)]


def upstream(rule):
    """Digest of a rule and its ancestors; in a refinement also of the run before it."""

    def digest(wildcards):
        is_refinement = wildcards.get("run", settings.run) != settings.run
        before = made_by("refine") if is_refinement else None
        return settings_digest(made_by(rule, wildcards.get("fit")), before)

    return digest


def needed():
    """How many simulations each set needs and has, and how many are drawn with half the steps."""
    n_halved = parts.n_halved(
        settings.n_test, math.prod(SIMULATIONS.shape), N_COLUMNS, SIMULATOR.is_numpy
    )
    digests = {run: upstream("simulate")({"run": run}) for run in RUNS}
    found = inventory.of_run(settings, digests, n_halved)
    is_cut = settings.posterior and settings.posterior.truncate
    runs = RUNS if is_cut else RUNS[:1]
    digests = {run: upstream("simulate_prior")({"run": run}) for run in runs}
    return found | inventory.of_prior(settings, digests), n_halved
