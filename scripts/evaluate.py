"""The Fisher information that a fit's summaries carry on the test set, which neither fitted nor chose them."""

import math

import jax
import numpy as np
from imnn_core import files, fisher, problems, recipes, storage
from imnn_core.config import Recipe
from imnn_core.jobs import job, log

N_GROUPS = 50  # of the jackknife


def log_det_F(m):
    """Ln |F| of a set with these moments, since |F| itself may leave the range of float32."""
    return fisher.log_det(fisher.statistics(m).F)


def moments_of_groups(fitter, weights, simulations):
    """Moments of N_GROUPS disjoint parts of the simulations, stacked, where the weights live."""
    parts = np.array_split(np.arange(len(simulations.fiducial)), min(N_GROUPS, len(simulations.fiducial)))
    groups = [fitter.moments(weights, fitter.data(jax.tree.map(lambda a, part=part: a[part], simulations))) for part in parts]
    return jax.device_put(jax.tree.map(lambda *leaves: np.stack(leaves), *groups), fitter.engine.home)


@jax.jit
def statistics_and_error(groups):
    """Statistics of all groups together, and the jackknife error of ln |F|."""
    return fisher.statistics(fisher.merge_all(groups)), fisher.jackknife(groups, log_det_F)


def evaluate(path_to_test, path_to_fit, path_to_analytic, path_to_information, *, problem, fit, seed, n_test, recipe):
    """Write F on the test set with the error of |F|, and beside it F on the sets that the fit has seen."""
    recipe = Recipe(**recipe)
    problem = problems.build(**problem)
    fitter = recipes.build(recipe)
    chosen = f"weights/{recipe.weights}"
    trees, _, seen, attributes = storage.read_fit(path_to_fit, {chosen: fitter.first_state(problem, seed).weights})
    test = storage.read_simulations(path_to_test, problem, n_s=n_test, n_d=n_test, seed=seed, split="test")
    statistics, error = statistics_and_error(moments_of_groups(fitter, trees[chosen], test))
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
