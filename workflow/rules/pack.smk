# The run in one archive; not part of `all`:
# snakemake --cores all -- results/gaussian/gaussian.zip
from imnn_core.workflow.digest import user_code_files
from imnn_core.workflow.packing import place_of, project_files

ARCHIVE = f"results/{settings.run}/{settings.run}.zip"
# {place in the archive: path here}; {name of a user's file: its name there}
PACKED = project_files(ROOT)
MOVED = {}
if is_file(settings.problem):
    place = place_of(PROBLEM["kind"], os.curdir, ROOT)
    MOVED |= dict.fromkeys((settings.problem, PROBLEM["kind"]), place)
    PACKED |= {
        os.path.join(os.path.dirname(place), name): os.path.join(
            os.path.dirname(PROBLEM["kind"]), name
        )
        for name in user_code_files(PROBLEM["kind"])
    }
for named in filter(None, (settings.observed, settings.figures.style)):
    place = place_of(found(named), os.curdir, ROOT)
    MOVED |= dict.fromkeys((named, found(named)), place)
    PACKED[place] = found(named)
# What is known of the user's files of simulations, by their names in the config.
CONTENTS = {}
for split, given in FILES.items():
    there = content.of_entries(given, KNOWN)
    names = {
        found(name): name
        for name in named_sets.entries_of(named_sets.plain(settings.files.given[split]))
    }
    CONTENTS |= {names[name]: each for name, each in there.items()}
of_prior = settings.posterior and settings.posterior.simulations
for given, named in (
    *((given, settings.compress[name]) for name, given in COMPRESS.items()),
    *((given, getattr(of_prior, key)) for key, given in GIVEN.items()),
):
    there = content.of_entries({"fiducial": given}, KNOWN)
    names = {found(entry): entry for entry in named_files.entries(named)}
    CONTENTS |= {names[entry]: each for entry, each in there.items()}


rule pack:
    """Pack config, code and results without simulations into one archive."""
    input:
        results=everything,
        analytic=expand("results/{run}/analytic_fisher.json", run=RUNS),
        theta_fid=expand("results/{run}/theta_fid.json", run=RUNS[1:]),
        samples=expand(
            "results/{run}/fits/{fit}/seed-{seed}/posterior/{method}.h5",
            run=RUNS,
            **OF_METHODS,
        ),
    output:
        archive=ARCHIVE,
    log:
        f"results/{settings.run}/logs/pack.log",
    benchmark:
        f"results/{settings.run}/benchmarks/pack.tsv"
    resources:
        mem_mb=mem_of_small,
        runtime=minutes(60),
    params:
        settings=settings.model_dump(mode="json", exclude=SAID_BY_FILES)
        | {
            key: MOVED.get(getattr(settings, key), getattr(settings, key))
            for key in ("problem", "observed")
        }
        | {
            "figures": settings.figures.model_dump()
            | {"style": MOVED[settings.figures.style]}
        },
        packed=PACKED,
        of_packed=lambda wildcards: settings_digest(
            [content_digest(path) for path in PACKED.values()]
        ),
        moved=MOVED,
        contents=CONTENTS,
        code=code("pack.py"),
    script:
        "../../scripts/pack.py"
