"""Draw the figures that compare recipes: the information that they kept, and contours of F^-1."""

import numpy as np
from imnn_core.evaluation import results, trust
from imnn_core.figures import plots, styles
from imnn_core.figures.ellipses import ellipses_figure
from imnn_core.figures.information import Kept, information_figure
from imnn_core.store import texts, unchecked
from imnn_core.workflow.jobs import job


def information_of(of_fit, analytic):
    """The figure of |F| of each recipe and seed, relative to the score's or the analytic one."""
    first = next(iter(of_fit.values()))
    kept = {fit: results.share(informations) for fit, informations in of_fit.items()}
    whose = next(iter(kept.values())).whose
    keys, over, line = ("network", "det_F"), 1, None
    if whose == "the score":
        keys = ("over_score", "det_F")
        line, title = (1, "the score, which loses nothing"), "Kept of the score’s |F|"
        quantity = "$|F|$ / $|F|$ of the score"
    elif whose == "the analytic":
        over = analytic["det_F"]
        line, title = (1, "all there is"), "Kept of the analytic |F|"
        quantity = "$|F|$ / analytic $|F|$"
    elif whose == "nothing":
        quantity, title = "$|F|$", "|F|"
    else:
        floor = results.on(first, "test", "linear", "det_F", "value").mean()
        line, title = (floor, "a linear compression"), f"|F|, as a multiple of {whose}’s,"
        quantity = "$|F|$"
    texts = {fit: "" if whose == "nothing" else str(share) for fit, share in kept.items()}
    for fit, informations in of_fit.items():
        if not all(trust.is_trusted(each, analytic["names"]) for each in informations):
            texts[fit] = "not to be trusted"
    shown = {
        fit: Kept(
            *(each / over for each in results.measured(informations, "test", *keys)),
            texts[fit],
        )
        for fit, informations in of_fit.items()
    }
    n_seeds = f"{len(first)} seed{'s' * (len(first) > 1)}"
    title = f"{title} on the test set, {n_seeds}"
    return information_figure(shown, line=line, quantity=quantity, title=title)


def ellipses_of(of_fit, analytic):
    """The figure of the contours of each recipe's F of the test set, the mean over seeds."""
    F_of = {
        fit: results.on(seeds, "test", "network", "F", "value") for fit, seeds in of_fit.items()
    }
    return ellipses_figure(
        {fit: F.mean(axis=0) for fit, F in F_of.items()},
        analytic=None if analytic["F"] is None else np.array(analytic["F"]),
        theta_fid=analytic["theta_fid"],
        symbols=analytic["symbols"],
    )


@unchecked.named()
def plot_comparison(
    paths_to_information,
    path_to_analytic,
    paths_to_information_figure,
    paths_to_ellipses,
    *,
    style,
):
    """Draw both figures, a file per format."""
    of_fit, analytic = results.by_fit(paths_to_information), texts.read_json(path_to_analytic)
    with styles.style(style):
        kept = information_of(of_fit, analytic)
        plots.save_all(kept, paths_to_information_figure)
        plots.save_all(ellipses_of(of_fit, analytic), paths_to_ellipses)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        plot_comparison(
            paths_to_information=snakemake.input.information,
            path_to_analytic=snakemake.input.analytic,
            paths_to_information_figure=snakemake.output.information,
            paths_to_ellipses=snakemake.output.ellipses,
            style=snakemake.input.style,
        )
