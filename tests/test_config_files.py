"""What the config may say of arrays in files of their own; what it need not say then."""

import os

import pytest
import yaml
from imnn_core.config.files import Files, Set
from imnn_core.config.listed import entries
from imnn_core.config.read import found, problem_of, read_config, repeated_keys
from imnn_core.data import named_sets
from imnn_core.problems import load
from imnn_core.store.errors import InputError

BASE = {"problem": "files", "names": ["Om", "Mnu"], "theta_fid": [0.3, 0.0], "input_shape": [79]}
OM = {"-0.01": "m.npy", 0.01: "p.npy"}


def config(training=None, of_set=(), **values):
    given = training or {"fiducial": "f.npy", **dict(of_set)}
    files = {"training": given, "fractions": {"validation": 0.25, "test": 0.4}}
    return BASE | {"simulations": files | values.pop("files", {})} | values


def faults_of(*args, **values):
    with pytest.raises(InputError) as caught:
        read_config(config(*args, **values))
    return caught.value.lines


def shifted(**of_parameters):
    return {"shifted": {"Om": OM} | of_parameters}


def test_offsets_tell_delta_theta_and_the_derivative():
    """Oracle: by hand; the order is that of `names`, and of the values."""
    text = """
        simulations:
          training:
            fiducial: f.npy
            shifted:
              Mnu: {4e-1: c.npy, 0.1: a.npy, 1: [d.npy, e.npy], 2.0e-1: {files: "b*.npy"}}
              Om: {0.01: p.npy, -1e-2: m.npy}
          fractions: {test: 0.4}
        fits: {a: {validation: false}}
    """
    settings = read_config(BASE | yaml.safe_load(text))
    assert settings.delta_theta == [[-0.01, 0.01], [0.1, 0.2, 0.4, 1.0]]
    assert settings.derivative == "finite_difference"
    again = read_config(settings.model_dump(exclude={"n_s", "n_d", "n_test"}))
    assert again == settings
    (given,) = settings.files.given.values()
    arrays = dict(named_sets.arrays_of(named_sets.plain(given)))
    names = [named_sets.name_of(keys) for keys in arrays]
    assert names == ["fiducial", *(f"shifted/Mnu/{x}" for x in ("0.4", "0.1", "1.0", "0.2"))] + [
        "shifted/Om/0.01",
        "shifted/Om/-0.01",
    ]
    assert [entries(each) for each in arrays.values()][3:5] == [["d.npy", "e.npy"], ["b*.npy"]]


def test_what_the_config_says_besides_is_kept():
    pairs = shifted(Mnu={0.1: "a"})
    for steps in ([0.02, [0.1]], [[0.01, -0.01], [0.1]]):
        values = {"delta_theta": steps, "derivative": "finite_difference_of_summaries"}
        settings = read_config(config(of_set=pairs, **values))
        assert settings.delta_theta == steps
        assert settings.derivative == "finite_difference_of_summaries"
    one = read_config(config(of_set={"shifted": "s.npy"}, delta_theta=[0.02, 0.1]))
    assert (one.delta_theta, one.derivative) == ([0.02, 0.1], "finite_difference")
    assert read_config(config(of_set={"derivative": "d.npy"})).derivative == "exact"


def test_a_problem_of_ones_own_gets_them_by_name(tmp_path):
    """Only its file knows the order of the parameters."""
    path = tmp_path / "mine.py"
    path.write_text(
        "from imnn_core.problems import Problem\n"
        "problem = Problem(None, theta_fid=[0, 0], names=['Om', 'Mnu'], input_shape=(79,))\n"
    )
    values = config(of_set={"shifted": {"Mnu": {0.1: "a"}, "Om": OM}}, problem=str(path))
    settings = read_config({key: values[key] for key in ("problem", "simulations")})
    problem = problem_of(settings, lambda path: None, str)
    assert load.build(**problem).delta_theta == [[-0.01, 0.01], [0.1]]
    with pytest.raises(InputError, match="parameters Om, Mnu of .*, found those of Om$"):
        load.build(**problem | {"delta_theta": {"Om": [0.1]}})


ALL = "a path, a list of paths, or a mapping with the key `files`"


@pytest.mark.parametrize(
    ("of_set", "values", "lines"),
    [
        ({}, {}, ["training: expected either `derivative` or `shifted`, found none"]),
        (
            {"derivative": "a", "shifted": "b"},
            {},
            ["training: expected either `derivative` or `shifted`, found derivative and shifted"],
        ),
        (
            shifted(Mnu={0: "a", float("nan"): "b", "x": "c", True: "d", "-inf": "e"}),
            {},
            [
                "training.shifted.Mnu.True: expected text (a number in quotes is text), found True",
                *(
                    f"training.shifted.Mnu.{key}: expected an offset from theta_fid, a finite "
                    f"number other than 0, found '{key}'"
                    for key in ("0", "nan", "x", "-inf")
                ),
            ],
        ),
        (
            shifted(Mnu={0.1: "a", "0.10": "b"}),
            {},
            ["training.shifted.Mnu: expected each offset once, found 0.1 and 0.10"],
        ),
        (
            shifted(Mnu={0.1: "a", "0.1": "b"}),
            {},
            ["training.shifted.Mnu.0.1: expected each offset once, found it twice"],
        ),
        (
            shifted(Mnuu={0.1: "a"}),
            {},
            [
                "training.shifted: expected one of the parameters Om, Mnu, found 'Mnuu' (nearest: "
                "Mnu)",
                "training.shifted.Mnu: expected files of each parameter at its offsets, found none",
            ],
        ),
        (
            shifted(Mnu="a.npy"),
            {},
            ["training.shifted.Mnu: expected a mapping of offsets to files, found 'a.npy'"],
        ),
        (
            shifted(Mnu={0.1: 5, 0.2: [], 0.3: ["a", 1], 0.4: {"file": "x"}, 0.5: None}),
            {},
            [
                f"training.shifted.Mnu.0.1: expected {ALL}, found 5",
                "training.shifted.Mnu.0.2: expected at least one entry, found []",
                "training.shifted.Mnu.0.3.1: expected text (a number in quotes is text), found 1",
                "training.shifted.Mnu.0.4.files: expected a value, found none",
                "training.shifted.Mnu.0.4.file: unknown key (nearest: files)",
                f"training.shifted.Mnu.0.5: expected {ALL}, found None",
            ],
        ),
        ({"shifted": {}}, {}, ["training.shifted: expected at least one entry, found {}"]),
        (
            shifted(Mnu={0.1: {"files": "a", "axes": ["n", "n_params"]}, 0.2: "{x}"}),
            {},
            [
                "training.shifted.Mnu.0.2: expected a path without braces, which Snakemake takes "
                "for wildcards, found '{x}'",
                "training.shifted.Mnu.0.1.axes: expected 'n' and 1 other name of input_shape, each "
                "once (without 'n', if a file has one simulation), found ['n', 'n_params']",
            ],
        ),
        (
            shifted(Mnu={0.1: "a"}),
            {"delta_theta": [0.01, [0.1]]},
            [
                "training.shifted.Om: expected the offsets [-0.005, 0.005], as delta_theta.0 or "
                "another set has them, found [-0.01, 0.01]"
            ],
        ),
        (
            shifted(Mnu={0.1: "a"}),
            {"derivative": "exact"},
            ["derivative: expected a finite difference, as simulations.training.shifted says, "],
        ),
        (
            {"derivative": "a"},
            {"derivative": "finite_difference", "delta_theta": [0.1, 0.1]},
            ["training.derivative: expected none with `derivative: finite_difference`, found f"],
        ),
        (
            {"shifted": "a"},
            {},
            ["delta_theta: expected a distance for each parameter with `derivative: finite_diff"],
        ),
        (
            shifted(Mnu={0.1: "a"}),
            {
                "files": {
                    "fractions": {"validation": 0.2},
                    "test": {"fiducial": "t", **shifted(Mnu={0.2: "b"})},
                }
            },
            ["test.shifted.Mnu: expected the offsets [0.1], as delta_theta.1 or another set has t"],
        ),
    ],
)
def test_faults_are_told_in_a_line_each(of_set, values, lines):
    found = faults_of(of_set=of_set, **values)
    assert len(found) == len(lines)
    for line, expected in zip(found, lines, strict=True):
        of_files = expected.startswith(("training", "test"))
        assert line.startswith("simulations." * of_files + expected)


def test_a_set_is_a_path_or_a_mapping():
    for given, shown in ((5, "5"), (["a", "b"], r"\['a', 'b'\]")):
        with pytest.raises(InputError, match=f"training: expected a path, or a .*, found {shown}$"):
            read_config(config(given))
    assert faults_of({"fiducal": "a"}) == [
        "simulations.training.fiducial: expected a value, found none",
        "simulations.training.fiducal: unknown key (nearest: fiducial)",
    ]


def test_numbers_that_are_the_same_key_in_yaml():
    """YAML takes the last one and says nothing."""
    text = "simulations: {training: {shifted: {Om: {0.1: a, 1e-1: b, 0.10: c}, b: {x: 1}}}}\n"
    lines = repeated_keys(yaml.compose(text), "a.yaml")
    assert lines == [
        f"simulations.training.shifted.Om.{key}: expected once, found it in lines 1 and 1 of a.yaml"
        for key in ("1e-1", "0.10")
    ]


def test_patterns_from_the_working_directory_or_else_of_this_project(tmp_path, monkeypatch):
    own = tmp_path / "own"
    for folder in (own / "data", tmp_path / "here/data", tmp_path / "here/other"):
        folder.mkdir(parents=True)
    (own / "data/b1.npy").touch()
    (own / "data/a.npy").touch()
    (tmp_path / "here/data/a.npy").touch()
    monkeypatch.chdir(tmp_path / "here")

    def of_project(path):
        return str(own / path) if os.path.exists(own / path) else None

    for path, expected in (
        ("data/a*", "data/a*"),
        ("data/a.npy", "data/a.npy"),
        ("data/b*", str(own / "data/b*")),
        ("data/[b]1.npy", str(own / "data/[b]1.npy")),
        ("other/*", "other/*"),
        ("*none/*", "*none/*"),
    ):
        assert found(path, of_project) == expected
    of_set = Set(
        fiducial=["data/a*", "data/b1.npy"], derivative={"files": "data/b*", "axes": ["n"]}
    )
    assert named_sets.found(of_set, lambda path: found(path, of_project)) == {
        "fiducial": ["data/a*", str(own / "data/b1.npy")],
        "derivative": {"files": str(own / "data/b*"), "dataset": None, "axes": ["n"]},
    }
    assert Files(training="a", test="b").sets == {}
