# What earlier stages are made by: code, settings, a user's files. As a parameter it makes what follows run anew when one of
# them changes, also where times of modification don't tell: where a clock was set back between an interrupted run and the
# next one.
import json

from imnn_core.workflow.digest import content_digest, settings_digest

# Of a run that was packed and handed on without its user's files of simulations: what the digests of those were.
HANDED_ON = own("config/contents.json")
KNOWN = {}
if HANDED_ON:
    with open(HANDED_ON, encoding="utf-8") as file:
        KNOWN = json.load(file)
# A problem without its place: its file may lie elsewhere.
MADE_PROBLEM = PROBLEM | {"kind": os.path.basename(PROBLEM["kind"])}


def content_of(path):
    """Digest of a user's file, and of those that it takes its numbers from."""
    if path in KNOWN and not os.path.exists(path):
        return KNOWN[path]
    # And with it h5py: only where there is such a file.
    from imnn_core.data import links

    return settings_digest(
        [content_digest(each) for each in (path, *links.others(path))]
    )


# Digests of the user's files of simulations, by split, and of observed data.
CONTENT = {split: content_of(path) for split, path in FILES.items()}
OBSERVED = settings.observed and content_of(found(settings.observed))
SET_MAKERS = ("check_files.py", "use_files.py") if settings.files else ("simulate.py",)
MADE_SETS = [
    MADE_PROBLEM,
    CONTENT,
    settings.files and settings.files.fractions,
    *map(code, SET_MAKERS),
]
MADE_ANALYTIC = [MADE_PROBLEM, settings.n_monte_carlo, code("analytic_fisher.py")]


def after(*stages):
    """The parameter `upstream`: a digest of these stages, and in a refinement of the run before it."""

    def upstream(wildcards):
        is_refinement = wildcards.get("run", settings.run) != settings.run
        found = [stage(wildcards) if callable(stage) else stage for stage in stages]
        return settings_digest(found, made_estimates() if is_refinement else None)

    return upstream


def made_fit(wildcards, fit=None):
    """A fit, with those that it continues."""
    recipe = settings.fits[fit or wildcards.fit].model_dump()
    parent = recipe["continue_from"] and made_fit(wildcards, recipe["continue_from"])
    return [parent, recipe, MADE_SETS, SIZES["n_s"], SIZES["n_d"], code("fit.py")]


def made_parent(wildcards):
    """The fit that a fit continues, if any."""
    parent = settings.fits[wildcards.fit].continue_from
    return parent and made_fit(wildcards, parent)


def made_information(wildcards, fit=None):
    """What was measured of a fit."""
    return [
        made_fit(wildcards, fit),
        MADE_ANALYTIC,
        SIZES["n_test"],
        code("evaluate.py"),
    ]


def made_information_of_all(wildcards):
    """What was measured of all fits."""
    return [made_information(wildcards, fit) for fit in settings.fits]


def made_estimates(wildcards=None):
    """Where refinements are: at the estimates from observed data."""
    return [
        made_information_of_all(wildcards),
        OBSERVED,
        settings.seeds,
        code("estimate.py"),
        code("refine.py"),
    ]


def made_report(wildcards):
    """All that a report shows."""
    made = made_estimates if settings.observed else made_information_of_all
    shown = ("history", "information", "ellipses", "estimates")
    figures = [code(f"plot_{what}.py") for what in shown]
    return [made(wildcards), code("summarise.py"), content_digest(STYLE), *figures]
