"""The Fisher information that a fit's summaries carry on the test set, which neither fitted nor chose them."""

import jax
import jax.numpy as jnp
import numpy as np
from imnn_core import files, fisher, problems, recipes, storage
from imnn_core.config import Recipe
from imnn_core.jobs import job, log

N_GROUPS = 50  # of the jackknife


def det_F(m):
    """|F| of a set with these moments."""
    return jnp.linalg.det(fisher.statistics(m).F)


def moments_of_groups(fitter, weights, simulations):
    """Moments of N_GROUPS disjoint parts of the simulations, stacked."""
    parts = np.array_split(np.arange(len(simulations.fiducial)), min(N_GROUPS, len(simulations.fiducial)))
    groups = [fitter.moments(weights, fitter.data(jax.tree.map(lambda a, part=part: a[part], simulations))) for part in parts]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *groups)


@jax.jit
def statistics_and_error(groups):
    """Statistics of all groups together, and the jackknife error of |F|."""
    return fisher.statistics(fisher.merge_all(groups)), fisher.jackknife(groups, det_F)


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
    splits["test"] = {
        "n_s": n_test,
        "n_d": n_test,
        "det_F_error": float(error),
    } | fisher.as_numbers(statistics)
    iterations = attributes["iterations"]
    information = {
        "fit": fit,
        "seed": seed,
        "iterations": iterations,
        "stopped": attributes["stopped"],
        "weights": recipe.weights,
        "kept_iteration": attributes["best_iteration"] if recipe.weights == "best" else iterations,
        "device": attributes["device"],
        "versions": storage.provenance(),
        "det_F_analytic": files.read_json(path_to_analytic)["det_F"],
        "splits": splits,
    }
    log.info("|F| = %.4g +- %.2g on the test set", splits["test"]["det_F"], splits["test"]["det_F_error"])
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
