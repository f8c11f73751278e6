if settings.observed:

    rule estimate:
        """Estimate the parameters of the observed data with one fit."""
        input:
            unpack(theta_of_refinement),
            observed=local(found(settings.observed)),
            fit="results/{run}/fits/{fit}/seed-{seed}/fit.h5",
            information="results/{run}/fits/{fit}/seed-{seed}/information.json",
        output:
            estimate="results/{run}/fits/{fit}/seed-{seed}/observed.json",
        log:
            "results/{run}/logs/estimate/{fit}/seed-{seed}.log",
        benchmark:
            "results/{run}/benchmarks/estimate/{fit}/seed-{seed}.tsv"
        threads: lambda wildcards: settings.fits[wildcards.fit].threads
        resources:
            gpu=n_gpus,
            mem_mb=mem_of_estimating,
            runtime=minutes(15),
        params:
            problem=PROBLEM,
            recipe=recipe_of,
            content=OBSERVED,
            code=code("estimate.py"),
            upstream=upstream("estimate"),
        script:
            "../../scripts/estimate.py"

    localrules:
        refine,  # no job for a cluster: it takes a second

    rule refine:
        """Take theta_fid of the next refinement from the estimates of this run."""
        input:
            unpack(posteriors_to_refine_by),
            estimates=lambda wildcards: expand(
                every_estimate, run=RUNS[int(wildcards.step) - 1]
            ),
        output:
            **(
                {"prior": "results/{base}/refined-{step}/prior.json"}
                if settings.posterior and settings.posterior.truncate
                else {}
            ),
            theta_fid="results/{base}/refined-{step}/theta_fid.json",
        log:
            "results/{base}/refined-{step}/logs/refine.log",
        benchmark:
            "results/{base}/refined-{step}/benchmarks/refine.tsv"
        wildcard_constraints:
            base=re.escape(settings.run),
            step=r"\d+",
        params:
            **(
                {"refine_by": settings.posterior.refine_by, "prior": PRIOR}
                if settings.posterior
                else {}
            ),
            code=code("refine.py"),
            upstream=upstream("refine"),
        script:
            "../../scripts/refine.py"
