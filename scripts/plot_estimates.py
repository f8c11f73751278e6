"""Estimates of the parameters from one fit's summaries of test simulations, as a figure."""

import io

import numpy as np
import pandas as pd
from imnn_core.figures import plots, styles
from imnn_core.figures.estimates import estimates_figure
from imnn_core.store import files
from imnn_core.workflow.jobs import job, log


def plot_estimates(
    path_to_estimates, path_to_information, path_to_analytic, paths_to_figure, *, fits, style
):
    """Draw them against the exact ones, or those of a linear compression, and against the Cramer-Rao bound.

    Args:
        fits: all recipes, for the colour of this one.
        style: path to the figures' style.

    """
    table = pd.read_csv(io.BytesIO(files.read(path_to_estimates)))
    information, analytic = files.read_json(path_to_information), files.read_json(path_to_analytic)
    test, names = information["splits"]["test"], analytic["names"]
    kind, other = ("_exact", "exact") if f"{names[0]}_exact" in table else ("_linear", "linear")
    if analytic["F"] is not None:
        bound = np.sqrt(np.diag(np.linalg.inv(analytic["F"])))
    else:
        bound = np.array(
            test["score" if "score" in test else "network"]["sigma"]["value"], np.float64
        )  # null becomes NaN
    with styles.style(style):
        figure = estimates_figure(
            table[names].to_numpy(),
            table[[name + kind for name in names]].to_numpy(),
            theta_fid=analytic["theta_fid"],
            bound=bound,
            symbols=analytic["symbols"],
            other=other,
            colour=plots.colour_and_mark(information["fit"], fits)[0],
            title=f"{information['fit']}, seed {information['seed']}: estimates from {len(table)} "
            "test simulations",
        )
        plots.save_all(figure, paths_to_figure)
    log.info("wrote %s", ", ".join(map(str, paths_to_figure)))


if __name__ == "__main__":
    with job(snakemake.log[0]):
        plot_estimates(
            path_to_estimates=snakemake.input.estimates,
            path_to_information=snakemake.input.information,
            path_to_analytic=snakemake.input.analytic,
            paths_to_figure=snakemake.output,
            fits=snakemake.params.fits,
            style=snakemake.input.style,
        )
