"""Check a user's files of simulations, all at once and before any fit, and note what each set has of them."""

import numpy as np
from imnn_core import devices, problems, sets, user_files
from imnn_core.errors import InputError
from imnn_core.jobs import job, log


def use_files(paths_to_files, paths_to_sets, *, problem, fractions, fewest):
    """Check the files and write a reference to them for each seed and split.

    Args:
        paths_to_files: the user's, by split.
        paths_to_sets: by seed and split.
        fractions: of the training file's simulations, for the splits that have no file of their own.
        fewest: simulations that a set needs.

    """
    devices.only_cpu()
    problem = problems.build(**problem)
    lines = user_files.faults(paths_to_files, problem, fewest, bool(fractions))
    if lines:
        raise InputError("\n".join(["the files of simulations have faults:", *lines]))
    for (seed, split), path in paths_to_sets.items():
        path_to_file = paths_to_files.get(split, paths_to_files["training"])
        with sets.open_users(path_to_file, problem) as source:
            n_s, n_d = len(source.fiducial), len(source.derivative)
            parts = user_files.split_rows(n_s, n_d, fractions, seed) if fractions else {}
            rows = parts.get(split)
            of_set = (n_s, n_d) if rows is None else (len(rows), int(np.sum(rows < n_d)))
            if of_set[0] < fewest or of_set[1] < 2:
                raise InputError(
                    f"simulations.fractions: expected at least {fewest} simulations and 2 derivatives in {split}, found "
                    f"{of_set[0]} and {of_set[1]} of the {n_s} and {n_d} in {path_to_file}"
                )
            sets.write_reference(path, path_to_file, source, problem, rows_of_file=rows, seed=seed, split=split)
        log.info("%s, seed %d: %d simulations, %d derivatives of %s", split, seed, *of_set, path_to_file)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        keys = [(seed, split) for seed in snakemake.params.seeds for split in snakemake.params.splits]
        use_files(
            paths_to_files=dict(snakemake.input.items()),
            paths_to_sets=dict(zip(keys, snakemake.output, strict=True)),
            problem=snakemake.params.problem,
            fractions=snakemake.params.fractions,
            fewest=snakemake.params.fewest,
        )
