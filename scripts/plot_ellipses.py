"""What each recipe lets one know of the parameters: contours of F^-1 as one figure."""

import numpy as np
from imnn_core.evaluation import results
from imnn_core.figures import plots, styles
from imnn_core.figures.ellipses import ellipses_figure
from imnn_core.store import files
from imnn_core.workflow.jobs import job, log


def plot_ellipses(paths_to_information, path_to_analytic, paths_to_figure, *, style):
    """Draw the contours of each recipe's F of the test set, the mean over seeds; one file per format."""
    analytic = files.read_json(path_to_analytic)
    of_fit = results.by_fit(paths_to_information)
    with styles.style(style):
        figure = ellipses_figure(
            {
                fit: results.on_test(seeds, "network", "F", "value").mean(axis=0)
                for fit, seeds in of_fit.items()
            },
            analytic=None if analytic["F"] is None else np.array(analytic["F"]),
            theta_fid=analytic["theta_fid"],
            symbols=analytic["symbols"],
        )
        plots.save_all(figure, paths_to_figure)
    log.info("wrote %s", ", ".join(map(str, paths_to_figure)))


if __name__ == "__main__":
    with job(snakemake.log[0]):
        plot_ellipses(
            paths_to_information=snakemake.input.information,
            path_to_analytic=snakemake.input.analytic,
            paths_to_figure=snakemake.output,
            style=snakemake.input.style,
        )
