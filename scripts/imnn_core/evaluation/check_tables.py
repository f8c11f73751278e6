"""The tables of the report's section on checks."""

import math
from collections.abc import Sequence

from imnn_core.evaluation import results
from imnn_core.evaluation.tables import DASH, Table, measured, number, of_test, text

QUANTITIES = {
    "skewness": "skewness",
    "excess_kurtosis": "excess kurtosis",
    "covariance_change": "change of C",
}


def assumptions(
    informations: Sequence[dict], names: Sequence[str], symbols: Sequence[str]
) -> Table:
    """What F assumes, of the score and of each fit: Gaussian estimates and a constant C."""

    def rows(found, whose, fit):
        for i, name in enumerate(names):
            pairs = ([each[i] for each in of_test(found, whose, key)] for key in QUANTITIES)
            cells = (measured(*pair) for pair in pairs)
            yield [text(fit), number(found["seed"]), (symbols[i], name), *cells]

    has_score = results.has_score(informations)
    found = list(rows(informations[0], "score", "(the score)")) if has_score else []
    for each in informations:
        found += rows(each, "network", each["fit"])
    return Table(["fit", "seed", "parameter", *QUANTITIES.values()], found)


def details(informations: Sequence[dict]) -> Table:
    """Debiased |F| of each fit, its share of the analytic, |C|, and where its weights are from."""
    is_known = informations[0]["det_F_analytic"] is not None

    def row(found):
        network, analytic = found["splits"]["test"]["network"], found["det_F_analytic"]
        yield from (text(found["fit"]), number(found["seed"]))
        yield number(network["det_F"]["debiased"])
        if is_known:
            yield measured(*(each / analytic for each in of_test(found, "network", "det_F")), True)
        yield number(network["det_C"]["value"], 3)
        yield from (number(found["kept_iteration"]), number(found["patience_began"]))

    of_analytic = ["of the analytic"] * is_known
    weights = ["|C|", "weights kept at", "patience began at"]
    columns = ["fit", "seed", "|F|, debiased", *of_analytic, *weights]
    return Table(columns, [list(row(found)) for found in informations])


def linear(informations: Sequence[dict]) -> Table:
    """|F| of the test set by a linear compression, and all that is in the mean of simulations.

    The latter also without the bias of order 1/n, and with Hartlap's factor in each
    power of F: (n_s - n_inputs - 2) / (n_s - 1), with n_inputs numbers in a simulation.

    Source: Hartlap, Simon & Schneider 2007, arXiv:astro-ph/0608064.
    """
    has_simulations = "simulations" in informations[0]["splits"]["test"]

    def row(found):
        test = found["splits"]["test"]
        yield from (text(found["fit"]), number(found["seed"]))
        yield measured(*of_test(found, "linear", "det_F"))
        if has_simulations:
            value, error = of_test(found, "simulations", "det_F")
            n_params = len(test["network"]["F"]["value"])
            free = (test["n_s"] - found["n_inputs"] - 2) / (test["n_s"] - 1)
            yield measured(value, error)
            yield number(float(value * free**n_params)) if free > 0 else DASH
            yield number(test["simulations"]["det_F"]["debiased"])
        yield measured(*of_test(found, "over_linear", "det_F"))

    columns = ["fit", "seed", "|F|, linear"]
    columns += ["|F| in the mean", "with Hartlap’s factor", "debiased"] * has_simulations
    return Table([*columns, "network over linear"], [list(row(found)) for found in informations])


def differences(
    informations: Sequence[dict], names: Sequence[str], symbols: Sequence[str]
) -> list[Table]:
    """What finite differences are worth, by parameter and by fit; none for exact derivatives."""
    if informations[0]["finite_differences"] is None:
        return []
    of_parameters, of_fits = [], []
    for each in informations:
        found = each["finite_differences"]
        both, step = found["both"], found["step"]
        bend = both["bend"]["summaries" if found["of_summaries"] else "tangents"]
        whose = [text(each["fit"]), number(each["seed"])]
        for i, name in enumerate(names):
            cells = [
                number(found["independence"][i], 2),
                number(found["straightness"][i], 2),
                text("yes" if found["is_discrete"][i] else "no"),
                number(found["step_over_bound"][i], 2),
                number(found["shift"][i], 2),
                number(None if bend[i] is None else 100 * bend[i], 2),
            ]
            of_parameters.append([*whose, (symbols[i], name), *cells])
        change = [math.nan if both[key] is None else both[key] for key in ("change", "error")]
        halved = measured(step["change"], step["error"], percent=True) if step else DASH
        cells = [number(both["tangents"]), number(both["summaries"]), measured(*change, True)]
        of_fits.append([*whose, *cells, halved])
    columns = ["parameter", "independence", "bend", "jumps", "step / σ", "shift", "|F| by bend, %"]
    ways = ["|F|, in the data", "|F|, of summaries", "change", "at half the steps"]
    whose = ["fit", "seed"]
    return [Table([*whose, *columns], of_parameters), Table([*whose, *ways], of_fits)]
