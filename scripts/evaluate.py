"""What a fit's summaries keep of the test set, and of the sets that fitted the weights."""

import json
from pathlib import Path

import jax
import numpy as np
import pandas as pd
from imnn_core.compression import compressor
from imnn_core.compression.side_by_side import compressions_of
from imnn_core.config.recipe import Recipe
from imnn_core.data import differences, sets
from imnn_core.evaluation import jackknife, measure, step_check, trust
from imnn_core.gradient import devices
from imnn_core.networks import inputs
from imnn_core.problems import load
from imnn_core.store import files, fits, git, hdf5, texts, unchecked
from imnn_core.store.errors import InputError
from imnn_core.workflow.jobs import job, log

SPLITS = ("training", "validation", "test")  # the first that there is gives the linear compression
N_ESTIMATES = 2000  # of the test set, for the figure


def without_nan(array):
    """Numbers for JSON, null for what is not finite."""
    return np.where(np.isfinite(array), array, None).tolist()


def plain(estimate):
    """An estimate for JSON: value, debiased and error of each quantity."""
    names = jackknife.Estimate._fields

    def of_one(*each):
        return dict(zip(names, map(without_nan, each), strict=True))

    return jax.tree.map(of_one, *estimate)


def check_made_from(path_to_fit, made_from, paths):
    """See that a fit was fitted to the simulations that are there now."""
    for split in made_from.keys() & paths:
        if sets.checksum_of(paths[split]) != made_from[split]:
            of_set = paths[split] if isinstance(paths[split], str | Path) else paths[split][0]
            raise InputError(
                f"{path_to_fit}: expected a fit to {of_set} as it is now, found one to other "
                f"simulations; {files.make_again(path_to_fit)}"
            )


def log_split(split, estimate):
    """A line on each compression of a set."""

    def det_F(name):
        return f"{estimate.value[name]['det_F']:.4g} +- {estimate.error[name]['det_F']:.2g}"

    for name in ("network", "score", "linear"):
        if name in estimate.value:
            line, share = f"|F| {split}, {name}: {det_F(name)}", f"over_{name}"
            if share in estimate.value:
                line += f"; network over it {det_F(share)}"
            log.info("%s", line)


def table_of_estimates(compressions, problem):
    """Estimates of theta from each simulation's summaries, beside reference estimates.

    The reference is theta_fid + F^-1 dlnL/dtheta, exact to first order, where there is a
    likelihood; else the estimates from the linear compression. mu, C, dmu/dtheta and F of the
    summaries are those of the whole test set, as for observed data: that a simulation is part of
    it changes its estimate by far less than the noise of another, smaller set.

    Args:
        compressions: summaries of the test set, by name.
        problem: theirs.

    """

    def estimates(name):
        statistics = measure.statistics_of(compressions[name])
        return measure.estimates(compressions[name].x[:N_ESTIMATES], statistics, problem.theta_fid)

    columns = {"": estimates("network")}
    if "score" in compressions:
        score = compressions["score"].x[:N_ESTIMATES]
        F = problem.closed_form()
        F = measure.statistics_of(compressions["score"]).C if F is None else F
        columns["_exact"] = problem.theta_fid + np.linalg.solve(F, score.T).T
    else:
        columns["_linear"] = estimates("linear")
    table = {}
    for kind, values in columns.items():
        table |= {name + kind: values[:, i] for i, name in enumerate(problem.names)}
    return pd.DataFrame(table)


def measure_sets(fitted, weights, paths, sizes, seed, n_summaries):
    """All that is measured on each set.

    Args:
        fitted: the fit's compressor.
        weights: its weights.
        paths: of the sets, by split, in the order of SPLITS.
        sizes: n_s and n_d that are expected of each split.
        seed: of the sets.
        n_summaries: of the network.

    Returns the compressions, the summaries of each split by compression, what was measured by
    split, and what `differences.look` found in each.

    """
    compressions, summaries, splits, looks = None, {}, {}, []
    problem = fitted.problem
    for split, path in paths.items():
        with sets.open_simulations(
            path, problem, seed=seed, split=split, as_stored=True, **sizes[split]
        ) as stored:
            source, counts = sets.derived(stored, problem), stored.counts or ()
            if compressions is None:
                compressions = compressions_of(fitted, weights, source, n_summaries)
            summaries[split] = compressions.of(source)
            if problem.delta_theta is not None:
                looks.append(differences.look(stored, problem))
        counts = () if problem.of_summaries else counts
        estimate = measure.measure(summaries[split], counts)
        n_s, n_d = map(len, summaries[split]["network"])
        splits[split] = {"n_s": n_s, "n_d": n_d} | plain(estimate)
        log_split(split, estimate)
    return compressions, summaries, splits, looks


def information_of(fit, seed, recipe, attributes):
    """What a fit's file says of it, for its measurements."""
    iterations = attributes["iterations"]
    best = recipe.weights == "best"
    names = [name for name in hdf5.provenance() if name in attributes]
    return {
        "fit": fit,
        "seed": seed,
        "iterations": iterations,
        "stopped": attributes["stopped"],
        "weights": recipe.weights,
        "kept_iteration": attributes["best_iteration"] if best else iterations,
        "patience_began": iterations - 1 - attributes["since_best"],
        "device": attributes["device"],
        "commit": attributes.get("commit", git.UNKNOWN),
        "versions": {name: attributes[name] for name in names},  # that fitted
    }


@unchecked.named()
def evaluate(
    paths_to_simulations,
    path_to_fit,
    path_to_analytic,
    path_to_information,
    path_to_estimates,
    *,
    problem,
    fit,
    seed,
    n_s,
    n_d,
    n_test,
    recipe,
    path_to_theta=None,
    path_to_half=None,
):
    """Measure the information on each set; write it, and estimates of theta from test simulations.

    Args:
        paths_to_simulations: by split: training unless it was drawn on the fly, validation where
            the fit had it, test.
        n_s, n_d, n_test: simulations and derivatives of each set, of the test set; what the files
            hold, if None.
        path_to_theta: theta_fid of a refinement, in place of the problem's, or None.
        path_to_half: some of the test set's simulations with half the steps of finite differences,
            or None.

    """
    problem = load.at(path_to_theta, **problem)
    recipe = Recipe(**recipe).of(problem.n_params)
    paths = {
        split: paths_to_simulations[split] for split in SPLITS if split in paths_to_simulations
    }
    sizes = dict.fromkeys(SPLITS, {"n_s": n_s, "n_d": n_d})
    sizes["test"] = {"n_s": n_test, "n_d": n_test}
    with devices.memory_for(recipe.n_per_device):
        fitted = compressor.build(recipe, problem, inputs.of_fit(path_to_fit))
        trees, _, _, attributes = fits.read_fit(path_to_fit, {recipe.evaluated: fitted.like()})
        check_made_from(path_to_fit, json.loads(attributes["made_from"]), paths)
        weights = trees[recipe.evaluated]
        compressions, summaries, splits, looks = measure_sets(
            fitted, weights, paths, sizes, seed, recipe.n_summaries
        )
        of_differences = None
        if looks:
            test = summaries["test"]["network"], splits["test"]
            of_differences = step_check.measured(
                fitted, weights, paths["test"], path_to_half, looks, test, seed
            )
    calibrated = measure.statistics_of(summaries["test"]["network"])
    table = table_of_estimates(summaries["test"], problem)
    texts.write_text(path_to_estimates, table.to_csv(index=False))
    calibration = {name: without_nan(array) for name, array in calibrated._asdict().items()}
    information = information_of(fit, seed, recipe, attributes) | {
        "checksum_of_fit": hdf5.checksum(path_to_fit),
        "n_summaries": recipe.n_summaries,
        "n_inputs": int(np.prod(problem.input_shape)),
        "det_F_analytic": texts.read_json(path_to_analytic)["det_F"],
        "linear_compression": compressions.how,
        "finite_differences": of_differences,
        "calibration": calibration,
        "splits": splits,
    }
    for line in trust.why_not(information, problem.names):
        log.info("warning: |F| is not to be trusted: %s", line)
    texts.write_json(path_to_information, information)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.recipe["threads"]):
        evaluate(
            paths_to_simulations={
                split: snakemake.input[split] for split in SPLITS if split in snakemake.input.keys()
            },
            path_to_fit=snakemake.input.fit,
            path_to_analytic=snakemake.input.analytic,
            path_to_information=snakemake.output.information,
            path_to_estimates=snakemake.output.estimates,
            problem=snakemake.params.problem,
            fit=snakemake.wildcards.fit,
            seed=int(snakemake.wildcards.seed),
            n_s=snakemake.params.n_s,
            n_d=snakemake.params.n_d,
            n_test=snakemake.params.n_test,
            recipe=snakemake.params.recipe,
            path_to_theta=snakemake.input.get("theta_fid"),
            path_to_half=snakemake.input.get("half_step"),
        )
