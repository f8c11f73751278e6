"""How one fit went, or all seeds of a recipe, as a figure of four panels."""

import io

import pandas as pd
from imnn_core.evaluation import results
from imnn_core.figures import plots, styles
from imnn_core.figures.histories import History, history_figure
from imnn_core.store import files
from imnn_core.workflow.jobs import job, log


def read_history(path_to_history, information):
    """A fit's history with what was measured of it."""
    table = pd.read_csv(io.BytesIO(files.read(path_to_history)))
    columns = {name: table[name].to_numpy() for name in table.columns}
    return History(columns, information["kept_iteration"], information["patience_began"])


def title_of(informations):
    """What is seen: whose histories they are, and what came of them."""
    fit, n_seeds = informations[0]["fit"], len(informations)
    which = f"seed {informations[0]['seed']}" if n_seeds == 1 else f"{n_seeds} seeds"
    return (
        f"{fit}, {which}: |F| = {results.det_F(informations)} on the test set{'s' * (n_seeds > 1)}"
    )


def plot_history(paths_to_history, paths_to_information, paths_to_figure, *, style):
    """Draw |F|, |C|, penalty and coupling against iterations, of one fit or of several seeds; one file per format."""
    informations = [files.read_json(path) for path in paths_to_information]
    histories = [read_history(*pair) for pair in zip(paths_to_history, informations, strict=True)]
    with styles.style(style):
        figure = history_figure(
            histories,
            [
                split
                for split in ("training", "validation")
                if f"{split}_det_F" in histories[0].columns
            ],
            analytic=informations[0]["det_F_analytic"],
            title=title_of(informations),
        )
        plots.save_all(figure, paths_to_figure)
    log.info("wrote %s", ", ".join(map(str, paths_to_figure)))


if __name__ == "__main__":
    with job(snakemake.log[0]):
        plot_history(
            paths_to_history=snakemake.input.history,
            paths_to_information=snakemake.input.information,
            paths_to_figure=snakemake.output,
            style=snakemake.input.style,
        )
