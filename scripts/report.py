"""What the run found and how it was made, in one HTML file that needs no network."""

import base64
from pathlib import Path

import jinja2
import pandas as pd
from imnn_core import files, results
from imnn_core.jobs import job, log


def digits(value, n=4):
    """A number to n significant digits, or to whole ones, and a dash for what was not measured."""
    if value is None or pd.isna(value):
        return "–"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if 10**n <= abs(value) < 1e7 else f"{value:#.{n}g}".rstrip(".")


def compact(value):
    """A number to four significant digits, or to whole ones."""
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.4g}"


def percent(ratio):
    """A ratio in per cent: no decimals from 10 % on, else two digits."""
    return f"{100 * ratio:.0f}" if not ratio < 0.1 else f"{100 * ratio:.2g}"


def data_uri(path):
    """An SVG file as an address that holds it."""
    return "data:image/svg+xml;base64," + base64.b64encode(Path(path).read_bytes()).decode()


def read_table(path):
    """The summary, with the names of fits as text: one may be 1.10, or NA."""
    return pd.read_csv(path, dtype={"fit": str}, keep_default_na=False, na_values=[""])


def verdicts(of_fit):
    """Per fit, in words and numbers, what it kept of the information of the test sets."""
    for fit, informations in of_fit.items():
        det_F, error = (results.on_test(informations, "network", "det_F", part) for part in ("value", "error"))
        share, n_seeds = results.share(informations), len(informations)
        yield {
            "fit": fit,
            "share": share,
            "det_F": results.with_error(*results.of_seeds(det_F, error)),
            "error": f"{100 * share.error:#.2g} %".replace(". ", " ") if share.whose in ("the score", "the analytic") else None,
            "n_seeds": n_seeds,
        }


def per_parameter(of_fit, names):
    """Per fit and parameter, the bound sigma and the share of the score's F_aa: means over seeds."""
    for fit, informations in of_fit.items():
        cells = []
        for i, _ in enumerate(names):
            for keys in (("network", "sigma"), ("over_score", "F_diagonal")):
                value, error = (results.on_test(informations, *keys, part) for part in ("value", "error"))
                if value is not None:
                    cells.append(results.with_error(*results.of_seeds(value[:, i], error[:, i])))
        yield {"fit": fit, "cells": cells}


def assumptions(of_fit, names):
    """How Gaussian estimates are and how constant C is, which F takes for granted: of the score, then of each fit and seed."""

    def cells(information, whose):
        for i, _ in enumerate(names):
            for quantity in ("skewness", "excess_kurtosis", "covariance_change"):
                value, error = (results.on_test([information], whose, quantity, part)[0, i] for part in ("value", "error"))
                yield results.with_error(value, error)

    first = next(iter(of_fit.values()))[0]
    if "score" in first["splits"]["test"]:
        yield {"fit": "(the score)", "seed": first["seed"], "cells": list(cells(first, "score"))}
    for fit, informations in of_fit.items():
        for information in informations:
            yield {"fit": fit, "seed": information["seed"], "cells": list(cells(information, "network"))}


def rows(table):
    """Per fit and seed, the summary's rows by split."""
    for _, group in table.groupby(["fit", "seed"], sort=False):
        yield {record["split"]: record for record in group.to_dict("records")}


def caveats(table):
    """What a reader should know before trusting the numbers: (what, what to do)."""
    for row in table[table["split"] == "test"].itertuples():
        if row.stopped == "max_iterations":
            yield (
                f"{row.fit}, seed {row.seed} stopped at max_iterations; |F| may still have been rising.",
                "Raise max_iterations, or continue it with a recipe that has continue_from.",
            )
        if row.kept_iteration == 0 and row.iterations > 1:
            yield (
                f"{row.fit}, seed {row.seed}: the weights kept are the initial ones, since |F| never rose above theirs.",
                "Try another learning_rate, more patience or a larger min_iterations.",
            )
        if getattr(row, "ratio_to_analytic", 1) < 0.5:
            yield (
                f"{row.fit}, seed {row.seed} keeps only {percent(row.ratio_to_analytic)} % of the analytic |F|.",
                "Try more simulations, another network, a smaller learning_rate or more patience.",
            )
        if row.det_F_error > 0.1 * row.det_F:
            yield (
                f"{row.fit}, seed {row.seed}: |F| of the test set is known to {percent(row.det_F_error / row.det_F)} % only.",
                "Raise n_test.",
            )
        of_training = table[(table["fit"] == row.fit) & (table["seed"] == row.seed) & (table["split"] == "training")]
        seen = of_training["ratio_to_score"].max() if "ratio_to_score" in table else float("nan")  # none if drawn on the fly
        if seen > getattr(row, "ratio_to_score", seen) + 0.1:
            yield (
                f"{row.fit}, seed {row.seed} is overfitted: it keeps {percent(seen)} % of the score's |F| on its training set, "
                f"{percent(row.ratio_to_score)} % on the test set.",
                "Try more simulations, a smaller network, augment, averaging, or a network with the symmetry of the problem.",
            )
        if not 0.5 < row.det_C < 2:
            yield (
                f"{row.fit}, seed {row.seed}: |C| = {row.det_C:.3g} on the test set, not 1: the weights kept are from before "
                "the penalty brought it there.",
                "F does not depend on it; for summaries of unit covariance give more patience, or keep the final weights.",
            )
    for fit in table["fit"].unique():
        if "validation" not in set(table[table["fit"] == fit]["split"]):
            yield (
                f"{fit} had no validation set: training |F| decided when to stop and which weights were best.",
                "Its training |F| is optimistic; trust the test set.",
            )


def caveats_of_differences(informations, names):
    """What finite differences by the parameters left to be desired: (what, what to do)."""
    for information in informations:
        for line in results.faults_of_differences(information["finite_differences"], names):
            yield f"{information['fit']}, seed {information['seed']}: {line}.", "See `delta_theta` in config/README.md."


def differences_of(information):
    """What finite differences by the parameters are worth, by one fit, or None for exact derivatives."""
    found = information["finite_differences"]
    return None if found is None else found | {key: information[key] for key in ("fit", "seed")}


def sizes(informations, settings):
    """Simulations of each set, in words."""
    splits = informations[0]["splits"]
    test = f"tested on {splits['test']['n_s']} that no fit has seen"
    if settings["simulations"] == "on_the_fly":
        n_s, n_d = settings["n_s"], settings["n_d"]
        return f"{n_s} training simulations, drawn anew in every iteration ({n_d} with derivatives), {test}"
    training = splits["training"]
    return f"{training['n_s']} training simulations ({training['n_d']} with derivatives), {test}"


def observations(paths):
    """Per fit, seed and observation, the estimate of each parameter with its error."""
    for path in paths:
        found = files.read_json(path)
        for i, values in enumerate(found["estimates"]):
            cells = [results.with_error(*pair) for pair in zip(values, found["error"], strict=True)]
            yield {"fit": found["fit"], "seed": found["seed"], "number": i + 1, "cells": cells, "file": found["observed"]}


def report(
    path_to_summary, path_to_analytic, paths_to_information, paths_to_figures, path_to_template, path_to_report,
    *, settings, run, paths_to_estimates=(),
):  # fmt: skip
    """Render the template with the run's own files; no number is typed.

    Args:
        run: its name, with that of the refinement.
        paths_to_estimates: of observed data, per fit and seed, if there are.
        paths_to_figures: "information" and "ellipses", a path each; "estimates", one per fit; "histories", per fit and seed.

    """
    table, analytic = read_table(path_to_summary), files.read_json(path_to_analytic)
    of_fit = results.by_fit(paths_to_information)
    informations = [information for seeds in of_fit.values() for information in seeds]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(path_to_template).parent), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"digits": digits, "compact": compact, "with_error": results.with_error, "data_uri": data_uri}
    html = environment.get_template(Path(path_to_template).name).render(
        settings=settings,
        run=run,
        sizes=sizes(informations, settings),
        analytic=analytic,
        verdicts=list(verdicts(of_fit)),
        per_parameter=list(per_parameter(of_fit, analytic["names"])),
        assumptions=list(assumptions(of_fit, analytic["names"])),
        has_score="ratio_to_score" in table,
        caveats=[*caveats(table), *caveats_of_differences(informations, analytic["names"])],
        differences=differences_of(informations[0]),
        observed=list(observations(paths_to_estimates)),
        rows=list(rows(table)),
        figures=paths_to_figures,
        histories=list(zip(informations, paths_to_figures["histories"], strict=True)),
        estimates=list(zip([seeds[0] for seeds in of_fit.values()], paths_to_figures["estimates"], strict=True)),
        versions={
            name: " and ".join(sorted({each["versions"][name] for each in informations}))
            for name in informations[0]["versions"]
        },
        devices=sorted({each["device"] for each in informations}),
    )
    files.write_text(path_to_report, html)
    log.info("wrote %s, %d kB", path_to_report, len(html) // 1000)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        report(
            path_to_summary=snakemake.input.summary,
            path_to_analytic=snakemake.input.analytic,
            paths_to_information=snakemake.input.information,
            paths_to_figures={
                "information": snakemake.input.information_figure,
                "ellipses": snakemake.input.ellipses,
                "estimates": snakemake.input.estimates,
                "histories": snakemake.input.histories,
            },
            path_to_template=snakemake.input.template,
            path_to_report=snakemake.output.report,
            settings=snakemake.params.settings,
            run=snakemake.wildcards.run,
            paths_to_estimates=snakemake.input.estimates_of_observed,
        )
