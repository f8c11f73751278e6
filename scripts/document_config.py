"""Write config/README.md and config/schema.json from the models of the configuration."""

import json
from pathlib import Path

from imnn_core.config.bounds import MOST
from imnn_core.config.files import Files, Set
from imnn_core.config.listed import Arrays
from imnn_core.config.network import CNN, MLP, DeepSet
from imnn_core.config.posterior import PMC, FromPrior, Neural, Posterior, Rejection
from imnn_core.config.recipe import Optimiser, Recipe
from imnn_core.config.run import Config, Figures
from imnn_core.config.simulate import Simulate

CONFIG = Path(__file__).parent.parent / "config"

HEAD = """# The configuration

`python scripts/document_config.py` writes this page from the models in `scripts/imnn_core/config/`,
and from its own texts. Edit those files, not this page.

- `config.yaml`: the default run, with every key.
- `ten_seeds.yaml`: the recipes compared over ten seeds, for the README's table.
- `quick.yaml`: the whole graph on small sets, for tests and a first look.
- `exponential_rate.yaml`: one parameter, simulations drawn on the fly. `gaussian_field.yaml`: a
  field on a grid.
- `posterior.yaml`: posteriors of the default run's parameters by four methods, and their tests.
  `influenza.yaml`: the same of real data, an epidemic.
- `figures.mplstyle`: the style of all figures.
- `schema.json`: what each key may be. Editors that know YAML complete and check the keys by it, as
  the first line of each config tells them.
- `examples/`: templates for [a problem of your own](../docs/own_problems.md): `decay` (a simulator
  in JAX), `autoregression` (a simulator in numpy, finite differences, a network of its own),
  `expensive` (one that [costs something](../docs/simulating.md)), `outside` (one that calls a
  program), `files` (simulations from elsewhere), `folder` (the same, in [a file for each
  kind](../docs/files.md)).

`snakemake --configfile FILE` uses another file *in place of* `config.yaml`. Keys that are not in
that file have the defaults below. `snakemake --config n_s=2000 n_d=2000` changes single keys of the
file. `--config "fits={mlp: {patience: 20}}"` changes a key of a recipe.

The config is checked before any work starts, and each error is one line. Errors in single keys come
first. If there are none, errors between keys and in the optimisers are shown. A key that stands
twice in a file is an error, although YAML would take the last one. Whole numbers are at most
2147483647. Only GPUs are not looked for until a fit starts, because the fit may run on another
machine.
"""

PARTS = [
    ("The run", "", Config),
    ("Files of simulations", "simulations.", Files),
    ("Arrays in files of their own", "simulations.<set>.", Set),
    ("An array in several files, or with other axes", "simulations.<set>.<array>.", Arrays),
    ("Simulating", "simulate.", Simulate),
    ("Posteriors", "posterior.", Posterior),
    ("Simulations of the prior that exist", "posterior.simulations.", FromPrior),
    ("The method `rejection`", "posterior.rejection.", Rejection),
    ("The method `pmc`", "posterior.pmc.", PMC),
    ("The method `neural`", "posterior.neural.", Neural),
    ("Figures", "figures.", Figures),
    ("A recipe", "fits.<name>.", Recipe),
    ("The network `mlp`", "fits.<name>.network.", MLP),
    ("The network `deep_set`", "fits.<name>.network.", DeepSet),
    ("The network `cnn`", "fits.<name>.network.", CNN),
    ("The optimiser", "fits.<name>.optimiser.", Optimiser),
]

TAIL = """
## The problems that ship with the project

| problem | theta (fiducial) | a simulation | F |
|---|---|---|---|
| `gaussian` | mu, Sigma (0, 1) | n draws of N(mu, Sigma), Sigma the variance | diag(n/Sigma, n/(2 Sigma²)) |
| `exponential_rate` | rate (1) | n draws of rate exp(-rate d) | n/rate² |
| `gaussian_field` | A, B (1, 1) | a Gaussian field on a periodic grid of any number of dimensions, P(k) = A k^-B, P(0) = 0 | \
½ Σ over k ≠ 0 of (∂ln P/∂θ_a)(∂ln P/∂θ_b) |

`input_shape` sets n or the grid. [A problem of your own](../docs/own_problems.md) is a Python file
or files of simulations.

## Which recipe

For fields on a periodic grid, use `cnn`. With `activation: square` and a kernel that is wide
enough, it contains the estimator of every power spectrum.

For exchangeable elements (draws, objects of a catalogue), try `deep_set` first. If you need a plain
network:

- `augment: permute` shows it the symmetry.
- `averaging` and more `patience` reduce the noise.
- One wide hidden layer was better than several.

`whiten: true` saves the iterations that bring the summaries' covariance to 1. It does not help if
the initial summaries are nearly the same number twice, as those of a `deep_set` of single numbers:
the initial weights are then very large.

A small `patience` can stop a fit because of noise.

## Two recipes, one after the other

```yaml
fits:
  mlp: {max_iterations: 300}
  mlp_slower:
    continue_from: mlp  # its final weights, optimiser state, best weights and history
    min_iterations: 0
    max_iterations: 200
    optimiser: {learning_rate: 1.0e-4}
```

A fit that continues another one counts its own iterations: it makes at least `min_iterations` and
at most `max_iterations` more. With the same recipe and `min_iterations: 0`, 300 + 200 iterations
give the same bits as 500 in one go. If the first fit stopped because its patience ran out, the
second one starts with new patience.

Both fits must have the same network, `n_summaries`, `validation`, `averaging` and name of the
optimiser. The `learning_rate` must be a number in both or a schedule in both, because a schedule
has a state.

## A learning-rate schedule

```yaml
optimiser:
  name: adamw
  weight_decay: 1.0e-4
  learning_rate:
    schedule: warmup_cosine_decay_schedule
    init_value: 0.0
    peak_value: 3.0e-3
    warmup_steps: 50
    decay_steps: 1000
```

Write numbers like `1.0e-3`. YAML itself reads `1e-3` as text; this project reads it as a number.
"""  # noqa: E501


def type_of(schema, definitions):
    """The type and range of a key in words, from its JSON schema."""
    if "anyOf" in schema:
        return " or ".join(type_of(each, definitions) for each in schema["anyOf"])
    if "oneOf" in schema:
        return " or ".join(dict.fromkeys(type_of(each, definitions) for each in schema["oneOf"]))
    if "$ref" in schema:
        return "a mapping, see below"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return "list: " + type_of(schema["items"], definitions)
    if schema.get("type") == "object" and "properties" in schema["additionalProperties"]:
        return "a mapping of parameters to densities"
    if schema.get("type") == "object" and schema["additionalProperties"].get("minProperties"):
        return "a mapping of parameters to offsets to files"
    if schema.get("type") == "object" and "oneOf" in schema["additionalProperties"]:
        return "a mapping of names to files"
    if schema.get("type") == "object":
        return "a mapping of names to " + ("numbers" if "propertyNames" in schema else "recipes")
    words = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "`true`, `false`",
        "null": "`null`",
    }
    text = words.get(schema.get("type"), "number or mapping")
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = [
        f"{sign} {schema[key]}"
        for key, sign in signs.items()
        if key in schema and schema[key] != MOST
    ]
    return ", ".join([text, *bounds])


def document():
    """The text of config/README.md."""
    lines = [HEAD]
    for title, prefix, model in PARTS:
        lines += [f"## {title}", "", "| key | type | default | what it is |", "|---|---|---|---|"]
        schema = model.model_json_schema()
        for name, field in schema["properties"].items():
            default = field.get("default")
            shown = (
                "see below" if default and isinstance(default, dict) else f"`{json.dumps(default)}`"
            )
            shown = "needed" if name in schema.get("required", []) else shown
            kind = type_of(field, schema.get("$defs", {})).replace("|", "\\|")
            what = field["description"].replace("|", "\\|")
            lines.append(f"| `{prefix}{name}` | {kind} | {shown} | {what} |")
        lines.append("")
    return "\n".join(lines) + TAIL


def schema():
    """The text of config/schema.json, by which editors complete and check a configuration.

    It says what each key may be by itself; what keys must be to one another only the start of a run
    tells.
    """
    found = Config.model_json_schema()
    definitions = found["$defs"]
    kinds = [definitions[name]["properties"]["kind"]["const"] for name in ("MLP", "DeepSet", "CNN")]
    # Which network a mapping is, its `kind` alone says.
    for name in ("DeepSet", "CNN"):
        definitions[name]["required"] = ["kind"]
    definitions["OwnNetwork"]["properties"]["kind"]["not"] = {"enum": kinds}
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}
    return json.dumps(whole, indent=2) + "\n"


if __name__ == "__main__":
    (CONFIG / "README.md").write_text(document(), encoding="utf-8")
    (CONFIG / "schema.json").write_text(schema(), encoding="utf-8")
