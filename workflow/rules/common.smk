# What several rules ask of the config.
import functools
import re

from imnn_core.data import parts
from imnn_core.workflow import inventory
from imnn_core.workflow.digest import code_digest

ON_THE_FLY = settings.simulations == "on_the_fly"
# Files say themselves how many simulations they hold.
SIZES = {
    key: None if settings.files else getattr(settings, key)
    for key in ("n_s", "n_d", "n_test")
}
# Keys of the config that say nothing where the user's files do.
SAID_BY_FILES = set(SIZES) if settings.files else set()
# Simulations in a derivative by finite differences.
N_COLUMNS = parts.n_columns_of(settings.delta_theta)
# The run, and its repetitions at what was estimated from observed data.
RUNS = [
    settings.run,
    *(f"{settings.run}/refined-{i + 1}" for i in range(settings.refine)),
]


wildcard_constraints:
    run="|".join(map(re.escape, RUNS)),
    fit="|".join(re.escape(name) for name in settings.fits),
    seed=r"\d+",
    split="training|validation|test|half_step",
    method="|".join(settings.posterior.methods) if settings.posterior else "none",
    compressed="|".join(re.escape(name) for name in settings.compress) or "none",
    part=rf"{parts.PATTERN}|{parts.FEW}",


def recipe_of(wildcards):
    """The recipe of a fit, every key of it, as plain values."""
    return settings.fits[wildcards.fit].model_dump()


@functools.cache
def code(script):
    """What a script's code means; see imnn_core/workflow/digest.py."""
    return code_digest(own(f"scripts/{script}"))


def parts_of(split):
    """The parts of a set that is drawn."""
    if split == "test":
        return parts.cut(settings.n_test, settings.n_test, settings.simulate.n_per_part)
    return parts.cut(settings.n_s, settings.n_d, settings.simulate.n_per_part)


def set_of(split, run, seed):
    """Files of a set: of its parts, or of the reference to a user's file."""
    folder = f"results/{run}/simulations/seed-{seed}/{split}"
    if settings.files:
        return f"{folder}.h5"
    return [f"{folder}/{part.name}.h5" for part in parts_of(split)]


def sets_of_fit(wildcards):
    """The sets that the recipe uses."""
    validation = settings.fits[wildcards.fit].validation
    splits = ["training"] * (not ON_THE_FLY) + ["validation"] * validation
    return {split: set_of(split, wildcards.run, wildcards.seed) for split in splits}


def test_set(wildcards):
    """The set that is measured."""
    return set_of("test", wildcards.run, wildcards.seed)


def halved(wildcards):
    """Derivatives by half the steps of finite differences, where they are drawn here."""
    if settings.derivative == "exact" or settings.files:
        return {}
    folder = f"results/{wildcards.run}/simulations/seed-{wildcards.seed}"
    return {"half_step": f"{folder}/half_step/{parts.FEW}.h5"}


# By which a run's simulations are looked at, as a user's files are.
FIRST_SET = "validation" if ON_THE_FLY else "training"


def first_look(wildcards):
    """The look at a first set of several parts, before anything is fitted."""
    has_several = not settings.files and len(parts_of(FIRST_SET)) > 1
    is_drawn = FIRST_SET == "training" or any(
        each.validation for each in settings.fits.values()
    )
    checked = f"results/{wildcards.run}/simulations/checked.json"
    return {"checked": checked} if has_several and is_drawn else {}


def parent_of_fit(wildcards):
    """The fit that the recipe continues, if any."""
    parent = settings.fits[wildcards.fit].continue_from
    path = f"results/{wildcards.run}/fits/{parent}/seed-{wildcards.seed}/fit.h5"
    return {"parent": path} if parent else {}


def theta_of_refinement(wildcards):
    """The file with theta_fid of a run that repeats another one at its estimate."""
    is_repetition = wildcards.run != settings.run
    return (
        {"theta_fid": f"results/{wildcards.run}/theta_fid.json"}
        if is_repetition
        else {}
    )


def drawn(figure, caption, category, labels):
    """Files of a figure: SVG, which is in Snakemake's report, and the other formats.

    The figure is given by its path without an ending.
    """
    caption = f"../report/{caption}.rst"
    svg = report(f"{figure}.svg", caption=caption, category=category, labels=labels)
    others = [kind for kind in settings.figures.formats if kind != "svg"]
    return [svg, *(f"{figure}.{kind}" for kind in others)]


every_estimate = expand(
    "results/{{run}}/fits/{fit}/seed-{seed}/observed.json",
    fit=settings.fits,
    seed=settings.seeds,
)


every_information = expand(
    "results/{{run}}/fits/{fit}/seed-{seed}/information.json",
    fit=settings.fits,
    seed=settings.seeds,
)


# Figures of a run, without their endings.
FIGURES = [
    "information",
    "fisher_ellipses",
    *expand("history/{fit}/all-seeds", fit=settings.fits),
    *expand("history/{fit}/seed-{seed}", fit=settings.fits, seed=settings.seeds),
    *expand("estimates/{fit}/seed-{seed}", fit=settings.fits, seed=settings.seeds[0]),
]


# A part of a set of simulations that are drawn here.
A_PART = "results/{run}/simulations/seed-{seed}/{split}/{part}.h5"
# Fits, seeds and methods of the posteriors.
OF_METHODS = {
    "fit": settings.fits,
    "seed": settings.seeds,
    "method": settings.posterior.methods if settings.posterior else [],
}
# Figures of posteriors.
if settings.posterior:
    FIGURES += ["posterior", *expand("calibration/{fit}", fit=settings.fits)]

FILES_OF_FIT = [
    "fit.h5",
    "history.csv",
    "information.json",
    "estimates.csv",
    "compressor.stablehlo",
    "compressor.json",
]

# Final results of a run and of its refinements.
everything = [
    # Named here so that they are made again after a job that should have renewed them has failed.
    *expand(
        "results/{run}/fits/{fit}/seed-{seed}/{file}",
        run=RUNS,
        fit=settings.fits,
        seed=settings.seeds,
        file=FILES_OF_FIT,
    ),
    *(expand(every_estimate, run=RUNS) if settings.observed else []),
    *expand(
        "results/{run}/fits/{fit}/seed-{seed}/compressed/{name}.h5",
        run=RUNS,
        fit=settings.fits,
        seed=settings.seeds,
        name=settings.compress,
    ),
    *expand(
        "results/{run}/fits/{fit}/seed-{seed}/posterior/{method}.{kind}",
        run=RUNS,
        kind=["h5", "csv", "txt", "paramnames", "ranges"],
        **OF_METHODS,
    ),
    *expand("results/{run}/summary.csv", run=RUNS),
    *expand(
        "results/{run}/{table}.csv",
        run=RUNS,
        table=["posterior", "calibration"] if settings.posterior else [],
    ),
    *expand("results/{run}/report.html", run=RUNS),
    *expand(
        "results/{run}/figures/{figure}.{format}",
        run=RUNS,
        figure=FIGURES,
        format={"svg": None} | dict.fromkeys(settings.figures.formats),
    ),
]

# Template and captions of the report.
REPORT_TEXTS = [
    "report.html.j2",
    "report.css",
    "report.js",
    "information.rst",
    "ellipses.rst",
    "estimates.rst",
    "histories.rst",
    "method.rst",
    "posterior.rst",
    "calibration.rst",
]
# In one folder, as a rule's script finds them; no `prefix:` of a module stands before it.
TEXTS = [own(f"workflow/report/{name}") for name in REPORT_TEXTS]
TEMPLATE = local(os.path.relpath(TEXTS[0]))
