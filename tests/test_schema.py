"""config/schema.json, by which editors check a configuration."""

import json
import os

import jsonschema
import pytest
import yaml
from document_config import schema
from imnn_core.config.read import read_config, repeated_keys
from imnn_core.store.errors import InputError

SHIPPED = (
    *("config", "quick", "ten_seeds", "exponential_rate", "gaussian_field"),
    *("posterior", "influenza"),
    *("examples/decay", "examples/autoregression", "examples/files", "examples/folder"),
    *("examples/expensive", "examples/outside"),
)
RIGHT = [
    {},
    {"seeds": [1], "n_s": 20, "n_d": 10, "gpu_memory": 0.3},
    {
        "problem": "my.py",
        "simulations": {"training": "a.h5", "fractions": {"test": 0.2}},
        "fits": {"a": {"validation": False}},
    },
    {
        "simulations": {
            "training": {
                "fiducial": ["a", "b*"],
                "shifted": {
                    "mu": {"-0.1": "a", "1e-1": ["c", "d"]},
                    "Sigma": {"0.1": {"files": "e", "axes": ["k", "n"], "dataset": "x/y"}},
                },
            },
            "fractions": {"validation": 0.3, "test": 0.2},
        },
    },
    {"fits": {"a": {"network": {"hidden": [3]}, "optimiser": {"name": "sgd", "momentum": 0.9}}}},
    {"fits": {"a": {"network": {"kind": "deep_set", "head": [3]}}}},
    {"problem": "my.py", "fits": {"a": {"network": {"kind": "my_own", "width": 3}}}},
]
FAULTY = [
    {"n_sims": 5},
    {"n_s": 0},
    {"simulations": "some"},
    {"simulations": {"validation": "a.h5"}},
    {"simulations": {"training": ["a"], "test": "b"}},
    {"simulations": {"training": {"fiducial": 3, "derivative": "d"}, "test": "b"}},
    {"simulations": {"training": {"fiducial": "a", "shifted": {"mu": "d"}}, "test": "b"}},
    {"fits": {"a": {"patience": "long"}}},
    {"fits": {"a": {"network": {"hiden": [3]}}}},
    {"fits": {"a": {"network": {"kind": "cnn", "hidden": [3]}}}},
]


@pytest.fixture
def validator(root):
    found = json.loads((root / "config/schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def test_the_schema_is_that_of_the_models(root):
    """config/schema.json is made from the models by scripts/document_config.py."""
    assert (root / "config/schema.json").read_text() == schema()


def test_every_config_that_ships_names_the_schema_and_keeps_to_it(root, validator):
    found = sorted((root / "config").rglob("*.yaml"))
    assert found == sorted(root / f"config/{name}.yaml" for name in SHIPPED)
    for path in found:
        text = path.read_text()
        named = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
        assert os.path.samefile(path.parent / named, root / "config/schema.json")
        assert list(validator.iter_errors(yaml.safe_load(text))) == []


@pytest.mark.parametrize("values", RIGHT)
def test_what_is_right_is_right_by_the_schema(validator, values):
    """Oracle: the models."""
    read_config(values)
    assert list(validator.iter_errors(values)) == []


@pytest.mark.parametrize("values", FAULTY)
def test_what_is_faulty_is_faulty_by_the_schema(validator, values):
    """Oracle: the models."""
    with pytest.raises(InputError):
        read_config(values)
    assert list(validator.iter_errors(values))


def test_repeated_keys():
    """Oracle: by hand; of a key that stands three times, a line for each but the first."""
    text = "a: 1\nb: {c: 1, d: 2, c: 3}\na: 2\ne: [1, {f: 1, f: 2}]\na: 3\n"
    assert repeated_keys(yaml.compose(text), "file.yaml") == [
        "b.c: expected once, found it in lines 2 and 2 of file.yaml",
        "a: expected once, found it in lines 1 and 3 of file.yaml",
        "e.1.f: expected once, found it in lines 4 and 4 of file.yaml",
        "a: expected once, found it in lines 1 and 5 of file.yaml",
    ]


@pytest.mark.parametrize("text", ["", "a: 1\n", "a: &a {b: 1}\nc: *a\n", "[1, 2]", "a"])
def test_no_repeated_keys(text):
    assert repeated_keys(yaml.compose(text), "file.yaml") == []


def test_an_alias_is_looked_into_once():
    """One that stands in itself, too."""
    text = "a: &a {b: 1, b: 2, c: *a}\nd: *a\n"
    assert len(repeated_keys(yaml.compose(text), "file.yaml")) == 1
