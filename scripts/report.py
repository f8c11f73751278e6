"""What the run found and how it was made, in one HTML file that needs no network."""

import base64
import contextlib
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import docutils.core
import jinja2
import markupsafe
import numpy as np
import yaml
from imnn_core.evaluation import numbers, results, tables, warnings
from imnn_core.store import files, git
from imnn_core.store.errors import InputError
from imnn_core.workflow.jobs import job, log

NUMBERS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


def in_words(n, noun):
    """A number of things: three seeds."""
    return f"{NUMBERS[n] if n < len(NUMBERS) else n} {noun}{'s' * (n != 1)}"


def data_uri(path):
    """An SVG file as an address that holds it."""
    return "data:image/svg+xml;base64," + base64.b64encode(files.read(path)).decode()


def first_line(error):
    """What an error says, in a line."""
    return (str(error).strip() or repr(error)).splitlines()[0]


def from_rst(text, where="a formula"):
    """A text with the markup of captions, reStructuredText, as HTML, its formulas as MathML.

    Raises:
        InputError: it is faulty.

    """
    settings = {
        "math_output": "MathML", "halt_level": 2, "report_level": 2, "warning_stream": False, "traceback": True,
        "file_insertion_enabled": False, "raw_enabled": False,
    }  # fmt: skip
    try:
        found = docutils.core.publish_parts(text, writer="html5", settings_overrides=settings)
    except (
        Exception
    ) as error:  # of docutils' own, SystemMessage; or of its reader of formulas, of any kind
        raise InputError(
            f"{where}: expected reStructuredText, found: {first_line(error)}"
        ) from None
    return markupsafe.Markup(found["body"])


def caption(name, folder, settings, **wildcards):
    """A text of workflow/report/, with the run's settings in it, as Snakemake's own report has it."""
    path = Path(folder) / f"{name}.rst"
    snakemake = SimpleNamespace(config=settings, wildcards=SimpleNamespace(**wildcards))
    try:
        text = jinja2.Template(
            path.read_text(encoding="utf-8"), undefined=jinja2.StrictUndefined
        ).render(snakemake=snakemake)
    except Exception as error:  # of jinja2's own, or of what the caption computes
        raise InputError(
            f"{path}: expected a caption of Snakemake's report, found: {first_line(error)}"
        ) from None
    return from_rst(text, path)


PLAIN = re.compile(r"<m[in][^>]*>(\w+)</m[in]>")
WITH_INDEX = re.compile(r"<msub>\s*<mi[^>]*>(\w+)</mi>\s*(.*?)\s*</msub>", flags=re.S)


def in_text(symbol, name):
    r"""A parameter's symbol where that is a letter such as $\mu$, with an index or without, else its name."""
    if symbol.startswith("$") and symbol.endswith("$"):
        with contextlib.suppress(InputError):  # of matplotlib's own mathtext alone
            formula = re.search(
                r"<math[^>]*>\s*(.*?)\s*</math>",
                from_rst(f":math:`{symbol.strip('$')}`"),
                flags=re.S,
            )[1]
            if plain := PLAIN.fullmatch(formula):
                return plain[1]
            if parts := WITH_INDEX.fullmatch(formula):
                return markupsafe.Markup(f"{parts[1]}<sub>{''.join(PLAIN.findall(parts[2]))}</sub>")
    return name


def breakable(shown):
    """A name that may go on in the next line after what separates its words."""
    return markupsafe.Markup(
        re.sub(r"([_.-])(?=[^\d\W])", r"\1<wbr>", str(markupsafe.escape(shown)))
    )


def headline(kept, det_F, n_seeds, simulations):
    """The result in one sentence; the recipe that kept the most first.

    Args:
        kept: by recipe, its share of what it is compared with.
        det_F: by recipe, |F| of the test set with its error, as a text.
        n_seeds: their number.
        simulations: how many there were, as a text.

    """
    ranked = sorted(kept, key=lambda fit: -np.nan_to_num(kept[fit].mean, nan=-np.inf))
    best, whose = ranked[0], kept[ranked[0]].whose
    others = "".join(f", {fit} {kept[fit]}" for fit in ranked[1:])
    if whose == "nothing":
        found = ", ".join(f"{fit} has |F| = {det_F[fit]}" for fit in ranked)
        found += ", and of a linear compression |F| is not known to differ from 0"
    elif whose == "a linear compression":
        found = f"{best} has {kept[best]} the |F| of a linear compression{others}"
    else:
        found = f"{best} kept {kept[best]} of the Fisher information{others}"
    return f"{found}; {in_words(n_seeds, 'seed')}, {simulations}"


def simulations_of(informations, settings):
    """How many simulations a fit had, in words."""
    if settings["simulations"] == "on_the_fly":
        return f"{settings['n_s']} new simulations in each iteration"
    return f"{informations[0]['splits']['training']['n_s']} simulations each"


def sizes_of(informations):
    """Numbers of simulations and of derivatives of each set that some fit had, in the order in which they are used."""
    splits = {split: found for each in informations for split, found in each["splits"].items()}
    return {split: splits[split] for split in ("training", "validation", "test") if split in splits}


def refinements_after(run, settings):
    """Repetitions of the run at the estimate that follow this one, as folders from its own."""
    _, _, step = run.partition("/refined-")
    steps = range(int(step or 0) + 1, settings["refine"] + 1)
    return [f"{'../' * bool(step)}refined-{i}" for i in steps]


MANY = 5  # warnings of a kind, from which on the rest are counted


def by_remedy(found):
    """Warnings with the same remedy together: the first of them, and how many more there are."""
    grouped = {}
    for what, remedy in found:
        grouped.setdefault(remedy, []).append(what)
    more = {remedy: len(each) - MANY for remedy, each in grouped.items() if len(each) > MANY + 1}
    return {
        remedy: [*each[:MANY], f"… and {more[remedy]} more of the kind."]
        if remedy in more
        else each
        for remedy, each in grouped.items()
    }


def made_by(informations):
    """Versions, devices and commits of the fits; several where seeds or recipes differ."""
    versions = {
        name: " and ".join(sorted({each["versions"][name] for each in informations}))
        for name in informations[0]["versions"]
    }
    commits = sorted({each["commit"] for each in informations})
    return {
        "versions": versions,
        "devices": sorted({each["device"] for each in informations}),
        "commits": commits,
    }


def report(
    path_to_analytic, paths_to_information, paths_to_figures, path_to_template, path_to_benchmarks, path_to_report,
    *, settings, run, paths_to_estimates=(),
):  # fmt: skip
    """Render the template with the run's own files; no number is typed.

    Args:
        paths_to_figures: "information_figure" and "ellipses", a path each; "histories" and
            "estimates", one per fit; "history", per fit and seed.
        path_to_template: beside the captions.
        path_to_benchmarks: the folder with those of the run, as far as there are.
        settings: the configuration, every key.
        run: its name, with that of the refinement.
        paths_to_estimates: of observed data, per fit and seed, if there are.

    """
    analytic, of_fit = files.read_json(path_to_analytic), results.by_fit(paths_to_information)
    informations = [information for seeds in of_fit.values() for information in seeds]
    observed = [files.read_json(path) for path in paths_to_estimates]
    names = analytic["names"]
    symbols = [in_text(*pair) for pair in zip(analytic["symbols"], names, strict=True)]
    refinements = refinements_after(run, settings)
    serious = [
        *warnings.of_problem(analytic, informations),
        *warnings.of_differences(informations, names),
        *warnings.of_estimates(observed, bool(refinements)),
    ]
    found = [
        *serious,
        *warnings.of_fits(of_fit, settings["fits"], isinstance(settings["simulations"], dict)),
    ]
    kept = {fit: results.share(seeds) for fit, seeds in of_fit.items()}
    det_F = {fit: results.det_F(seeds) for fit, seeds in of_fit.items()}
    parts = {
        *of_fit,
        *(f"seed-{seed}" for seed in settings["seeds"]),
        "training",
        "validation",
        "test",
    }
    folder = Path(path_to_template).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "compact": numbers.compact,
        "with_error": numbers.with_error,
        "data_uri": data_uri,
        "breakable": breakable,
    }
    html = environment.get_template(Path(path_to_template).name).render(
        settings=settings,
        settings_text=yaml.safe_dump(
            settings, sort_keys=False, allow_unicode=True, default_flow_style=None
        ),
        run=run,
        headline=headline(
            kept, det_F, len(settings["seeds"]), simulations_of(informations, settings)
        ),
        det_F=det_F,
        analytic=analytic,
        symbols=symbols,
        caption=partial(caption, folder=folder, settings=settings),
        sizes=sizes_of(informations),
        on_the_fly=settings["simulations"] == "on_the_fly",
        information=tables.information(informations),
        parameters=tables.parameters(of_fit, names, symbols),
        assumptions=tables.assumptions(informations, names, symbols),
        details=tables.details(informations),
        observed=observed,
        observations=tables.observations(observed, symbols) if observed else None,
        times=tables.times(path_to_benchmarks, parts),
        has_score="over_score" in informations[0]["splits"]["test"],
        warnings=by_remedy(found),
        n_warnings=len(found),
        n_serious=len(serious),
        differences=informations[0]["finite_differences"],
        refinements=refinements,
        figures=paths_to_figures
        | {
            "histories": dict(zip(of_fit, paths_to_figures["histories"], strict=True)),
            "history": list(zip(informations, paths_to_figures["history"], strict=True)),
            "estimates": list(
                zip(
                    [seeds[0] for seeds in of_fit.values()],
                    paths_to_figures["estimates"],
                    strict=True,
                )
            ),
        },
        unknown=git.UNKNOWN,
        **made_by(informations),
    )
    files.write_text(path_to_report, html)
    log.info("wrote %s, %d kB", path_to_report, len(html) // 1000)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        report(
            path_to_analytic=snakemake.input.analytic,
            paths_to_information=snakemake.input.information,
            paths_to_figures={
                name: snakemake.input[name]
                for name in ("information_figure", "ellipses", "histories", "history", "estimates")
            },
            path_to_template=snakemake.input.template,
            path_to_benchmarks=Path(snakemake.output.report).parent / "benchmarks",
            path_to_report=snakemake.output.report,
            settings=snakemake.params.settings,
            run=snakemake.wildcards.run,
            paths_to_estimates=snakemake.input.estimates_of_observed,
        )
