"""The Fisher information that a fit's summaries carry on the test set, which neither fitted nor chose them."""

import math
from itertools import pairwise

import jax
import numpy as np
from imnn_core import files, fisher, host, problems, recipes, storage
from imnn_core.config import Recipe
from imnn_core.jobs import job, log

N_GROUPS = 50  # of the jackknife


def log_det_F(m):
    """Ln |F| of a set with these moments; its error is the relative error of |F|, to first order."""
    return fisher.log_det(fisher.statistics(m).F)


def moments_of_groups(fitter, weights, source):
    """Moments of N_GROUPS disjoint parts of the simulations, stacked, one part in memory at a time."""
    n_s = len(source.fiducial)
    bounds = np.linspace(0, n_s, min(N_GROUPS, n_s) + 1).astype(int)
    groups = []
    for start, stop in pairwise(bounds):
        with fitter.data(once=True, test=source.part(start, stop)) as data:
            groups.append(jax.tree.map(np.asarray, fitter.moments(weights, data["test"])))
    return jax.tree.map(lambda *leaves: np.stack(leaves), *groups)


def statistics_and_error(groups):
    """Statistics of all groups together, and the jackknife error of ln |F|."""
    return fisher.statistics(fisher.merge_all(groups)), fisher.jackknife(groups, log_det_F)


def evaluate(path_to_test, path_to_fit, path_to_analytic, path_to_information, *, problem, fit, seed, n_test, recipe):
    """Write F on the test set with the error of |F|, and beside it F on the sets that the fit has seen."""
    recipe = Recipe(**recipe)
    problem = problems.build(**problem)
    chosen = f"weights/{recipe.weights}"
    with (
        storage.open_simulations(path_to_test, problem, n_s=n_test, n_d=n_test, seed=seed, split="test") as test,
        recipes.memory_for(recipe.n_per_device),
    ):
        fitter = recipes.build(recipe, test.n_bytes // N_GROUPS)
        trees, _, seen, attributes = storage.read_fit(path_to_fit, {chosen: fitter.first_state(problem, seed).weights})
        groups = moments_of_groups(fitter, trees[chosen], test)
    statistics, error = host.in_float64(statistics_and_error)(groups)
    splits = {
        split: {"n_s": attributes["n_s"], "n_d": attributes["n_d"], "det_F_error": None}
        | fisher.as_numbers(fisher.Statistics(**values))
        for split, values in seen.items()
    }
    numbers = fisher.as_numbers(statistics)
    error = numbers["det_F"] * float(error)  # to first order
    splits["test"] = {"n_s": n_test, "n_d": n_test, "det_F_error": error if math.isfinite(error) else None} | numbers
    iterations = attributes["iterations"]
    information = {
        "fit": fit,
        "seed": seed,
        "iterations": iterations,
        "stopped": attributes["stopped"],
        "weights": recipe.weights,
        "kept_iteration": attributes["best_iteration"] if recipe.weights == "best" else iterations,
        "device": attributes["device"],
        "versions": {name: attributes[name] for name in storage.provenance()},  # that fitted
        "det_F_analytic": files.read_json(path_to_analytic)["det_F"],
        "splits": splits,
    }
    log.info("|F| = %.4g +- %.2g on the test set", numbers["det_F"], error)
    files.write_json(path_to_information, information)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.recipe["threads"]):
        evaluate(
            path_to_test=snakemake.input.test,
            path_to_fit=snakemake.input.fit,
            path_to_analytic=snakemake.input.analytic,
            path_to_information=snakemake.output.information,
            problem=snakemake.params.problem,
            fit=snakemake.wildcards.fit,
            seed=int(snakemake.wildcards.seed),
            n_test=snakemake.params.n_test,
            recipe=snakemake.params.recipe,
        )
