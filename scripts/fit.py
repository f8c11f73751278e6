"""Fit one recipe to one seed's simulations; write its weights, its statistics and its history."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import optax
import pandas as pd
from imnn_core.compression import inputs_of
from imnn_core.config.recipe import Recipe
from imnn_core.data import sets, sources
from imnn_core.gradient import devices, fisher, host, matrices
from imnn_core.networks import inputs
from imnn_core.problems import load
from imnn_core.store import fits, git, texts
from imnn_core.store.errors import InputError
from imnn_core.training import described
from imnn_core.training.checkpoints import Begun, Checkpoint, continued, trees_of
from imnn_core.training.fitter import build as build_fitter
from imnn_core.training.iteration import QUANTITIES
from imnn_core.training.loop import SPLITS, Diverged
from imnn_core.training.loop import fit as run_fit
from imnn_core.workflow.jobs import job, log


class Paths(NamedTuple):
    """Files of a fit; ``training`` is None where simulations are drawn on the fly.

    A set is a path, or a list of those of its parts.

    parent: the fit that this one continues, or None. validation: None for a fit without.
    theta: theta_fid of a refinement, in place of the problem's, or None.
    """

    training: str | Path | Sequence[str] | None
    validation: str | Path | Sequence[str] | None
    parent: str | Path | None
    fit: str | Path
    history: str | Path
    theta: str | Path | None = None

    @property
    def on_the_fly(self):
        """Whether training simulations are drawn anew in every iteration."""
        return self.training is None

    @property
    def sets(self):
        """Paths of the sets by split."""
        validation = {"validation": self.validation} if self.validation else {}
        return {"training": self.training} | validation

    def checksums(self):
        """Checksums of the files that the fit is made from, by name."""
        read = self.sets | {"parent": self.parent}
        return {name: sets.checksum_of(path) for name, path in read.items() if path is not None}


def history_table(history, splits):
    """The history with a column per split and quantity; determinants in float64, not their logs."""
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


def begin(fitter, checkpoint, training, path_to_parent, seed, shape_of_history):
    """Where the fit begins: at its checkpoint, at the end of its parent, or at new weights."""
    like, devices_of_fit = fitter.first_state(seed), fitter.compressor.devices
    flow = "resident" if fitter.engine.fused else "streamed"
    how = f"{flow} on {len(devices_of_fit)} {devices_of_fit[0].device_kind}"
    begun = checkpoint.resume(like, how)
    if begun is None and path_to_parent:
        begun = continued(path_to_parent, like, fitter.recipe.patience)
        log.info("continues %s after its %d iterations", path_to_parent, len(begun.history))
    elif begun is None:
        state = fitter.first_state(seed, fitter.measured(training, seed, 0))
        begun = Begun(state, state.weights, np.empty((0, *shape_of_history)), start=0)
    checkpoint.begin(begun)
    return begun


@contextlib.contextmanager
def open_sets(paths, problem, **asked):
    """The sources of all splits while the context lasts; one without a path is drawn on the fly."""
    with contextlib.ExitStack() as stack:
        yield {
            split: sources.on_the_fly(asked["n_s"], asked["n_d"])
            if path is None
            else stack.enter_context(sets.open_simulations(path, problem, split=split, **asked))
            for split, path in paths.items()
        }


def fitter_of(recipe, problem, sets_of_fit, paths):
    """The recipe's fitter; what stands before the network is the parent's, or from a set."""
    on_the_fly, training = paths.on_the_fly, sets_of_fit["training"]
    n_bytes = sum(sources.narrowed(source).n_bytes for source in sets_of_fit.values())
    n_bytes += sources.narrowed(training).n_bytes if recipe.augment else 0  # of the changed copy
    if paths.parent:
        found, lines = inputs.of_fit(paths.parent), ["simulations are taken as by the parent"]
    else:
        seen = sets_of_fit["validation" if on_the_fly else "training"]
        found, lines = inputs_of.of_set(recipe, problem, seen)
    for line in lines:
        log.info("%s", line)
    return build_fitter(recipe, problem, n_bytes, on_the_fly, found)


def check_sizes(recipe, training):
    """See that C of the training set has an inverse, and an error.

    Raises:
        InputError: there are fewer simulations than n_summaries + 3.

    """
    n_s = len(training.fiducial)
    if n_s < recipe.n_summaries + 3:
        raise InputError(
            f"n_summaries: expected at most n_s - 3 = {n_s - 3}, found {recipe.n_summaries}"
        )


def log_start(fitter, training, paths):
    """Lines on what is fitted, on which devices, and how the data flow."""
    n_s, n_d, on = len(training.fiducial), len(training.derivative), fitter.compressor.devices
    at_once = f"at most {fitter.recipe.n_per_device} at a time on a device"
    log.info("%d simulations, %d with derivatives, %s", n_s, n_d, at_once)
    log.info("%d %s device(s); data: %s", len(on), on[0].platform, fitter.why)
    if paths.on_the_fly:
        log.info("training simulations are drawn anew in every iteration")
    if not paths.validation:
        log.info(
            "no validation set: training |F| decides when to stop and which weights are best, "
            "which is optimistic"
        )


def run(fitter, data, begun, checkpoint, seed, bar):
    """Fit, with a line in the log now and then; the history begins with that of ``begun``."""
    patience = fitter.recipe.patience

    def report(progress):
        line = describe(progress, data, patience)
        log.info("iteration %d/%d: %s", progress.iteration, progress.end, line)
        bar.show(progress.iteration, progress.end, line)

    try:
        result = run_fit(
            fitter.engine,
            fitter.optimiser,
            begun.state,
            data["training"],
            data.get("validation"),
            fitter.settings,
            report,
            fitter.augment(seed),
            checkpoint.keep,
            begun.start,
        )
    except Diverged as error:
        table = history_table(np.concatenate([begun.history, error.history]), data)
        log.info("the history up to there:\n%s", table.to_csv(index=False))
        raise
    history = np.concatenate([begun.history, result.history]).astype(result.history.dtype)
    return result._replace(history=history)


def statistics_of(fitter, weights, data, seed, n_iterations):
    """Statistics of each split at these weights, in float64."""
    of_moments = host.in_float64(fisher.statistics)
    measured = data | {"training": fitter.measured(data["training"], seed, n_iterations)}
    found = {split: of_moments(fitter.moments(weights, part)) for split, part in measured.items()}
    for split, values in found.items():
        det_F = matrices.determinant(values.F)
        log.info("|F| %s %.4g at the %s weights", split, det_F, fitter.recipe.weights)
    return found


def fit(paths, *, problem, seed, n_s, n_d, recipe, bar, code=None, checkpoint_minutes=5):
    """Fit, and write the fit and its history.

    A checkpoint of this very fit beside it is where it goes on from.

    Args:
        paths: see `Paths`.
        n_s, n_d: simulations of each set, and those with derivatives; what files hold, if None.
        recipe: as in the configuration, a mapping.
        bar: shows progress, see `bar.Bar`.
        code: digest of the code that fits.
        checkpoint_minutes: between two checkpoints.

    """
    commit = git.commit()  # now: the code may have changed when the fit ends
    asked, made_from = {"n_s": n_s, "n_d": n_d, "seed": seed}, paths.checksums()
    versions = {"jax": jax.__version__, "optax": optax.__version__}
    identity = asked | {"problem": problem, "recipe": recipe, "code": code} | versions | made_from
    kind, problem = problem["kind"], load.at(paths.theta, **problem)
    recipe = Recipe(**recipe).of(problem.n_params)
    identity |= {"theta_fid": problem.theta_fid.tolist()}
    path_to_checkpoint = Path(paths.fit).with_suffix(".checkpoint.h5")
    checkpoint = Checkpoint(path_to_checkpoint, identity, checkpoint_minutes, log.info)
    with (
        open_sets(paths.sets, problem, **asked) as found,
        devices.memory_for(recipe.n_per_device),
        checkpoint,
    ):
        training, splits = found["training"], SPLITS[: len(found)]
        fitter = fitter_of(recipe, problem, found, paths)
        check_sizes(recipe, training)
        log_start(fitter, training, paths)
        with fitter.data(**found) as data:
            shape = (len(found), len(QUANTITIES))
            begun = begin(fitter, checkpoint, data["training"], paths.parent, seed, shape)
            result = run(fitter, data, begun, checkpoint, seed, bar)
            log.info("stopped by %s after %d iterations", result.stopped, len(result.history))
            trees = trees_of(result.state) | {"weights/initial": begun.initial}
            chosen = trees[recipe.evaluated]
            statistics = statistics_of(fitter, chosen, data, seed, len(result.history))
        last = splits[-1]  # training itself may be drawn on the fly
        probe = described.probe(fitter, chosen, found[last], statistics[last])
        attributes = described.attributes(fitter, result, splits, kind) | {
            "seed": seed,
            "n_s": len(training.fiducial),
            "n_d": len(training.derivative),
            "commit": commit,
            "made_from": json.dumps(made_from),
        }
        arrays = fitter.compressor.inputs.arrays()
        trees |= {"probe": probe} | ({"inputs": arrays} if arrays else {})
        fits.write_fit(paths.fit, trees, result.history, statistics, attributes)
        table = history_table(result.history, splits)
        texts.write_text(paths.history, table.to_csv(index=False))
    checkpoint.remove()


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.params.recipe["threads"]) as bar:
        fit(
            Paths(
                training=snakemake.input.get("training"),
                validation=snakemake.input.get("validation"),
                parent=snakemake.input.get("parent"),
                fit=snakemake.output.fit,
                history=snakemake.output.history,
                theta=snakemake.input.get("theta_fid"),
            ),
            problem=snakemake.params.problem,
            seed=int(snakemake.wildcards.seed),
            n_s=snakemake.params.n_s,
            n_d=snakemake.params.n_d,
            recipe=snakemake.params.recipe,
            bar=bar,
            code=snakemake.params.code,
            checkpoint_minutes=snakemake.config["checkpoint_minutes"],
        )
