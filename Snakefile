# From simulations to the Fisher information that a fitted IMNN keeps of them.
include: "workflow/rules/main.smk"


rule all:
    """All of the run: figures, table and report, with what they show."""
    input:
        everything,
