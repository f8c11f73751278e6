"""One tidy table over recipes, seeds and splits."""

import pandas as pd
from imnn_core import files
from imnn_core.jobs import job, log


def rows(information, names):
    """A row per split of one fit."""
    for split, values in information["splits"].items():
        F = {f"F_{a}_{b}": values["F"][i][j] for i, a in enumerate(names) for j, b in enumerate(names) if i <= j}
        analytic = information["det_F_analytic"]
        yield {
            "fit": information["fit"],
            "seed": information["seed"],
            "split": split,
            "iterations": information["iterations"],
            "stopped": information["stopped"],
            "kept_iteration": information["kept_iteration"],
            "n_s": values["n_s"],
            "n_d": values["n_d"],
            "det_F": values["det_F"],
            "det_F_error": values["det_F_error"],
            "det_F_analytic": analytic,
            "ratio_to_analytic": None if analytic is None else values["det_F"] / analytic,
            "det_C": values["det_C"],
            **F,
        }


def summarise(paths_to_information, path_to_analytic, path_to_summary):
    """Write the table as CSV; an empty field stands for what was not measured."""
    names = files.read_json(path_to_analytic)["names"]
    table = pd.DataFrame([row for path in paths_to_information for row in rows(files.read_json(path), names)])
    log.info("%d rows", len(table))
    files.write_text(path_to_summary, table.to_csv(index=False))


if __name__ == "__main__":
    with job(snakemake.log[0]):
        summarise(
            paths_to_information=snakemake.input.information,
            path_to_analytic=snakemake.input.analytic,
            path_to_summary=snakemake.output.summary,
        )
