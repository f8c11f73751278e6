"""Draw the figures of the posteriors: contours of all recipes and methods, and calibration."""

from pathlib import Path

import numpy as np
from imnn_core.figures import plots, styles
from imnn_core.figures.calibrations import Checked, calibration_figure
from imnn_core.figures.posteriors import MANY, Curve, posterior_figure
from imnn_core.inference import diagnostics, results
from imnn_core.problems.prior import prior_of
from imnn_core.store import unchecked
from imnn_core.workflow.jobs import job

LEVELS = np.linspace(0, 1, 51)
N_BINS = 10, 20  # of ranks, for fewer than 400 and for more


def posterior_of(posteriors, theta_exact, symbols):
    """The figure of the posteriors of the first observation, by one seed's fits."""
    curves = [
        Curve(of["fit"], of["method"], theta[0], weights[0], prior.bounds)
        for theta, weights, _, prior, of in posteriors
    ]
    about, prior = posteriors[0].about, posteriors[0].prior
    exact = None
    if theta_exact is not None:
        # Of the whole prior, also where that of a refinement is cut to a box.
        bounds = prior_of(prior.names, prior.spec).bounds
        exact = Curve("", "exact", theta_exact[0], np.ones(len(theta_exact[0])), bounds)
    theta, is_truth = about.get("theta_fid"), not about.get("is_observed", True)
    masses = "68 and 95 %" if len(curves) <= MANY else "95 %"
    which = "a test simulation" if is_truth else "the observation"
    which = "the first observation" if len(posteriors[0].theta) > 1 else which
    return posterior_figure(
        curves,
        exact=exact,
        theta=None if theta is None else np.array(theta),
        mark="truth" if is_truth else r"$\theta_\mathrm{fid}$",
        is_truth=is_truth,
        symbols=symbols,
        title=f"Posterior of {which}, seed {about['seed']}: {masses}",
    )


def checked(seeds):
    """What is drawn of one method's calibrations, by seed; None if there are none."""
    seeds = [each for each in seeds if np.isfinite(each.each.pit).all(axis=1).any()]
    if not seeds:
        return None
    are = [np.isfinite(each.each.pit).all(axis=1) for each in seeds]
    pits = [each.each.pit[rows] for each, rows in zip(seeds, are, strict=True)]
    fractions = [each.each.fraction[rows] for each, rows in zip(seeds, are, strict=True)]
    if len(seeds) > 1:
        pits, fractions = ([np.concatenate(of), *of] for of in (pits, fractions))
    n = len(pits[0])
    ranks = diagnostics.rank_histogram(pits[0], N_BINS[n >= 400])
    tarp = [diagnostics.tarp(of, LEVELS) for of in fractions]
    width = None
    if all(each.exact is not None for each in seeds):
        width = np.concatenate([each.each.sd / each.exact.sd for each in seeds])
    return Checked(
        method=seeds[0].about["method"],
        n=n,
        counts=ranks.counts,
        band=(ranks.low, ranks.high),
        covered=[diagnostics.coverage(of, LEVELS).covered for of in pits],
        tarp=[of.covered for of in tarp],
        tarp_band=tarp[0].band,
        theta=np.concatenate([each.theta for each in seeds]),
        width=width,
    )


def calibration_of(calibrations):
    """The figure of one recipe's calibrations, of each method and seed."""
    of_method = {}
    for each in calibrations:
        of_method.setdefault(each.about["method"], []).append(each)
    found = [each for each in map(checked, of_method.values()) if each is not None]
    about, n_seeds = calibrations[0].about, len({each.about["seed"] for each in calibrations})
    which = f"seed {about['seed']}" if n_seeds == 1 else f"{n_seeds} seeds"
    title = f"{about['fit']}, {which}: calibration"
    return calibration_figure(found, LEVELS, symbols=about["symbols"], title=title)


@unchecked.named()
def plot_posterior(
    paths_to_posteriors,
    paths_to_calibrations,
    path_to_exact,
    paths_to_posterior_figure,
    paths_to_calibration_figures,
    *,
    style,
):
    """Draw the posteriors of one seed, and the calibration of each recipe, a file per format.

    Args:
        paths_to_posteriors: of each fit and method, of the first seed.
        paths_to_calibrations: of each fit, seed and method.
        path_to_exact: exact posteriors of the first seed, where they are known.
        paths_to_posterior_figure: a path per format.
        paths_to_calibration_figures: a path per fit, whose name it has, and format.
        style: path to the figures' style.

    """
    posteriors = [results.read_posterior(path) for path in paths_to_posteriors]
    calibrations = [results.read_calibration(path) for path in paths_to_calibrations]
    _, _, theta_exact = results.read_exact(path_to_exact)
    of_fit = {}
    for each in calibrations:
        of_fit.setdefault(each.about["fit"], []).append(each)
    with styles.style(style):
        drawn = posterior_of(posteriors, theta_exact, calibrations[0].about["symbols"])
        plots.save_all(drawn, paths_to_posterior_figure)
        for paths in plots.by_figure(paths_to_calibration_figures):
            plots.save_all(calibration_of(of_fit[Path(paths[0]).stem]), paths)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        plot_posterior(
            paths_to_posteriors=snakemake.input.posteriors,
            paths_to_calibrations=snakemake.input.calibrations,
            path_to_exact=snakemake.input.exact,
            paths_to_posterior_figure=snakemake.output.posterior,
            paths_to_calibration_figures=snakemake.output.calibration,
            style=snakemake.input.style,
        )
