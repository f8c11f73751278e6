import glob

# The README's pictures: `snakemake --cores all docs` copies figures of the run, and draws the rules themselves.
DOCS = {
    "information": "information",
    "ellipses": "fisher_ellipses",
    "history": f"history/{next(iter(settings.fits))}/all-seeds",
}


RULES = sorted(glob.glob(os.path.join(ROOT, "workflow", "rules", "*.smk")))


rule docs:
    """What the README shows."""
    input:
        expand("docs/{picture}.svg", picture=[*DOCS, "workflow"]),


rule copy_figure:
    """A figure of the run, for the README."""
    input:
        lambda wildcards: f"results/{settings.run}/figures/{DOCS[wildcards.picture]}.svg",
    output:
        "docs/{picture}.svg",
    log:
        f"results/{settings.run}/logs/copy_figure/{{picture}}.log",
    benchmark:
        f"results/{settings.run}/benchmarks/copy_figure/{{picture}}.tsv"
    wildcard_constraints:
        picture="|".join(DOCS),
    shell:
        "cp {input} {output} 2> {log}"


rule plot_workflow:
    """The rules and what each of them needs."""
    input:
        snakefile=os.path.relpath(os.path.join(ROOT, "Snakefile")),
        config=found("config/config.yaml"),
        rules=[os.path.relpath(path) for path in RULES],
        style=STYLE,
    output:
        "docs/workflow.svg",
    log:
        f"results/{settings.run}/logs/plot_workflow.log",
    benchmark:
        f"results/{settings.run}/benchmarks/plot_workflow.tsv"
    params:
        rules=[content_digest(path) for path in RULES],
        style=content_digest(STYLE),
        code=code("plot_workflow.py"),
    script:
        "../../scripts/plot_workflow.py"
