"""Draw the figures of one recipe: the histories of its fits, and estimates of the parameters."""

import io

import numpy as np
import pandas as pd
from imnn_core.evaluation import results
from imnn_core.figures import plots, styles
from imnn_core.figures.estimates import estimates_figure
from imnn_core.figures.histories import History, history_figure
from imnn_core.store import files, texts, unchecked
from imnn_core.workflow.jobs import job


def read_table(path):
    """A CSV file of this project."""
    return pd.read_csv(io.BytesIO(files.read(path)))


def history_of(tables, informations):
    """The figure of the histories of one seed, or of all."""
    histories = []
    for table, each in zip(tables, informations, strict=True):
        columns = {name: column.to_numpy() for name, column in table.items()}
        histories.append(History(columns, each["kept_iteration"], each["patience_began"]))
    n = len(informations)
    which = f"seed {informations[0]['seed']}" if n == 1 else f"{n} seeds"
    of = f"{informations[0]['fit']}, {which}: |F| = {results.det_F(informations)}"
    return history_figure(
        histories,
        [split for split in ("training", "validation") if f"{split}_det_F" in tables[0]],
        analytic=informations[0]["det_F_analytic"],
        title=f"{of} on the test set{'s' * (n > 1)}",
    )


def estimates_of(table, information, analytic, fits):
    """The figure of one seed's estimates, against exact ones or those of a linear compression."""
    names, test = analytic["names"], information["splits"]["test"]
    other = "exact" if f"{names[0]}_exact" in table else "linear"
    if analytic["F"] is not None:
        bound = np.sqrt(np.diag(np.linalg.inv(analytic["F"])))
    else:
        sigma = test["score" if "score" in test else "network"]["sigma"]["value"]
        bound = np.array(sigma, np.float64)  # null becomes NaN
    of = f"{information['fit']}, seed {information['seed']}"
    return estimates_figure(
        table[names].to_numpy(),
        table[[f"{name}_{other}" for name in names]].to_numpy(),
        theta_fid=analytic["theta_fid"],
        bound=bound,
        symbols=analytic["symbols"],
        other=other,
        colour=plots.colour_and_mark(information["fit"], fits)[0],
        title=f"{of}: estimates from {len(table)} test simulations",
    )


@unchecked.named()
def plot_fit(
    paths_to_history,
    paths_to_information,
    path_to_estimates,
    path_to_analytic,
    paths_to_figures,
    *,
    fits,
    style,
):
    """Draw the history of each seed and of all, and the estimates of the first seed.

    Args:
        paths_to_history: one per seed.
        paths_to_information: one per seed.
        path_to_estimates: of the first seed.
        path_to_analytic: what `analytic_fisher` wrote.
        paths_to_figures: "histories" of all seeds, "history" of each seed in turn, "estimates";
            a path per format.
        fits: all recipes, which determine the colour of this one.
        style: path to the figures' style.

    """
    informations = [texts.read_json(path) for path in paths_to_information]
    tables = [read_table(path) for path in paths_to_history]
    estimates, analytic = read_table(path_to_estimates), texts.read_json(path_to_analytic)
    with styles.style(style):
        seeds = zip(tables, informations, plots.by_figure(paths_to_figures["history"]), strict=True)
        for table, information, paths in seeds:
            plots.save_all(history_of([table], [information]), paths)
        plots.save_all(history_of(tables, informations), paths_to_figures["histories"])
        drawn = estimates_of(estimates, informations[0], analytic, fits)
        plots.save_all(drawn, paths_to_figures["estimates"])


if __name__ == "__main__":
    with job(snakemake.log[0]):
        plot_fit(
            paths_to_history=snakemake.input.history,
            paths_to_information=snakemake.input.information,
            path_to_estimates=snakemake.input.estimates,
            path_to_analytic=snakemake.input.analytic,
            paths_to_figures=snakemake.output,
            fits=snakemake.params.fits,
            style=snakemake.input.style,
        )
