"""Check all of a user's files of simulations before any fit."""

from imnn_core.data import arrays, choice, differences, named_files, named_sets, user_files
from imnn_core.gradient import devices
from imnn_core.problems import load
from imnn_core.store import texts
from imnn_core.store.errors import InputError
from imnn_core.workflow.jobs import job, log


def check_files(files, path_to_checked, *, problem):
    """Check the files, and write how many simulations and derivatives each set holds.

    Args:
        files: what names the simulations of each set: a path, or files for each of its arrays.
        path_to_checked: JSON, by split: file, digest, n_s, n_d; with finite differences
            the counts of simulations at shifted parameters.

    """
    devices.only_cpu()
    problem = load.build(**problem)
    found = user_files.check(files, problem)
    if found.faults:
        raise InputError("the files of simulations have faults:", *found.faults)
    for line in found.notes:
        log.info("warning: %s", line)
    checked = {}
    for split, given in files.items():
        name = named_sets.set_in_words(given)
        for line in in_order(given):
            log.info("%s: %s", split, line)
        with arrays.open_users(given, problem) as source:
            n_s, n_d = len(source.fiducial), len(source.derivative)
            digest = found.digests[split]
            checked[split] = {"file": given, "n_s": n_s, "n_d": n_d, "digest": digest}
            if problem.delta_theta is not None:
                checked[split]["counts"] = source.counts
                shifted = differences.look(source, problem)
                for line in choice.doubts(shifted, problem.of_summaries, problem.names):
                    log.info("warning: %s: %s", name, line)
        log.info("%s: %d simulations, %d with derivatives in %s", split, n_s, n_d, name)
    texts.write_json(path_to_checked, checked)


def in_order(given):
    """A line for each array in several files: the first, the last, and how many they are."""
    for keys, each in named_sets.arrays_of(given) if isinstance(given, dict) else ():
        paths = named_files.paths_of(each)
        if len(paths) > 1:
            order = "as listed" if len(named_files.entries(each)) > 1 else "in natural order"
            where = f"{'.'.join(keys)}: {len(paths)} files {order}"
            yield f"{where}, from {paths[0]} to {paths[-1]}"


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        check_files(
            files=snakemake.params.files,
            path_to_checked=snakemake.output.checked,
            problem=snakemake.params.problem,
        )
