"""What each recipe kept of the information, seed by seed, as one figure."""

from imnn_core import figures, files, plots, results
from imnn_core.jobs import job, log


def shares(informations, analytic):
    """The test |F| of each seed and its error, over what there is to compare it with: analytic, the score's, else nothing."""
    value, error = (results.on_test(informations, "network", "det_F", part) for part in ("value", "error"))
    if analytic is not None:
        return value / analytic, error / analytic
    over = [results.on_test(informations, "over_score", "det_F", part) for part in ("value", "error")]
    return (value, error) if over[0] is None else over


def band_of_score(informations, analytic):
    """Mean |F| of the score over the analytic one, less and plus its standard deviation over the seeds (or one's error)."""
    value, error = (results.on_test(informations, "score", "det_F", part) for part in ("value", "error"))
    if value is None or analytic is None:
        return None
    half = value.std(ddof=1) if len(value) > 1 else error[0]
    return (value.mean() - half) / analytic, (value.mean() + half) / analytic


def plot_information(paths_to_information, path_to_analytic, paths_to_figure, *, style):
    """Draw the test |F| of each recipe and seed with its error; one file per format."""
    of_fit = results.by_fit(paths_to_information)
    first = next(iter(of_fit.values()))
    analytic = files.read_json(path_to_analytic)["det_F"]
    if analytic is not None:
        quantity, line = "$|F|$ / analytic $|F|$", (1, "all there is, analytic")
    elif results.on_test(first, "score", "det_F", "value") is not None:
        quantity, line = "$|F|$ / $|F|$ of the score", (1, "the score, on the same simulations")
    else:
        floor = results.on_test(first, "linear", "det_F", "value").mean() if results.has_floor(first) else None
        quantity, line = "$|F|$", None if floor is None else (floor, "a linear compression")
    kept_of = {fit: results.share(informations) for fit, informations in of_fit.items()}
    whose = next(iter(kept_of.values())).whose
    compared = f"{whose}’s |F|" if whose == "the score" else f"the |F| of {whose}" if "linear" in whose else "the analytic |F|"
    title = "|F|" if whose == "nothing" else f"Kept of {compared}"
    kept = {
        fit: figures.Kept(*shares(informations, analytic), "" if whose == "nothing" else str(kept_of[fit]))
        for fit, informations in of_fit.items()
    }
    with plots.style(style):
        figure = figures.information_figure(
            kept,
            band=band_of_score(first, analytic),
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
