"""What a fit's summaries keep of the test set, and of the sets that fitted the weights."""

import json
from dataclasses import replace

import jax
import numpy as np
import pandas as pd
from imnn_core.compression import compressor
from imnn_core.compression.side_by_side import compressions_of
from imnn_core.config.recipe import Recipe
from imnn_core.data import sets
from imnn_core.evaluation import jackknife, measure, step_check, warnings
from imnn_core.gradient import devices
from imnn_core.networks import scaling
from imnn_core.problems import load
from imnn_core.problems.simulations import seed_key
from imnn_core.problems.simulator import steps, steps_are_lost
from imnn_core.store import files, fits, git, hdf5
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
        if hdf5.checksum(paths[split]) != made_from[split]:
            raise InputError(
                f"{path_to_fit}: expected a fit to {paths[split]} as it is now, found one to other "
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


def table_of_estimates(compressions, calibration, problem):
    """Estimates of theta from each simulation's summaries, beside reference estimates.

    The reference is theta_fid + F^-1 dlnL/dtheta, exact to first order, where there is a
    likelihood; else the estimates from the linear compression.

    Args:
        compressions: summaries of the test set, by name.
        calibration: the same of another set, which gives mu, C, dmu/dtheta and F.
        problem: theirs.

    """

    def estimates(name):
        statistics = measure.statistics_of(calibration[name])
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


def halved(summaries, measured, compressions, seed):
    """How |F| of the test set changes where delta_theta is halved, by some of its simulations.

    Args:
        summaries: of the test set, by the network.
        measured: of the test set, by the network.
        compressions: of the fit.
        seed: of the test set.

    Returns None where no simulations can be drawn, or where a number is not finite.

    """
    problem = compressions.compressor.problem
    half_the_steps = replace(problem, delta_theta=problem.delta_theta / 2)
    if problem.simulator is None or steps_are_lost(half_the_steps):
        return None
    key, n_d = seed_key(seed, "test"), len(summaries.dx_dtheta)
    drawn = compressions.of(step_check.some_of(half_the_steps, key, n_d))["network"]
    # 2, but for rounding: the compressor has divided by the whole steps.
    half = steps(problem) / steps(half_the_steps) * drawn.dx_dtheta
    change, error = step_check.change_of_det_F(summaries, half)
    value, error_det_F = (measured["det_F"][part] for part in ("value", "error"))
    if value is None or not np.isfinite([change, error]).all():
        return None
    found = {"n": len(half), "change": change, "error": error}
    return found | {"error_det_F": error_det_F / value}


def log_differences(found, problem):
    """What finite differences are worth, in the log."""
    for line in warnings.faults_of_differences(found, problem.names):
        log.info("warning: %s", line)
    if step := found["step"]:
        change = f"{step['change']:+.2g} of itself +- {step['error']:.1g}"
        log.info("|F| with delta_theta halved: %s", change)


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
    split, and by split the `step_check.independence` of finite differences.

    """
    compressions, summaries, splits, independent = None, {}, {}, {}
    for split, path in paths.items():
        with sets.open_simulations(
            path, fitted.problem, seed=seed, split=split, **sizes[split]
        ) as source:
            if compressions is None:
                compressions = compressions_of(fitted, weights, source, n_summaries)
            summaries[split] = compressions.of(source)
            if fitted.problem.delta_theta is not None:
                independent[split] = step_check.independence(source)
        estimate = measure.measure(summaries[split])
        n_s, n_d = map(len, summaries[split]["network"])
        splits[split] = {"n_s": n_s, "n_d": n_d} | plain(estimate)
        log_split(split, estimate)
    return compressions, summaries, splits, independent


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
):
    """Measure the information on each set; write it, and estimates of theta from test simulations.

    Args:
        paths_to_simulations: by split: training unless it was drawn on the fly, validation where
            the fit had it, test.
        n_s, n_d, n_test: simulations and derivatives of each set, of the test set; what the files
            hold, if None.
        path_to_theta: theta_fid of a refinement, in place of the problem's, or None.

    """
    recipe, problem = Recipe(**recipe), load.at(path_to_theta, **problem)
    paths = {
        split: paths_to_simulations[split] for split in SPLITS if split in paths_to_simulations
    }
    sizes = dict.fromkeys(SPLITS, {"n_s": n_s, "n_d": n_d})
    sizes["test"] = {"n_s": n_test, "n_d": n_test}
    with devices.memory_for(recipe.n_per_device):
        fitted = compressor.build(recipe, problem, scaling.of_fit(path_to_fit))
        trees, _, _, attributes = fits.read_fit(path_to_fit, {recipe.evaluated: fitted.like()})
        check_made_from(path_to_fit, json.loads(attributes["made_from"]), paths)
        compressions, summaries, splits, independent = measure_sets(
            fitted, trees[recipe.evaluated], paths, sizes, seed, recipe.n_summaries
        )
        differences = None
        if independent:
            network = summaries["test"]["network"], splits["test"]["network"]
            differences = {
                "independence": np.max([*independent.values()], axis=0).tolist(),
                "step": halved(*network, compressions, seed),
            }
            log_differences(differences, problem)
    # Observed data are new to the test set as well; estimates of the test set are calibrated on
    # another one.
    calibrated = measure.statistics_of(summaries["test"]["network"])
    other = summaries.get("validation") or summaries["training"]
    table = table_of_estimates(summaries["test"], other, problem)
    files.write_text(path_to_estimates, table.to_csv(index=False))
    calibration = {name: without_nan(array) for name, array in calibrated._asdict().items()}
    information = information_of(fit, seed, recipe, attributes) | {
        "det_F_analytic": files.read_json(path_to_analytic)["det_F"],
        "linear_compression": compressions.how,
        "finite_differences": differences,
        "calibration": calibration,
        "splits": splits,
    }
    files.write_json(path_to_information, information)


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
        )
