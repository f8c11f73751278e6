"""Write one tidy table of all recipes, seeds and splits."""

import pandas as pd
from imnn_core.evaluation import trust
from imnn_core.store import texts, unchecked
from imnn_core.workflow.jobs import job, log


def with_error(column, estimate, *index):
    """Columns of value and error of a measured quantity, or of one entry of it."""
    value, error = estimate["value"], estimate["error"]
    for i in index:
        value, error = value[i], error[i]
    return {column: value, f"{column}_error": error}


def of_split(values, names, analytic):
    """Yield the columns of one split; missing compressions have no entry."""
    network = values["network"]
    yield with_error("det_F", network["det_F"]) | {"det_F_debiased": network["det_F"]["debiased"]}
    yield {"det_F_analytic": analytic}
    if analytic is not None:
        parts = network["det_F"].items()
        over = {part: None if number is None else number / analytic for part, number in parts}
        yield with_error("ratio_to_analytic", over)
    for other in ("score", "linear"):
        if ratio := values.get(f"over_{other}"):
            yield with_error(f"det_F_{other}", values[other]["det_F"])
            yield with_error(f"ratio_to_{other}", ratio["det_F"])
    if simulations := values.get("simulations"):
        yield with_error("det_F_simulations", simulations["det_F"])
        yield {"det_F_simulations_debiased": simulations["det_F"]["debiased"]}
    for i, name in enumerate(names):
        if "over_score" in values:
            yield with_error(f"ratio_to_score_{name}", values["over_score"]["F_diagonal"], i)
        yield with_error(f"sigma_{name}", network["sigma"], i)
        for quantity in ("skewness", "excess_kurtosis", "covariance_change"):
            yield with_error(f"{quantity}_{name}", network[quantity], i)
    for i, a in enumerate(names):
        for j, b in enumerate(names[i:], i):
            yield with_error(f"F_{a}_{b}", network["F"], i, j)
            yield {f"F_{a}_{b}_debiased": network["F"]["debiased"][i][j]}
    yield {"det_C": network["det_C"]["value"]}


def rows(information, names):
    """Yield a row for each split of one fit."""
    reasons = trust.why_not(information, names)
    for split, values in information["splits"].items():
        row = {"fit": information["fit"], "seed": information["seed"], "split": split}
        row |= {key: information[key] for key in ("iterations", "stopped", "kept_iteration")}
        row |= {"trusted": str(not reasons).lower(), "why_not": "; ".join(reasons) or None}
        row |= {key: values[key] for key in ("n_s", "n_d")}
        for columns in of_split(values, names, information["det_F_analytic"]):
            row |= columns
        yield row


@unchecked.named()
def summarise(paths_to_information, path_to_analytic, path_to_summary):
    """Write the table as CSV; fields of quantities that were not measured are empty."""
    names = texts.read_json(path_to_analytic)["names"]
    informations = map(texts.read_json, paths_to_information)
    table = pd.DataFrame([row for information in informations for row in rows(information, names)])
    log.info("%d rows", len(table))
    texts.write_text(path_to_summary, table.to_csv(index=False))


if __name__ == "__main__":
    with job(snakemake.log[0]):
        summarise(
            paths_to_information=snakemake.input.information,
            path_to_analytic=snakemake.input.analytic,
            path_to_summary=snakemake.output.summary,
        )
