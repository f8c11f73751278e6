"""What the run found and how it was made, in one HTML file that needs no network."""

import base64
import io
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
from imnn_core import caveats, files, results
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


def data_uri(path):
    """An SVG file as an address that holds it."""
    return "data:image/svg+xml;base64," + base64.b64encode(files.read(path)).decode()


def read_table(path):
    """The summary, with the names of fits as text: one may be 1.10, or NA."""
    return pd.read_csv(io.BytesIO(files.read(path)), dtype={"fit": str}, keep_default_na=False, na_values=[""])


def verdicts(of_fit):
    """Per fit, in words and numbers, what it kept of the information of the test sets."""
    for fit, informations in of_fit.items():
        det_F, error = (results.on_test(informations, "network", "det_F", part) for part in ("value", "error"))
        share, n_seeds = results.share(informations), len(informations)
        yield {
            "fit": fit,
            "share": share,
            "det_F": results.with_error(*results.of_seeds(det_F, error)),
            "has_information": bool(np.mean(det_F) > 2 * np.mean(error)),
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


def observations(estimates):
    """Per fit, seed and observation, the estimate of each parameter with its error; of several, that of all at the end."""
    for found in estimates:
        n = len(found["estimates"])
        each = [(str(i + 1), values, found["error"]) for i, values in enumerate(found["estimates"])]
        if n > 1:
            each.append(("all", np.mean(found["estimates"], axis=0), np.array(found["error"]) / np.sqrt(n)))
        for number, values, error in each:
            cells = [results.with_error(*pair) for pair in zip(values, error, strict=True)]
            yield {"fit": found["fit"], "seed": found["seed"], "number": number, "cells": cells, "file": found["observed"]}


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
    observed = [files.read_json(path) for path in paths_to_estimates]
    serious = [
        *caveats.of_problem(analytic, informations),
        *caveats.of_differences(informations, analytic["names"]),
        *caveats.of_estimates(observed, settings.get("refine", 0) > 0),
    ]
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
        caveats=[*serious, *caveats.of_fits(table)],
        warnings=len(serious),
        differences=differences_of(informations[0]),
        observed=list(observations(observed)),
        refinements=[] if "/" in run else [f"refined-{i + 1}" for i in range(settings.get("refine", 0))],
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
