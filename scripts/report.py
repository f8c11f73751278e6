"""What the run found and how it was made, in one HTML file that needs no network."""

import base64
import math
from pathlib import Path

import jinja2
import pandas as pd
from imnn_core import files
from imnn_core.jobs import job, log


def digits(value, n=4):
    """A number to n significant digits, trailing zeros too, and a dash for what was not measured."""
    if value is None or pd.isna(value):
        return "–"
    return f"{value:#.{n}g}".rstrip(".") if isinstance(value, float) else str(value)


def percent(ratio):
    """A ratio in per cent: no decimals from 10 % on, else two digits."""
    return f"{100 * ratio:.0f}" if not ratio < 0.1 else f"{100 * ratio:.2g}"


def with_error(value, error):
    """A number and its error, to two digits of the error: 49.92 ± 0.11."""
    decimals = max(0, 1 - math.floor(math.log10(error))) if error > 0 else 2
    return f"{value:.{decimals}f} ± {error:.{decimals}f}".replace("-", "−")


def data_uri(path):
    """An SVG file as an address that holds it."""
    return "data:image/svg+xml;base64," + base64.b64encode(Path(path).read_bytes()).decode()


def read_table(path):
    """The summary, with the names of fits as text: one may be 1.10, or NA."""
    return pd.read_csv(path, dtype={"fit": str}, keep_default_na=False, na_values=[""])


def verdicts(table):
    """Per fit, what its test sets say: mean |F| over seeds, its standard deviation, and its share of the analytic |F|."""
    test = table[table["split"] == "test"]
    for fit, rows in test.groupby("fit", sort=False):
        yield {
            "fit": fit,
            "n_seeds": len(rows),
            "det_F": rows["det_F"].mean(),
            "scatter": rows["det_F"].std() if len(rows) > 1 else None,
            "error": rows["det_F_error"].iloc[0],
            "percent": percent(rows["ratio_to_analytic"].mean()),
        }


def caveats(table):
    """What a reader should know before trusting the numbers: (what, what to do)."""
    for row in table[table["split"] == "test"].itertuples():
        if row.stopped == "max_iterations":
            yield (
                f"{row.fit}, seed {row.seed} stopped at its last iteration, not because |F| had ceased to rise.",
                "Raise max_iterations, or continue it with a recipe that has continue_from.",
            )
        if row.kept_iteration == 0 and row.iterations > 1:
            yield (
                f"{row.fit}, seed {row.seed}: the weights kept are the initial ones, since |F| never rose above theirs.",
                "Try another learning_rate, more patience or a larger min_iterations.",
            )
        if row.ratio_to_analytic < 0.5:
            yield (
                f"{row.fit}, seed {row.seed} keeps only {percent(row.ratio_to_analytic)} % of the analytic |F|.",
                "Try more simulations, another network, a smaller learning_rate or more patience.",
            )
        if not 0.5 < row.det_C < 2:
            yield (
                f"{row.fit}, seed {row.seed}: |C| = {row.det_C:.3g} on the test set, not 1: the penalty has not yet acted.",
                "F does not depend on it; for summaries of unit covariance raise max_iterations or strength.",
            )
    for fit in table["fit"].unique():
        if "validation" not in set(table[table["fit"] == fit]["split"]):
            yield (
                f"{fit} had no validation set: training |F| decided when to stop and which weights were best.",
                "Its training |F| is optimistic; trust the test set.",
            )


def report(
    path_to_summary, path_to_analytic, paths_to_information, paths_to_histories, path_to_template, path_to_report, *, settings
):
    """Render the template with the run's own files; no number is typed."""
    table = read_table(path_to_summary)
    informations = [files.read_json(path) for path in paths_to_information]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(path_to_template).parent), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"digits": digits, "with_error": with_error}
    histories = [
        {"fit": each["fit"], "seed": each["seed"], "uri": data_uri(path)}
        for each, path in zip(informations, paths_to_histories, strict=True)
    ]
    html = environment.get_template(Path(path_to_template).name).render(
        settings=settings,
        analytic=files.read_json(path_to_analytic),
        verdicts=list(verdicts(table)),
        caveats=list(caveats(table)),
        rows=table.astype(object).where(table.notna(), None).to_dict("records"),
        histories=histories,
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
            paths_to_histories=snakemake.input.histories,
            path_to_template=snakemake.input.template,
            path_to_report=snakemake.output.report,
            settings=snakemake.params.settings,
        )
