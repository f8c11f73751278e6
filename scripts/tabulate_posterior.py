"""Write the tables of a run's posteriors: what they are, and how they are calibrated."""

import numpy as np
import pandas as pd
from imnn_core.evaluation import weighted
from imnn_core.inference import diagnostics, doubts, results
from imnn_core.store import texts, unchecked
from imnn_core.workflow.jobs import job, log

LEVELS = [0.1587, 0.8413]  # of the 68 % interval
COVERED = 0.9


def of_posterior(posterior, exact):
    """Yield a row for each observation and parameter."""
    about, p = posterior.about, posterior.theta.shape[-1]
    observed, _, _ = exact
    for i, (theta, weights) in enumerate(zip(posterior.theta, posterior.weights, strict=True)):
        facts = {name: values[i] for name, values in about["facts"].items()}
        mean, sd = weighted.moments(theta, weights)
        low, high = np.transpose([weighted.quantiles(x, weights, LEVELS) for x in theta.T])
        for k in range(p):
            yield {
                "fit": about["fit"],
                "seed": about["seed"],
                "method": about["method"],
                "parameter": posterior.prior.names[k],
                "mean": mean[k],
                "sd": sd[k],
                "q16": low[k],
                "q84": high[k],
                "mean_exact": None if observed is None else observed.mean[i, k],
                "sd_exact": None if observed is None else observed.sd[i, k],
                "n_simulations": facts.get("n_simulations", about["n_simulations"]),
                "seconds": round(about["seconds"], 2),
                "observation": i,
                "effective": weighted.effective(weights),
                "epsilon": facts.get("epsilon"),
            }


def of_calibration(found):
    """Yield a row for each parameter."""
    about, each, exact = found.about, found.each, found.exact
    n = int(np.isfinite(each.fraction).sum())
    if n < 2:
        return
    ranks = diagnostics.ranks(each.pit)
    covered = diagnostics.coverage(each.pit, [COVERED])
    tarp = diagnostics.tarp(each.fraction, [])
    nats = diagnostics.nats(found.log_q, found.log_prior)
    lost, widths = diagnostics.Mean(np.nan, np.nan), None
    if exact is not None:
        of_exact = exact.log_likelihood - exact.log_evidence + found.log_prior
        lost = diagnostics.nats(of_exact, found.log_q)
        widths = diagnostics.widths(each.mean, each.sd, exact.mean, exact.sd)
    for k, name in enumerate(about["names"]):
        yield {
            "fit": about["fit"],
            "seed": about["seed"],
            "method": about["method"],
            "parameter": name,
            "rank_p": ranks.p[k],
            "coverage_90": covered.covered[0, k],
            "tarp_deviation": tarp.deviation,
            "width_over_exact_5": None if widths is None else widths.ratio[0, k],
            "width_over_exact_95": None if widths is None else widths.ratio[2, k],
            "nats_lost": lost.mean,
            "nats_lost_error": lost.error,
            "n": n,
            "tarp_p": tarp.p,
            "nats": nats.mean,
            "nats_error": nats.error,
            "width_over_exact_50": None if widths is None else widths.ratio[1, k],
            "mean_off_exact": None if widths is None else widths.scatter[k],
            "coverage_90_low": covered.low[0, k],
            "coverage_90_high": covered.high[0, k],
        }


# Of a run without calibration, too.
CALIBRATION = (
    "fit seed method parameter rank_p coverage_90 tarp_deviation width_over_exact_5 "
    "width_over_exact_95 nats_lost nats_lost_error n tarp_p nats nats_error width_over_exact_50 "
    "mean_off_exact coverage_90_low coverage_90_high"
).split()


def disagreements(posteriors, exact):
    """Methods that disagree, also with the exact posterior, and seeds of one method."""
    found = {}
    for each in posteriors:
        for i, of in enumerate(zip(each.theta, each.weights, strict=True)):
            fit, seed, method = (each.about[key] for key in ("fit", "seed", "method"))
            found[fit, seed, method, i] = weighted.moments(*of)
    names = posteriors[0].prior.names
    of_methods, of_seeds = {}, {}
    for (fit, seed, method, i), of in found.items():
        of_methods.setdefault((fit, seed, i), {})[method] = of
        of_seeds.setdefault((fit, method, i), {})[f"seed {seed}"] = of
    for (fit, seed, i), of in of_methods.items():
        at, *_ = exact[seed]
        lines = list(doubts.between(of, names))
        for method, its in of.items() if at is not None else ():
            lines += doubts.against_exact(method, its, (at.mean[i], at.sd[i]), names)
        yield from (doubt(fit, i, line, seed=seed) for line in lines)
    for (fit, method, i), of in of_seeds.items():
        for line in doubts.between(of, names):
            yield doubt(fit, i, f"{method}: {line}")


def doubt(fit, observation, what, *, seed=None, method=None, peaks=False):
    """A doubt about a posterior, or about those of all seeds if it is None."""
    return {
        "fit": fit,
        "seed": seed,
        "method": method,
        "observation": observation,
        "what": what,
        "peaks": peaks,
    }


def all_doubts(posteriors, exact):
    """Doubts about single posteriors, each once for a fit and a seed, and disagreements."""
    found = {}
    for each in posteriors:
        fit, seed, method = (each.about[key] for key in ("fit", "seed", "method"))
        for i, lines in enumerate(each.about["doubts"]):
            for line in lines:
                peaks, what = line.startswith(doubts.PEAKS), f"{method}: {line}"
                new = doubt(fit, i, what, seed=seed, method=method, peaks=peaks)
                found.setdefault((fit, seed, i, line), new)
    return [*found.values(), *disagreements(posteriors, exact)]


@unchecked.named()
def tabulate(
    paths_to_posteriors,
    paths_to_calibrations,
    paths_to_exact,
    path_to_table,
    path_to_calibration,
    path_to_doubts,
):
    """Write both tables as CSV, and the doubts as JSON.

    Args:
        paths_to_posteriors, paths_to_calibrations: of each fit, seed and method.
        paths_to_exact: exact posteriors, by seed.

    """
    exact = {seed: results.read_exact(path) for seed, path in paths_to_exact.items()}
    posteriors = [results.read_posterior(path) for path in paths_to_posteriors]
    rows = [row for each in posteriors for row in of_posterior(each, exact[each.about["seed"]])]
    texts.write_text(path_to_table, pd.DataFrame(rows).to_csv(index=False))
    calibrations = map(results.read_calibration, paths_to_calibrations)
    rows = [row for each in calibrations for row in of_calibration(each)]
    table = pd.DataFrame(rows, columns=CALIBRATION)
    texts.write_text(path_to_calibration, table.to_csv(index=False))
    found = all_doubts(posteriors, exact)
    for each in found:
        log.info("warning: %s: %s", doubts.whose(each), each["what"])
    is_observed = posteriors[0].about["is_observed"]
    texts.write_json(path_to_doubts, {"doubts": found, "is_observed": is_observed})


if __name__ == "__main__":
    with job(snakemake.log[0]):
        tabulate(
            paths_to_posteriors=snakemake.input.posteriors,
            paths_to_calibrations=snakemake.input.calibrations,
            paths_to_exact=dict(zip(snakemake.params.seeds, snakemake.input.exact, strict=True)),
            path_to_table=snakemake.output.posterior,
            path_to_calibration=snakemake.output.calibration,
            path_to_doubts=snakemake.output.doubts,
        )
