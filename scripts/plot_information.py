"""What each recipe kept of the information, seed by seed, as one figure."""

from imnn_core.evaluation import results
from imnn_core.figures import plots, styles
from imnn_core.figures.information import Kept, information_figure
from imnn_core.store import files
from imnn_core.workflow.jobs import job, log


def compared(informations, analytic, whose):
    """What the figure shows of each seed's |F|: over the score's, else over the analytic, else itself; and its error."""
    if whose == "the score":
        return [
            results.on_test(informations, "over_score", "det_F", part)
            for part in ("value", "error")
        ]
    over = analytic if whose == "the analytic" else 1
    return [
        results.on_test(informations, "network", "det_F", part) / over
        for part in ("value", "error")
    ]


def plot_information(paths_to_information, path_to_analytic, paths_to_figure, *, style):
    """Draw the test |F| of each recipe and seed with its error; one file per format."""
    of_fit = results.by_fit(paths_to_information)
    first, analytic = next(iter(of_fit.values())), files.read_json(path_to_analytic)["det_F"]
    kept_of = {fit: results.share(informations) for fit, informations in of_fit.items()}
    whose = next(iter(kept_of.values())).whose
    if whose in ("the score", "the analytic"):
        quantity = (
            "$|F|$ / $|F|$ of the score" if whose == "the score" else "$|F|$ / analytic $|F|$"
        )
        line = (1, "the score, which loses nothing" if whose == "the score" else "all there is")
        title = f"Kept of {'the score’s' if whose == 'the score' else 'the analytic'} |F|"
    else:
        quantity, title = (
            "$|F|$",
            "|F|" if whose == "nothing" else "|F|, as a multiple of a linear compression’s,",
        )
        floor = (
            None
            if whose == "nothing"
            else results.on_test(first, "linear", "det_F", "value").mean()
        )
        line = None if floor is None else (floor, "a linear compression")
    kept = {
        fit: Kept(
            *compared(informations, analytic, whose),
            "" if whose == "nothing" else str(kept_of[fit]),
        )
        for fit, informations in of_fit.items()
    }
    with styles.style(style):
        figure = information_figure(
            kept,
            line=line,
            quantity=quantity,
            title=f"{title} on the test set, {len(first)} seed{'s' * (len(first) > 1)}",
        )
        plots.save_all(figure, paths_to_figure)
    log.info("wrote %s", ", ".join(map(str, paths_to_figure)))


if __name__ == "__main__":
    with job(snakemake.log[0]):
        plot_information(
            paths_to_information=snakemake.input.information,
            path_to_analytic=snakemake.input.analytic,
            paths_to_figure=snakemake.output,
            style=snakemake.input.style,
        )
