"""Write which simulations of the user's files each set of one seed has; nothing is copied."""

import numpy as np
from imnn_core.data import layouts, named_sets, sets, user_files
from imnn_core.gradient import devices
from imnn_core.problems import load
from imnn_core.store import texts, unchecked
from imnn_core.store.errors import InputError
from imnn_core.workflow.jobs import job, log


@unchecked.named()
def use_files(path_to_checked, paths_to_sets, *, problem, fractions, seed, n_summaries=0):
    """Write a reference to the files for each split.

    Args:
        path_to_checked: what `check_files` found.
        paths_to_sets: by split.
        fractions: of the training file's simulations, for splits without a file.
        n_summaries: of the recipe that has most of them; n_params, if that is more.

    """
    devices.only_cpu()
    problem, checked = load.build(**problem), texts.read_json(path_to_checked)
    for split, path in paths_to_sets.items():
        of_file = checked.get(split, checked["training"])
        n_s, n_d = of_file["n_s"], of_file["n_d"]
        counts, rows = of_file.get("counts") or [n_d], None
        if fractions:
            rows = user_files.split_rows(n_s, counts, fractions, seed).get(split)
        fewest_d = min(counts)
        of_set = (n_s, fewest_d) if rows is None else (len(rows), int(np.sum(rows < fewest_d)))
        n_summaries = max(n_summaries, problem.n_params)
        fewest = layouts.fewest(n_summaries)
        if of_set[0] < fewest or of_set[1] < 2:
            of = f"the {n_s} and {n_d} in {named_sets.set_in_words(of_file['file'])}"
            raise InputError(
                f"simulations: expected at least n_summaries + 3 = {fewest} simulations and 2 "
                f"derivatives in {split}, found {of_set[0]} and {of_set[1]} of {of}; take fewer "
                "n_summaries, or other fractions"
            )
        sets.write_reference(path, of_file, problem, rows_of_file=rows, seed=seed, split=split)
        described = (split, seed, *of_set, named_sets.set_in_words(of_file["file"]))
        log.info("%s, seed %d: %d simulations, %d derivatives of %s", *described)


if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        use_files(
            path_to_checked=snakemake.input.checked,
            paths_to_sets=dict(snakemake.output.items()),
            problem=snakemake.params.problem,
            fractions=snakemake.params.fractions,
            seed=int(snakemake.wildcards.seed),
            n_summaries=snakemake.params.n_summaries,
        )
