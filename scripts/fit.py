"""Fit one recipe to one seed's simulations; write its weights, its statistics and its history."""

import contextlib
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from imnn_core.config.recipe import Recipe
from imnn_core.data import sets, sources
from imnn_core.gradient import fisher, host
from imnn_core.networks import scaling
from imnn_core.problems import load
from imnn_core.store import files, fits, git, hdf5
from imnn_core.store.errors import InputError
from imnn_core.training import fitters
from imnn_core.training.checkpoints import Begun, Checkpoint
from imnn_core.training.iteration import QUANTITIES, Best, State
from imnn_core.training.loop import SPLITS, Diverged
from imnn_core.training.loop import fit as run_fit
from imnn_core.workflow.jobs import job, log


def trees_of(state):
    """A state by the names of its parts in a fit's file, but for the counters."""
    trees = {
        "weights/best": state.best.weights,
        "weights/final": state.weights,
        "optimiser_state": state.optimiser_state,
    }
    return trees if state.average is None else trees | {"weights/average": state.average}


def history_table(history, splits):
    """The history with a column per split and quantity, determinants in float64 instead of their logarithms."""
    table = {"iteration": np.arange(len(history))}
    for i, split in enumerate(splits):
        column = dict(zip(QUANTITIES, history[:, i].astype(np.float64).T, strict=True))
        table |= {
            f"{split}_det_F": np.exp(column["log_det_F"]),
            f"{split}_det_C": np.exp(column["log_det_C"]),
            f"{split}_det_invC": np.exp(-column["log_det_C"]),
        }
        table |= {f"{split}_{name}": column[name] for name in ("penalty", "coupling", "loss")}
    return pd.DataFrame(table)


def describe(progress, splits, patience):
    """One line on where a fit stands."""
    det_F = np.exp(progress.history[-1, :, 0].astype(np.float64))
    values = ", ".join(f"{split} {value:.4g}" for split, value in zip(splits, det_F, strict=True))
    each = progress.seconds / len(progress.history)
    return (
        f"|F| {values}; best {np.exp(progress.best_log_det_F):.4g} at {progress.best_iteration}; "
        f"patience {progress.since_best}/{patience}; {1e3 * each:.3g} ms per iteration; "
        f"{each * (progress.end - progress.iteration):.0f} s left at most"
    )


def continued(path_to_parent, like, patience):
    """What another fit ended with, to go on from there."""
    like = trees_of(like) | {"weights/initial": like.weights}
    trees, history, _, attributes = fits.read_fit(path_to_parent, like)
    best = Best(
        trees["weights/best"],
        *map(jnp.asarray, (attributes["best_log_det_F"], attributes["best_iteration"])),
    )
    # A fit that ran out of patience gets new patience; one that ran out of iterations goes on as if
    # it had not.
    out_of_patience = attributes["stopped"] == "patience" or attributes["since_best"] >= patience
    since_best = 0 if out_of_patience else attributes["since_best"]
    counters = map(jnp.asarray, (since_best, len(history), 0))
    state = State(
        trees["weights/final"],
        trees.get("weights/average"),
        trees["optimiser_state"],
        best,
        *counters,
    )
    return Begun(state, trees["weights/initial"], history, start=len(history))


def begin(fitter, checkpoint, training, path_to_parent, seed, shape_of_history):
    """Where the fit begins: where it was interrupted, where the fit ended that it continues, or at new weights."""
    like = fitter.first_state(seed)
    flow = "resident" if fitter.engine.fused else "streamed"
    begun = checkpoint.resume(
        like, f"{flow} on {len(fitter.devices)} {fitter.devices[0].device_kind}"
    )
    if begun is None and path_to_parent:
        begun = continued(path_to_parent, like, fitter.recipe.patience)
        log.info("continues %s after its %d iterations", path_to_parent, len(begun.history))
    elif begun is None:
        state = fitter.first_state(seed, fitter.measured(training, seed, 0))
        begun = Begun(state, state.weights, np.empty((0, *shape_of_history)), start=0)
    checkpoint.begin(begun)
    return begun


@contextlib.contextmanager
def opened(paths, problem, **asked):
    """The sources of all splits, while the context lasts; one without a path is drawn on the fly."""
    with contextlib.ExitStack() as stack:
        yield {
            split: sources.on_the_fly(asked["n_s"], asked["n_d"])
            if path is None
            else stack.enter_context(sets.open_simulations(path, problem, split=split, **asked))
            for split, path in paths.items()
        }


def scaling_of(recipe, source, path_to_parent):
    """How the network sees the simulations: as the fit that this one continues, or by a set; None for as they are."""
    if recipe.standardise is None:
        return None
    found = (
        scaling.of_fit(path_to_parent)
        if path_to_parent
        else scaling.of_source(source, recipe.standardise)
    )
    log.info(
        "simulations less %.4g, over %.4g (means over a simulation)",
        found.mean.mean(),
        found.scale.mean(),
    )
    return found


def run(fitter, data, begun, checkpoint, seed, bar):
    """Fit, with a line in the log now and then; the result's history goes on from that so far."""
    patience = fitter.recipe.patience

    def report(progress):
        line = describe(progress, data, patience)
        log.info("iteration %d/%d: %s", progress.iteration, progress.end, line)
        bar.show(progress.iteration, progress.end, line)

    try:
        result = run_fit(
            fitter.engine, fitter.optimiser, begun.state, data["training"], data.get("validation"), fitter.settings, report,
            fitter.augment(seed), checkpoint.keep, begun.start,
        )  # fmt: skip
    except Diverged as error:
        table = history_table(np.concatenate([begun.history, error.history]), data)
        log.info("the history up to there:\n%s", table.to_csv(index=False))
        raise
    return result._replace(
        history=np.concatenate([begun.history, result.history]).astype(result.history.dtype)
    )


def fit(
    path_to_training, path_to_validation, path_to_parent, path_to_fit, path_to_history,
    *, problem, seed, n_s, n_d, recipe, bar, path_to_theta=None, code=None, checkpoint_minutes=5,
):  # fmt: skip
    """Fit, and write the fit and its history; go on from a checkpoint of this very fit that lies beside it.

    Args:
        path_to_training: None for simulations that are drawn on the fly.
        path_to_validation: None for a fit without a validation set.
        path_to_parent: the fit that this one continues, or None.
        n_s, n_d: simulations of each set, and those with derivatives; what the files hold, if None.
        recipe: as in the configuration, a mapping.
        bar: shows progress, see `jobs.Bar`.
        path_to_theta: theta_fid of a refinement, in place of the problem's, or None.
        code: digest of the code that fits.
        checkpoint_minutes: between two savings of its state.

    """
    commit = git.commit()  # now: the code may have changed when the fit ends
    asked = {"n_s": n_s, "n_d": n_d, "seed": seed}
    identity = asked | {
        "problem": problem,
        "recipe": recipe,
        "code": code,
        "jax": jax.__version__,
        "optax": optax.__version__,
    }
    recipe, problem = Recipe(**recipe), load.at(path_to_theta, **problem)
    on_the_fly = path_to_training is None
    paths = {"training": path_to_training} | (
        {"validation": path_to_validation} if path_to_validation else {}
    )
    read = {
        name: path
        for name, path in (paths | {"parent": path_to_parent}).items()
        if path is not None
    }
    made_from = {name: hdf5.checksum(path) for name, path in read.items()}
    identity |= made_from | {"theta_fid": problem.theta_fid.tolist()}
    checkpoint = Checkpoint(
        Path(path_to_fit).with_suffix(".checkpoint.h5"), identity, checkpoint_minutes, log.info
    )
    with (
        opened(paths, problem, **asked) as sources,
        fitters.memory_for(recipe.n_per_device),
        checkpoint,
    ):
        n_bytes = sum(source.n_bytes for source in sources.values())
        copied = sources["training"].n_bytes if recipe.augment else 0
        inputs = scaling_of(
            recipe, sources["validation" if on_the_fly else "training"], path_to_parent
        )
        fitter = fitters.build(recipe, problem, n_bytes + copied, on_the_fly, inputs)
        n_s, n_d = len(sources["training"].fiducial), len(sources["training"].derivative)
        if n_s < recipe.n_summaries + 3:
            raise InputError(
                f"n_summaries: expected at most n_s - 3 = {n_s - 3}, found {recipe.n_summaries}"
            )
        log.info(
            "%d simulations, %d with derivatives, at most %d at a time on a device",
            n_s,
            n_d,
            recipe.n_per_device,
        )
        log.info(
            "%d %s device(s); data: %s", len(fitter.devices), fitter.devices[0].platform, fitter.why
        )
        if on_the_fly:
            log.info("training simulations are drawn anew in every iteration")
        if not path_to_validation:
            log.info(
                "no validation set: training |F| decides when to stop and which weights are "
                "best, which is optimistic"
            )
        statistics_of = host.in_float64(fisher.statistics)
        with fitter.data(**sources) as data:
            begun = begin(
                fitter,
                checkpoint,
                data["training"],
                path_to_parent,
                seed,
                (len(paths), len(QUANTITIES)),
            )
            result = run(fitter, data, begun, checkpoint, seed, bar)
            state, history = result.state, result.history
            log.info("stopped by %s after %d iterations", result.stopped, len(history))
            trees = trees_of(state) | {"weights/initial": begun.initial}
            chosen = trees[recipe.evaluated]
            measured = data | {"training": fitter.measured(data["training"], seed, len(history))}
            statistics = {
                split: statistics_of(fitter.moments(chosen, part))
                for split, part in measured.items()
            }
        for split, values in statistics.items():
            log.info(
                "|F| %s %.4g at the %s weights", split, fisher.determinant(values.F), recipe.weights
            )
        attributes = {
            "problem": problem.name,
            "names": list(problem.names),
            "theta_fid": problem.theta_fid,
            "recipe": json.dumps(recipe.model_dump()),
            "history_axes": json.dumps(["iteration", SPLITS[: len(paths)], QUANTITIES]),
            "seed": seed,
            "iterations": len(history),
            "best_iteration": int(state.best.iteration),
            "best_log_det_F": float(state.best.log_det_F),
            "since_best": int(state.since_best),
            "stopped": result.stopped,
            "n_s": n_s,
            "n_d": n_d,
            "device": fitter.devices[0].device_kind,
            "commit": commit,
            "made_from": json.dumps(made_from),
        }
        trees |= {} if inputs is None else {"inputs": inputs}
        fits.write_fit(path_to_fit, trees, history, statistics, attributes)
        files.write_text(path_to_history, history_table(history, paths).to_csv(index=False))
    checkpoint.remove()


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.recipe["threads"]) as bar:
        fit(
            path_to_training=snakemake.input.get("training"),
            path_to_validation=snakemake.input.get("validation"),
            path_to_parent=snakemake.input.get("parent"),
            path_to_fit=snakemake.output.fit,
            path_to_history=snakemake.output.history,
            problem=snakemake.params.problem,
            seed=int(snakemake.wildcards.seed),
            n_s=snakemake.params.n_s,
            n_d=snakemake.params.n_d,
            recipe=snakemake.params.recipe,
            bar=bar,
            path_to_theta=snakemake.input.get("theta_fid"),
            code=snakemake.params.code,
            checkpoint_minutes=snakemake.config["checkpoint_minutes"],
        )
