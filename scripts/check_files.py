"""Check all of a user's files of simulations before any fit."""

from imnn_core.data import arrays, choice, differences, user_files
from imnn_core.gradient import devices
from imnn_core.problems import load
from imnn_core.store import texts
from imnn_core.store.errors import InputError
from imnn_core.workflow.jobs import job, log


def check_files(paths_to_files, path_to_checked, *, problem):
    """Check the files, and write how many simulations and derivatives each holds.

    Args:
        paths_to_files: the user's files, by split.
        path_to_checked: JSON, by split: file, digest, n_s, n_d; with finite differences
            the counts of simulations at shifted parameters.

    """
    devices.only_cpu()
    problem = load.build(**problem)
    found = user_files.check(paths_to_files, problem)
    if found.faults:
        raise InputError("the files of simulations have faults:", *found.faults)
    for line in found.notes:
        log.info("warning: %s", line)
    checked = {}
    for split, path in paths_to_files.items():
        with arrays.open_users(path, problem) as source:
            n_s, n_d = len(source.fiducial), len(source.derivative)
            digest = found.digests[split]
            checked[split] = {"file": path, "n_s": n_s, "n_d": n_d, "digest": digest}
            if problem.delta_theta is not None:
                checked[split]["counts"] = source.counts
                shifted = differences.look(source, problem)
                for line in choice.doubts(shifted, problem.of_summaries, problem.names):
                    log.info("warning: %s: %s", path, line)
        log.info("%s: %d simulations, %d with derivatives in %s", split, n_s, n_d, path)
    texts.write_json(path_to_checked, checked)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        check_files(
            paths_to_files=dict(snakemake.input.items()),
            path_to_checked=snakemake.output.checked,
            problem=snakemake.params.problem,
        )
