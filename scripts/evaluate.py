"""What a fit's summaries keep: of the test set, which neither fitted nor chose the weights, and of the sets that did."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from imnn_core.compression import compressor, linear
from imnn_core.config.recipe import Recipe
from imnn_core.data import sets
from imnn_core.evaluation import measure, step_check, warnings
from imnn_core.gradient import derivatives
from imnn_core.networks import scaling
from imnn_core.problems import load
from imnn_core.problems.simulations import seed_key
from imnn_core.problems.simulator import steps, steps_are_lost
from imnn_core.store import files, fits, git, hdf5
from imnn_core.store.errors import InputError
from imnn_core.training import fitters
from imnn_core.workflow.jobs import job, log

SPLITS = (
    "training",
    "validation",
    "test",
)  # in this order: the first that there is gives the linear compression
N_ESTIMATES = 2000  # of the test set, for the figure


def side_by_side(network, problem, n_summaries):
    """The summaries of a simulation by the network, by the score at theta_fid where there is a likelihood, and linear ones.

    Returns apply, of weights {"network": …, "linear": b} and a simulation, and where each
    compression's summaries lie.
    """
    theta_fid = jnp.asarray(problem.theta_fid, jnp.result_type(float))
    parts = {"network": lambda weights, d: network.apply(weights["network"], d)}
    if problem.log_likelihood is not None:
        parts["score"] = lambda weights, d: jax.grad(problem.log_likelihood)(theta_fid, d)
    parts["linear"] = lambda weights, d: d.reshape(-1) @ weights["linear"]

    def apply(weights, d):
        return jnp.concatenate([part(weights, d) for part in parts.values()])

    n_params = len(problem.names)
    stops = np.cumsum([n_summaries, *[n_params] * (len(parts) - 1)]).tolist()
    return apply, {
        name: slice(*ends)
        for name, ends in zip(parts, zip([0, *stops], stops, strict=False), strict=True)
    }


def without_nan(array):
    """Numbers for JSON, null for what is not finite."""
    return np.where(np.isfinite(array), array, None).tolist()


def plain(estimate):
    """An estimate for JSON: value, debiased and error of each quantity."""
    return jax.tree.map(
        lambda *each: dict(zip(measure.Estimate._fields, map(without_nan, each), strict=True)),
        *estimate,
    )


def check_made_from(path_to_fit, made_from, paths):
    """See that a fit was fitted to the simulations that are there now, whatever the files' times say."""
    for split in made_from.keys() & paths:
        if hdf5.checksum(paths[split]) != made_from[split]:
            raise InputError(
                f"{path_to_fit}: expected a fit to {paths[split]} as it is now, found one to "
                f"other simulations; {files.make_again(path_to_fit)}"
            )


def log_split(split, estimate):
    """A line on each compression of a set."""
    for name in ("network", "score", "linear"):
        if name in estimate.value:
            share = f"over_{name}"
            line = f"|F| {split}, {name}: {estimate.value[name]['det_F']:.4g} +- {estimate.error[name]['det_F']:.2g}"
            if share in estimate.value:
                line += f"; network over it {estimate.value[share]['det_F']:.4g} +- {estimate.error[share]['det_F']:.2g}"
            log.info("%s", line)


def table_of_estimates(compressions, calibration, problem):
    """Estimates of theta from each simulation's summaries by the network, and beside them those that are exact to first order.

    The latter, theta_fid + F^-1 dlnL/dtheta, where there is a likelihood; else those from the
    linear compression.

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
    return pd.DataFrame(
        {
            name + kind: values[:, i]
            for kind, values in columns.items()
            for i, name in enumerate(problem.names)
        }
    )


def halved(summaries, measured, compressed, weights, blocks, problem, seed):
    """How |F| of the test set changes where delta_theta is halved, by some of its simulations; null where none can be drawn.

    Args:
        summaries: of the test set, by the network.
        measured: of the test set.
        compressed: of weights and a source, see `compressor.compressor`.
        blocks: where each compression's summaries lie.

    """
    half_the_steps = replace(problem, delta_theta=problem.delta_theta / 2)
    if problem.simulator is None or steps_are_lost(half_the_steps):
        return {"step": None}
    source = step_check.some_of(half_the_steps, seed_key(seed, "test"), len(summaries.dx_dtheta))
    scale = steps(problem) / steps(half_the_steps)  # 2, but for rounding
    half = (
        scale * compressed(weights, source).dx_dtheta[:, blocks["network"]]
    )  # which were divided by the whole steps
    change, error = step_check.change_of_det_F(summaries, half)
    value, error_det_F = (measured["network"]["det_F"][part] for part in ("value", "error"))
    if value is None or not np.isfinite([change, error]).all():
        return {"step": None}
    return {
        "step": {
            "n": len(half),
            "change": change,
            "error": error,
            "error_det_F": error_det_F / value,
        }
    }


def log_differences(found, problem):
    """What finite differences are worth, in the log."""
    for line in warnings.faults_of_differences(found, problem.names):
        log.info("warning: %s", line)
    if found["step"]:
        step = found["step"]
        log.info(
            "|F| with delta_theta halved: %+.2g of itself +- %.1g", step["change"], step["error"]
        )


def evaluate(
    paths_to_simulations, path_to_fit, path_to_analytic, path_to_information, path_to_estimates,
    *, problem, fit, seed, n_s, n_d, n_test, recipe, path_to_theta=None,
):  # fmt: skip
    """Measure the information on each set, and write it with estimates of theta from simulations of the test set.

    Args:
        paths_to_simulations: by split: training unless it was drawn on the fly, validation where
            the fit had it, test.
        n_s, n_d, n_test: simulations and derivatives of each set, of the test set; what the files
            hold, if None.
        path_to_theta: theta_fid of a refinement, in place of the problem's, or None.

    """
    recipe = Recipe(**recipe)
    problem = load.at(path_to_theta, **problem)
    compressions, splits, independent, differenced, weights = {}, {}, [], None, None
    with fitters.memory_for(recipe.n_per_device):
        fitter = fitters.build(recipe, problem, scaling=scaling.of_fit(path_to_fit))
        like = fitter.first_state(seed).weights
        trees, _, _, attributes = fits.read_fit(path_to_fit, {recipe.evaluated: like})
        check_made_from(path_to_fit, json.loads(attributes["made_from"]), paths_to_simulations)
        apply, blocks = side_by_side(fitter.network, problem, recipe.n_summaries)
        summarise = derivatives.stored(apply, problem)
        compressed = compressor.compressor(
            summarise, fitter.devices, recipe.n_per_device, fitter.parallel
        )
        for split in (split for split in SPLITS if split in paths_to_simulations):
            size = {"n_s": n_test, "n_d": n_test} if split == "test" else {"n_s": n_s, "n_d": n_d}
            path = paths_to_simulations[split]
            with sets.open_simulations(path, problem, seed=seed, split=split, **size) as source:
                if weights is None:
                    b, how = linear.compression(source, steps(problem))
                    weights = {
                        "network": trees[recipe.evaluated],
                        "linear": b.astype(source.fiducial.dtype),
                    }
                summaries = compressed(weights, source)
                if problem.delta_theta is not None:
                    independent.append(step_check.independence(source))
            compressions[split] = {name: summaries.part(block) for name, block in blocks.items()}
            estimate = measure.measure(compressions[split])
            splits[split] = {"n_s": len(summaries.x), "n_d": len(summaries.dx_dtheta)} | plain(
                estimate
            )
            log_split(split, estimate)
        if independent:
            differenced = {"independence": np.max(independent, axis=0).tolist()}
            differenced |= halved(
                compressions["test"]["network"],
                splits["test"],
                compressed,
                weights,
                blocks,
                problem,
                seed,
            )
            log_differences(differenced, problem)
    calibrated = measure.statistics_of(
        compressions["test"]["network"]
    )  # for observed data, to which the test set is strange
    calibration = (
        compressions.get("validation") or compressions["training"]
    )  # not of the test set, whose estimates these are
    table = table_of_estimates(compressions["test"], calibration, problem)
    files.write_text(path_to_estimates, table.to_csv(index=False))
    iterations = attributes["iterations"]
    information = {
        "fit": fit,
        "seed": seed,
        "iterations": iterations,
        "stopped": attributes["stopped"],
        "weights": recipe.weights,
        "kept_iteration": attributes["best_iteration"] if recipe.weights == "best" else iterations,
        "patience_began": iterations - 1 - attributes["since_best"],
        "device": attributes["device"],
        "commit": attributes.get("commit", git.UNKNOWN),
        "versions": {
            name: attributes[name] for name in hdf5.provenance() if name in attributes
        },  # that fitted
        "det_F_analytic": files.read_json(path_to_analytic)["det_F"],
        "linear_compression": how,
        "finite_differences": differenced,
        "calibration": {name: without_nan(array) for name, array in calibrated._asdict().items()},
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
