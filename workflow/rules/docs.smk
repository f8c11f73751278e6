# The pictures of the README, copied from the run: snakemake --cores all docs
DOCS = {
    "information": "information",
    "ellipses": "fisher_ellipses",
    "history": f"history/{next(iter(settings.fits))}/all-seeds",
}


rule docs:
    """The pictures of the README."""
    input:
        expand("docs/{picture}.svg", picture=DOCS),


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
