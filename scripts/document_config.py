"""Write config/README.md and config/schema.json from the models of the config's keys."""

import json
from pathlib import Path

from imnn_core.config.network import CNN, MLP, DeepSet
from imnn_core.config.problem import Files
from imnn_core.config.recipe import Optimiser, Recipe
from imnn_core.config.run import Config, Figures

CONFIG = Path(__file__).parent.parent / "config"

HEAD = """# The configuration

Made by `python scripts/document_config.py` from the models in `scripts/imnn_core/config/` and from
`scripts/own_problem.md`; edit those.

- `config.yaml`: the default run, with every key.
- `ten_seeds.yaml`: the recipes compared over ten seeds, the README's table.
- `quick.yaml`: the whole graph on small sets, for tests and first looks.
- `exponential_rate.yaml`: one parameter, simulations drawn on the fly. `gaussian_field.yaml`: a field on a grid.
- `figures.mplstyle`: how all figures look.
- `schema.json`: editors that know YAML complete keys and check them by it; the first line of each
  file names it.
- `examples/`: to begin from with a problem of your own: `decay` (a simulator in JAX), `autoregression` (one in numpy, finite
  differences, a network of one's own), `files` (simulations from elsewhere).

`snakemake --configfile FILE` takes another file *in place of* `config.yaml`; keys that it leaves out have the defaults below.
`snakemake --config n_s=2000 n_d=2000` changes single keys of the file, `--config "fits={mlp: {patience: 20}}"` those of a
recipe. A key that stands twice in a file is a fault, though YAML would take the last one. Faults are found before any work
starts, a line each: first those of single keys, then those between keys and those of optimisers. Only GPUs are looked for
when a fit starts, since that may be on another machine.
"""

PARTS = [
    ("The run", "", Config),
    ("Files of simulations", "simulations.", Files),
    ("Figures", "figures.", Figures),
    ("A recipe", "fits.<name>.", Recipe),
    ("The network `mlp`", "fits.<name>.network.", MLP),
    ("The network `deep_set`", "fits.<name>.network.", DeepSet),
    ("The network `cnn`", "fits.<name>.network.", CNN),
    ("The optimiser", "fits.<name>.optimiser.", Optimiser),
]

TAIL = """
## Which recipe

Fields on a periodic grid: `cnn`; `activation: square` with a kernel wide enough contains every power spectrum's estimator.

Elements of a simulation that are exchangeable (draws, objects of a catalogue): `deep_set` first. If a plain network has to
do, `augment: permute` shows it the symmetry, `averaging` and more `patience` take off the noise, and one wide hidden layer
was better than several. `whiten: true` spares the iterations in which the summaries' covariance is brought to 1. It is no
help where the initial summaries are nearly the same number twice, as those of a `deep_set` of single numbers, since weights
then begin very large. A small `patience` takes noise for the end.

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

A fit that continues another counts its own iterations: at least `min_iterations` and at most `max_iterations` more. With
the same recipe and `min_iterations: 0`, 300 + 200 iterations are the same as 500 in one go, bit for bit. A fit that
had run out of patience gets new patience. Network, `n_summaries`, `validation`, `averaging` and the optimiser's name must be
those of the fit that it continues; so must the kind of `learning_rate`, number or schedule, since a schedule has a state.

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

Write numbers like `1.0e-3`: YAML itself takes `1e-3` for text (this project reads it as a
real number all the same).
"""


def own():
    """The chapters on a user's own problem, from own_problem.md, with the example as it stands in its file."""
    text = (Path(__file__).parent / "own_problem.md").read_text(encoding="utf-8")
    example = (CONFIG / "examples" / "decay.py").read_text(encoding="utf-8")
    return text.replace("@decay.py@\n", example)


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
    return ", ".join(
        [text, *(f"{sign} {schema[key]}" for key, sign in signs.items() if key in schema)]
    )


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
            lines.append(
                f"| `{prefix}{name}` | {kind} | {shown} | "
                f"{field['description'].replace('|', chr(92) + '|')} |"
            )
        lines.append("")
    return "\n".join(lines) + "\n" + own() + TAIL


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
