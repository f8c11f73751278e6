"""Write the report: what the run found and how it was made, in one HTML file without links."""

import base64
import contextlib
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import docutils.core
import jinja2
import markupsafe
import yaml
from imnn_core.data import parts
from imnn_core.evaluation import (
    check_tables,
    contradictions,
    numbers,
    results,
    tables,
    trust,
    warnings,
)
from imnn_core.evaluation.headline import headline
from imnn_core.inference import page
from imnn_core.store import texts, unchecked
from imnn_core.store.errors import InputError
from imnn_core.workflow.jobs import job, log

SPLITS = ("training", "validation", "test")
RST = {
    "math_output": "MathML",
    "halt_level": 2,
    "report_level": 2,
    "warning_stream": False,
    "traceback": True,
    "file_insertion_enabled": False,
    "raw_enabled": False,
}


def data_uri(path):
    """An SVG file as a data URI."""
    return "data:image/svg+xml;base64," + base64.b64encode(texts.read_svg(path)).decode()


def first_line(error):
    """The first line of an error's message."""
    return (str(error).strip() or repr(error)).splitlines()[0]


def from_rst(text, where="a formula"):
    """Convert reStructuredText to HTML, formulas to MathML.

    Raises:
        InputError: the text has a fault.

    """
    try:
        found = docutils.core.publish_parts(text, writer="html5", settings_overrides=RST)
    except Exception as error:  # docutils' SystemMessage, or anything from its parser of formulas
        fault = first_line(error)
        raise InputError(f"{where}: expected reStructuredText, found: {fault}") from None
    return markupsafe.Markup(found["body"])


def caption(name, folder, settings, **wildcards):
    """Render a caption of workflow/report/ with the run's settings, as Snakemake's report does."""
    path = Path(folder) / f"{name}.rst"
    snakemake = SimpleNamespace(config=settings, wildcards=SimpleNamespace(**wildcards))
    try:
        text = path.read_text(encoding="utf-8")
        text = jinja2.Template(text, undefined=jinja2.StrictUndefined).render(snakemake=snakemake)
    except Exception as error:  # of jinja2, or of an expression in the caption
        fault = first_line(error)
        raise InputError(
            f"{path}: expected a caption of Snakemake's report, found: {fault}"
        ) from None
    return from_rst(text, path)


MATH = re.compile(r"<math[^>]*>\s*(.*?)\s*</math>", flags=re.S)
PLAIN = re.compile(r"<m[in][^>]*>(\w+)</m[in]>")
WITH_INDEX = re.compile(r"<msub>\s*<mi[^>]*>(\w+)</mi>\s*(.*?)\s*</msub>", flags=re.S)


def in_text(symbol, name):
    r"""A parameter's symbol if it is a letter, as $\mu$ or $\Omega_m$ are; else its name."""
    if symbol.startswith("$") and symbol.endswith("$"):
        with contextlib.suppress(InputError):  # matplotlib's mathtext knows more than docutils
            formula = MATH.search(from_rst(f":math:`{symbol.strip('$')}`"))[1]
            if plain := PLAIN.fullmatch(formula):
                return plain[1]
            if parts := WITH_INDEX.fullmatch(formula):
                return markupsafe.Markup(f"{parts[1]}<sub>{''.join(PLAIN.findall(parts[2]))}</sub>")
    return name


def breakable(shown):
    """Allow a line break after each character that separates the words of a name."""
    escaped = str(markupsafe.escape(shown))
    return markupsafe.Markup(re.sub(r"([_.-])(?=[^\d\W])", r"\1<wbr>", escaped))


def refinements_after(run, settings):
    """Folders, relative to the run's, of its later repetitions at the estimate."""
    _, _, step = run.partition("/refined-")
    steps = range(int(step or 0) + 1, settings["refine"] + 1)
    return [f"{'../' * bool(step)}refined-{i}" for i in steps]


def results_of(analytic, of_fit, settings):
    """The main results: the headline, |F|, and the sizes of the sets."""
    informations = flat(of_fit)
    on_the_fly = settings["simulations"] == "on_the_fly"
    found = {split: sizes for each in informations for split, sizes in each["splits"].items()}
    sizes = {split: found[split] for split in SPLITS if split in found}
    if on_the_fly:
        simulations = f"{settings['n_s']} new simulations in each iteration"
    else:
        simulations = f"{informations[0]['splits']['training']['n_s']} simulations each"
    kept = {fit: results.share(seeds) for fit, seeds in of_fit.items()}
    det_F = {fit: results.det_F(seeds) for fit, seeds in of_fit.items()}
    doubts = trust.doubts(of_fit, analytic["names"])
    return {
        "headline": headline(kept, det_F, len(settings["seeds"]), simulations, doubts),
        "det_F": det_F,
        "doubts": doubts,
        "linear_compressions": sorted({each["linear_compression"] for each in informations}),
        "analytic": analytic,
        "sizes": sizes,
        "on_the_fly": on_the_fly,
        "has_score": results.has_score(informations),
    }


def tables_of(analytic, of_fit, observed):
    """The tables, and the symbols of the parameters in them."""
    informations, names = flat(of_fit), analytic["names"]
    symbols = [in_text(*pair) for pair in zip(analytic["symbols"], names, strict=True)]
    return {
        "symbols": symbols,
        "information": tables.information(informations, names),
        "parameters": tables.parameters(of_fit, names, symbols),
        "assumptions": check_tables.assumptions(informations, names, symbols),
        "details": check_tables.details(informations),
        "linear": check_tables.linear(informations),
        "differences": check_tables.differences(informations, names, symbols),
        "observed": observed,
        "observations": tables.observations(observed, symbols) if observed else None,
    }


def warnings_of(analytic, of_fit, observed, settings, refinements):
    """The warnings, those that put numbers in doubt first, and their numbers."""
    informations = flat(of_fit)
    serious = [
        *contradictions.of_problem(analytic, informations),
        *warnings.of_trust(informations, analytic["names"]),
        *warnings.of_estimates(observed, bool(refinements)),
    ]
    has_files = isinstance(settings["simulations"], dict)
    found = [*serious, *warnings.of_fits(of_fit, has_files)]
    return {
        "warnings": warnings.by_remedy(found),
        "n_warnings": len(found),
        "n_serious": len(serious),
    }


def figures_of(paths, of_fit):
    """Paths to the figures, with the fits that they show."""
    first_seeds = [seeds[0] for seeds in of_fit.values()]
    return paths | {
        "histories": dict(zip(of_fit, paths["histories"], strict=True)),
        "history": list(zip(flat(of_fit), paths["history"], strict=True)),
        "estimates": list(zip(first_seeds, paths["estimates"], strict=True)),
    }


def flat(of_fit):
    """Evaluations of all recipes and seeds."""
    return [information for seeds in of_fit.values() for information in seeds]


def render(path_to_template, settings, shown):
    """Fill in the template; it finds its captions in its own folder."""
    folder = Path(path_to_template).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "compact": numbers.compact,
        "with_error": numbers.with_error,
        "data_uri": data_uri,
        "breakable": breakable,
    }
    return environment.get_template(Path(path_to_template).name).render(
        caption=partial(caption, folder=folder, settings=settings),
        settings=settings,
        settings_text=yaml.safe_dump(
            settings, sort_keys=False, allow_unicode=True, default_flow_style=None
        ),
        **shown,
    )


@unchecked.named()
def report(
    path_to_analytic,
    paths_to_information,
    paths_to_figures,
    path_to_template,
    path_to_benchmarks,
    path_to_report,
    *,
    settings,
    run,
    paths_to_estimates=(),
    posterior=None,
):
    """Read the run's files and render them as one page; no number is typed.

    Args:
        path_to_analytic: what `analytic_fisher` wrote.
        paths_to_information: one per recipe and seed.
        paths_to_figures: "information_figure" and "ellipses", a path each; "histories" and
            "estimates", one per recipe; "history", one per recipe and seed.
        path_to_template: in the folder of the captions.
        path_to_benchmarks: folder of the run's benchmark files.
        path_to_report: where to write.
        settings: the configuration, every key.
        run: its name, with that of the refinement.
        paths_to_estimates: of observed data, one per recipe and seed.
        posterior: paths to the tables of posteriors (one of each run up to this), of calibration
            and of doubts, and to the figures; or None.

    """
    analytic, of_fit = texts.read_json(path_to_analytic), results.by_fit(paths_to_information)
    observed = [texts.read_json(path) for path in paths_to_estimates]
    refinements = refinements_after(run, settings)
    names = {
        *of_fit,
        *(f"seed-{seed}" for seed in settings["seeds"]),
        *SPLITS,
        "half_step",
        parts.FEW,
    }
    for sizes in (("n_s", "n_d"), ("n_test", "n_test")) if "n_s" in settings else ():
        cut = parts.cut(*(settings[key] for key in sizes), settings["simulate"]["n_per_part"])
        names |= {part.name for part in cut}
    shown = {
        "run": run,
        "refinements": refinements,
        "figures": figures_of(paths_to_figures, of_fit),
        "times": tables.times(path_to_benchmarks, names),
        **results_of(analytic, of_fit, settings),
        **tables_of(analytic, of_fit, observed),
        **warnings_of(analytic, of_fit, observed, settings, refinements),
        **results.made_by(flat(of_fit)),
    }
    shown |= page.of_run(posterior, analytic["names"], of_fit, shown, run)
    html = render(path_to_template, settings, shown)
    texts.write_text(path_to_report, html)
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
            posterior={
                "tables": snakemake.input.posteriors,
                "calibration": snakemake.input.calibration,
                "doubts": snakemake.input.doubts,
                "figure": snakemake.input.posterior_figure,
                "figures": snakemake.input.calibration_figures,
            }
            if snakemake.input.get("posteriors")
            else None,
        )
