"""The history of one fit as a figure of three panels."""

import io

import pandas as pd
from imnn_core import files, plots
from imnn_core.jobs import job, log


def plot_history(path_to_history, path_to_information, paths_to_figure):
    """Draw |F|, |C| and |C^-1|, penalty and coupling against iterations; one file per format."""
    table = pd.read_csv(io.BytesIO(files.read(path_to_history)))
    information = files.read_json(path_to_information)
    history = {name: table[name].to_numpy() for name in table.columns}
    det_F = f"{information['splits']['test']['network']['det_F']['value'] or float('nan'):#.3g}".rstrip(".")
    figure = plots.history_figure(
        history,
        [split for split in ("training", "validation") if f"{split}_det_F" in history],
        analytic=information["det_F_analytic"],
        kept_iteration=information["kept_iteration"],
        title=f"{information['fit']}, seed {information['seed']}: |F| = {det_F} on the test set",
    )
    plots.save_all(figure, paths_to_figure)
    log.info("wrote %s", ", ".join(map(str, paths_to_figure)))


if __name__ == "__main__":
    with job(snakemake.log[0]):
        plot_history(
            path_to_history=snakemake.input.history,
            path_to_information=snakemake.input.information,
            paths_to_figure=snakemake.output,
        )
