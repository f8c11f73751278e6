"""Faults in the config: each a line that names the key, what was expected and what was found."""

import copy
import datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from imnn_core.config.read import read_config
from imnn_core.config.run import Config, Recipe
from imnn_core.gradient import fisher
from imnn_core.problems import Problem
from imnn_core.store.errors import InputError
from imnn_core.store.wording import shown
from imnn_core.training import optimisers
from mutated_configs import ENDLESS_LIST, ENDLESS_MAPPING, LAUGHS


def faults_of(**values):
    with pytest.raises(InputError) as caught:
        read_config(values)
    return str(caught.value).splitlines()


def recipe(**values):
    return {"mlp": values}


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"n_sims": 5}, "n_sims: unknown key (nearest: n_s)"),
        ({"n_S": 5}, "n_S: unknown key (nearest: n_s"),
        ({"fits": recipe(pateince=5)}, "fits.mlp.pateince: unknown key (nearest: patience"),
        ({"fits": recipe(network={"widths": [3]})}, "fits.mlp.network.widths: unknown key"),
        ({"n_s": "many"}, "n_s: expected a whole number, found 'many'"),
        ({"n_s": 10.5}, "n_s: expected a whole number, found 10.5"),
        ({"n_s": True}, "n_s: expected a number, found True"),
        ({"n_s": None}, "n_s: expected a whole number, found None"),
        ({"n_s": -1000}, "n_s: expected greater than or equal to 1, found -1000"),
        ({"n_s": 0}, "n_s: expected greater than or equal to 1, found 0"),
        ({"n_test": 0}, "n_test: expected greater than or equal to 1, found 0"),
        ({"n_s": 100, "n_d": 101}, "n_d: expected at most n_s = 100, found 101"),
        (
            {"n_test": 100_001, "simulate": {"n_per_part": 10}},
            "simulate.n_per_part: expected at least 11, for at most 10000 parts of a set, found 10",
        ),
        ({"simulate": {"threads": 0}}, "simulate.threads: expected greater than or equal to 1, fo"),
        (
            {"n_d": 1},
            "n_d: expected greater than or equal to 2, found 1",
        ),  # as of files: else no error of dmu/dtheta
        ({"n_s": 4, "n_d": 4}, "n_s: expected at least n_summaries + 3 = 5 (of fits.mlp), found 4"),
        ({"n_test": 4}, "n_test: expected at least n_summaries + 3 = 5 (of fits.mlp), found 4"),
        (
            {"fits": recipe(n_summaries=1)},
            "fits.mlp.n_summaries: expected at least n_params = 2, found 1",
        ),
        (
            {"fits": recipe(closeness=0.2)},
            "fits.mlp: expected strength λ and closeness ε with 0 < ε (λ - 1) + ε²/(1 + ε) < 1",
        ),
        ({"fits": recipe(strength=-1)}, "fits.mlp.strength: expected greater than 0, found -1"),
        ({"theta_fid": [0, 0]}, "theta_fid: expected Sigma > 0, found 0"),
        ({"theta_fid": [0, -1.5]}, "theta_fid: expected Sigma > 0, found -1.5"),
        ({"theta_fid": [0, 1, 2]}, "theta_fid: expected 2 numbers (mu, Sigma), found 3"),
        ({"theta_fid": [0, float("inf")]}, "theta_fid.1: expected a finite number, found inf"),
        ({"input_shape": [10, 0]}, "input_shape.1: expected greater than or equal to 1, found 0"),
        ({"input_shape": []}, "input_shape: expected at least one entry, found []"),
        (
            {"fits": recipe(network={"activation": "leaky_rellu"})},
            "fits.mlp.network.activation: expected 'celu', ",
        ),
        (
            {"fits": recipe(network={"hidden": [128, -1]})},
            "fits.mlp.network.hidden.1: expected greater than or equal to 1, found -1",
        ),
        ({"seeds": [1, 2, 1]}, "seeds: expected each seed once, found 1 more than once"),
        (
            {"observed": "d{x}.npy"},
            "observed: expected a path without braces, which Snakemake takes for wildcards, found "
            "'d{x}.npy'",
        ),
        (
            {
                "simulations": {
                    "training": "{seed}.h5",
                    "fractions": {"test": 0.3, "validation": 0.3},
                }
            },
            "simulations.training: expected a path without braces, which Snakemake takes for",
        ),
        ({"seeds": [2**32]}, "seeds.0: expected less than 4294967296, found 4294967296"),
        ({"seeds": [-1]}, "seeds.0: expected greater than or equal to 0, found -1"),
        ({"seeds": []}, "seeds: expected at least one entry, found []"),
        ({"fits": {}}, "fits: expected at least one entry, found {}"),
        (
            {"fits": recipe(n_per_device=0)},
            "fits.mlp.n_per_device: expected greater than or equal to 1, found 0",
        ),
        (
            {"fits": recipe(devices="tpu")},
            "fits.mlp.devices: expected 'auto', 'cpu' or 'gpu', found 'tpu'",
        ),
        (
            {"fits": recipe(continue_from="mpl")},
            "fits.mlp.continue_from: expected one of the fits mlp, found 'mpl' (nearest: mlp)",
        ),
        (
            {"fits": recipe(continue_from="mlp")},
            "fits.mlp.continue_from: expected a chain of fits with a beginning, found the circle",
        ),
        (
            {"fits": recipe(optimiser={"learning_rate": None})},
            "fits.mlp.optimiser.learning_rate: expected a number > 0, or a mapping",
        ),
        (
            {"fits": recipe(optimiser={"learning_rate": -1e-3})},
            "fits.mlp.optimiser.learning_rate: expected a number > 0, or a mapping",
        ),
        (
            {"fits": recipe(optimiser={"learning_rate": "fast"})},
            "fits.mlp.optimiser.learning_rate: expected a number > 0, or a mapping",
        ),
        (
            {"fits": recipe(optimiser={"learning_rate": {"init_value": 1}})},
            "fits.mlp.optimiser.learning_rate: expected a number > 0, or a m",
        ),
        (
            {"fits": recipe(optimiser={"b1": float("inf")})},
            "fits.mlp.optimiser.b1: expected finite numbers, found inf",
        ),
        ({"fits": recipe(network=None)}, "fits.mlp.network: expected a mapping, found None"),
        (
            {"fits": recipe(network={"kind": "deepset"})},
            "fits.mlp.network.kind: expected 'mlp' or 'deep_set' or 'cnn', found 'deepset' "
            "(nearest: deep_set)",
        ),
        (
            {"fits": recipe(network={"kind": ["mlp"]})},
            "fits.mlp.network.kind: expected text (a number in quotes is text), found ['mlp']",
        ),
        (
            {"fits": recipe(network={"kind": None})},
            "fits.mlp.network.kind: expected text (a number in quotes is text), found None",
        ),
        (
            {"fits": recipe(network={"kind": "deep_set", "hiden": [3]})},
            "fits.mlp.network.hiden: unknown key (nearest: hidden)",
        ),
        (
            {"fits": recipe(network={"kind": "deep_set", "hidden": []})},
            "fits.mlp.network.hidden: expected at least one entry, found []",
        ),
        (
            {"fits": recipe(augment="shuffle")},
            "fits.mlp.augment: expected 'permute', found 'shuffle'",
        ),
        ({"fits": recipe(averaging=1)}, "fits.mlp.averaging: expected less than 1, found 1"),
        (
            {"fits": recipe(averaging=0.9, validation=False)},
            "fits.mlp: expected averaging 0 without a validation set",
        ),
        ({"seeds": 0}, "seeds: expected a list, found 0"),
        ({"run": 2024}, "run: expected text (a number in quotes is text), found 2024"),
        (
            {"fits": recipe(validation="maybe")},
            "fits.mlp.validation: expected true or false, found 'maybe'",
        ),
        ({"run": "../elsewhere"}, "run: expected a name of letters, digits"),
        *(
            (
                {"run": name},
                "run: expected a name of letters, digits, '_', '.' and '-' that begins with "
                f"neither '.' nor '-', found {name!r}",
            )
            for name in ("/abs", "", ".", "..", "a\nb", "ü", "{run}", "-n")
        ),
        ({"run": "a" * 101}, "run: expected a name of at most 100 letters"),
        ({"fits": {"a\n\x1b[2Kb": {}}}, "fits.a\\n\\x1b[2Kb: expected a name of letters, digits"),
        ({"seeds": ["../x"]}, "seeds.0: expected a whole number, found '../x'"),
        ({"fits": {"a/b": {}}}, "fits.a/b: expected a name of letters, digits"),
        ({"fits": 5}, "fits: expected a mapping, found 5"),
        (
            {"problem": "gausian"},
            "problem: expected gaussian, exponential_rate, gaussian_field, files, or a Python "
            "file such as my_problem.py (nearest: gaussian",
        ),
        (
            {"problem": "my_problem"},
            "problem: expected gaussian, exponential_rate, gaussian_field, files, or a Python "
            "file such as my_problem.py",
        ),
        (
            {"names": ["mu", "Sigma"]},
            "names: expected none, since the problem has its own, found ['mu', 'Sigma']",
        ),
        (
            {"problem": "exponential_rate", "theta_fid": [0.0]},
            "theta_fid: expected rate > 0, found 0",
        ),
        ({"simulations": "fly"}, "simulations: expected 'draw' or 'on_the_fly', found 'fly'"),
        ({"simulations": {"test": "a.h5"}}, "simulations.training: expected a value, found none"),
        (
            {"simulations": {"trainning": "a.h5", "training": "a.h5", "test": "b.h5"}},
            "simulations.trainning: unknown key (nearest: training)",
        ),
        (
            {"simulations": {"training": "a.h5"}},
            "simulations: expected a test set, by `test: FILE` or by `fractions: {test: 0.2}`, "
            "found none",
        ),
        (
            {"simulations": {"training": "a.h5", "test": "b.h5", "fractions": {"test": 0.5}}},
            "simulations: fractions.test: expected none, since test has a file, found 0.5",
        ),
        (
            {"simulations": {"training": "a.h5", "fractions": {"test": 0.5, "validation": 0.6}}},
            "simulations: fractions: expected less than 1 together, found 1.1",
        ),
        (
            {"simulations": {"training": "a.h5", "fractions": {"test": 1.5}}},
            "simulations.fractions.test: expected less than 1, found 1.5",
        ),
        (
            {"simulations": {"training": "a.h5", "test": "b.h5"}, "fits": recipe()},
            "fits.mlp.validation: expected false, or validation simulations by a file or a "
            "fraction, found true",
        ),
        (
            {
                "simulations": {"training": "a.h5", "test": "b.h5"},
                "n_s": 50,
                "fits": recipe(validation=False),
            },
            "n_s: expected none, since the files of `simulations` say how many there are, found 50",
        ),
        (
            {"problem": "files", "names": ["a"], "theta_fid": [1], "input_shape": [3]},
            "simulations: expected files, as `problem: files` says, found 'draw'",
        ),
        (
            {
                "problem": "files",
                "names": ["a", "b"],
                "input_shape": [3],
                "simulations": {"training": "a.h5", "fractions": {"test": 0.3, "validation": 0.3}},
            },
            "theta_fid: expected a value, since `problem: files` has none of its own, found none",
        ),
        (
            {
                "problem": "files",
                "names": ["a", "a"],
                "theta_fid": [1, 2],
                "input_shape": [3],
                "simulations": {"training": "a.h5", "fractions": {"test": 0.3, "validation": 0.3}},
            },
            "names: expected each name once, found ['a', 'a']",
        ),
        (
            {"derivative": "finite_difference"},
            "delta_theta: expected a distance for each parameter with `derivative: "
            "finite_difference`, found none",
        ),
        (
            {"delta_theta": [0.1, 0.1]},
            "delta_theta: expected none unless `derivative: finite_difference`, found [0.1, 0.1]",
        ),
        (
            {"derivative": "finite_difference", "delta_theta": [0.1]},
            "delta_theta: expected 2 entries (mu, Sigma), found 1",
        ),
        (
            {"derivative": "finite_difference", "delta_theta": [0.1, 2.0]},
            "delta_theta: expected Sigma > 0 at theta_fid - delta_theta / 2, found 0",
        ),
        (
            {"derivative": "finite_difference", "delta_theta": [0.1, 0]},
            "delta_theta.1: expected a number > 0, or a list of offsets other than 0, found 0",
        ),
        (
            {"derivative": "finite_difference", "delta_theta": [0.1, [0.1, 0.2, 0.1]]},
            "delta_theta.1: expected a number > 0, or a list of offsets other than 0 and different "
            "from each other, found [0.1, 0.2, 0.1]",
        ),
        (
            {"derivative": "finite_difference", "delta_theta": [0.1, [-1.5, 0.1]]},
            "delta_theta: expected Sigma > 0 at theta_fid - delta_theta / 2, found -0.5",
        ),
        (
            {"derivative": "finite_difference", "delta_theta": ["0.1", []]},
            "delta_theta.1: expected a number > 0, or a list of offsets other than 0, found []",
        ),
        (
            {"derivative": "numerical"},
            "derivative: expected 'exact', 'finite_difference' or 'finite_difference_of_summaries', "
            "found 'numerical'",
        ),
        (
            {"refine": 2},
            "refine: expected 0 without `observed`, from which the estimates come, found 2",
        ),
        (
            {"simulations": "on_the_fly", "fits": recipe(validation=False)},
            "fits.mlp.validation: expected true with `simulations: on_the_fly`, found false",
        ),
        (
            {"simulations": "on_the_fly", "fits": recipe(augment="permute")},
            "fits.mlp.augment: expected null with `simulations: on_the_fly`, found 'permute'",
        ),
        (
            {"fits": recipe(network={"kind": "cnn", "channels": [3, 4], "strides": [1]})},
            "fits.mlp.network: expected 2 strides, one for each of channels, found 1",
        ),
        (
            {"fits": recipe(standardise="some")},
            "fits.mlp.standardise: expected 'all' or 'each', found 'some'",
        ),
        # A value that may be one of two kinds.
        (
            {"gpu_memory": "on_demnd"},
            "gpu_memory: expected 'on_demand' or a number, found 'on_demnd' (nearest: on_demand)",
        ),
        ({"gpu_memory": 0}, "gpu_memory: expected 'on_demand' or greater than 0, found 0"),
        (
            {"gpu_memory": 2},
            "gpu_memory: expected 'on_demand' or less than or equal to 1, found 2",
        ),
        ({"gpu_memory": []}, "gpu_memory: expected 'on_demand' or a number, found []"),
        # Numbers that jax, or a float, can't take.
        (
            {"n_test": 3_000_000_000},
            "n_test: expected less than or equal to 2147483647, found 3000000000",
        ),
        (
            {"fits": recipe(max_iterations=2**31)},
            "fits.mlp.max_iterations: expected less than or equal to 1000000000, found 2147483648",
        ),
        (
            {"fits": recipe(network={"hidden": [10**18]})},
            "fits.mlp.network.hidden.0: expected less than or equal to 2147483647, found 10000",
        ),
        ({"n_s": 10**400}, "n_s: expected a number of at most 300 digits, found one of 401"),
        ({"n_s": 16**5000}, "n_s: expected a number of at most 300 digits, found one of 6021"),
        ({"n_s": "9" * 5000}, "n_s: expected a number of at most 300 digits, found '99999"),
        ({"theta_fid": [10**400, 1]}, "theta_fid.0: expected a number of at most 300 digits"),
        (
            {"theta_fid": [1e39, 1]},
            "theta_fid.0: expected 0, or a number between 1.2e-38 and 3.4e+38 (float32), found 1e",
        ),
        (
            {"theta_fid": [0, 1e-46]},
            "theta_fid.1: expected 0, or a number between 1.2e-38 and 3.4e+38 (float32), found 1e",
        ),
        (
            {"derivative": "finite_difference", "delta_theta": [[1e300], 1]},
            "delta_theta.0: expected 0, or a number between 1.2e-38 and 3.4e+38 (float32), found",
        ),
        (
            {"derivative": "finite_difference", "delta_theta": [list(range(1, 40)), 1]},
            "delta_theta.0: expected at most 20 offsets, found [1, 2",
        ),
        (
            {"fits": recipe(closeness=1e300)},
            "fits.mlp.closeness: expected 0, or a number between 1.2e-38 and 3.4e+38 (float32)",
        ),
        (
            {"fits": recipe(strength=1e-300)},
            "fits.mlp.strength: expected 0, or a number between 1.2e-38 and 3.4e+38 (float32)",
        ),
        (
            {"checkpoint_minutes": 1e300},
            "checkpoint_minutes: expected less than or equal to 1000000, found 1e+300",
        ),
        (
            {"fits": recipe(optimiser={"learning_rate": 1e-300})},
            "fits.mlp.optimiser.learning_rate: expected 0, or a number between 1.2e-38 and",
        ),
        (
            {"fits": recipe(optimiser={"learning_rate": {"schedule": "x", "steps": 3 * 10**9}})},
            "fits.mlp.optimiser.learning_rate: expected numbers of at most 2147483647, found {",
        ),
        (
            {"fits": recipe(optimiser={"eps": 1e39})},
            "fits.mlp.optimiser.eps: expected numbers of at most 3.4e+38, found 1e+39",
        ),
        ({"refine": 2**31 - 1}, "refine: expected less than or equal to 100, found 2147483647"),
        ({"fits": recipe(threads=2**31 - 1)}, "fits.mlp.threads: expected less than or equal to"),
        (
            {"fits": recipe(report_every=2**31 - 1)},
            "fits.mlp.report_every: expected less than or equal to 1000000, found 2147483647",
        ),
        # Lists and mappings that are too long, too deep, or endless.
        ({"input_shape": [1] * 50}, "input_shape: expected at most 28 entries, found 50"),
        (
            {"fits": recipe(network={"hidden": [1] * 10**5})},
            "fits.mlp.network.hidden: expected at most 200 entries, found 100000",
        ),
        ({"fits": dict.fromkeys(map(str, range(2000)), {})}, "fits: expected at most 1000 entries"),
        ({"seeds": LAUGHS}, "seeds: expected at most 1000000 values, 50 levels deep, found more"),
        ({"seeds": ENDLESS_LIST}, "seeds: expected at most 1000000 values, 50 levels deep"),
        (
            {"fits": recipe(network=ENDLESS_MAPPING)},
            "fits.mlp.network.a: expected at most 1000000 values, 50 levels deep, found more",
        ),
        # What is neither number, text, list nor mapping, and what is no text for a path.
        ({"run": b"abc"}, "run: expected a number, text, a list or a mapping (what is in quotes"),
        (
            {"fits": recipe(optimiser={"b1": datetime.date(2024, 1, 1)})},
            "fits.mlp.optimiser.b1: expected a number, text, a list or a mapping",
        ),
        (
            {"problem": "a\0.py"},
            "problem: expected text without null characters, found 'a\\x00.py'",
        ),
        ({"observed": "\udcff"}, "observed: expected text in UTF-8, found '\\udcff'"),
        ({"observed": ""}, "observed: expected at least one letter, found ''"),
        ({"figures": {"style": ""}}, "figures.style: expected at least one letter, found ''"),
        (
            {"simulations": {"training": "", "test": "b.h5"}},
            "simulations.training: expected at least one letter, found ''",
        ),
        ({"fits": {2024: {}, "a": {}}}, "fits.2024: expected text (a number in quotes is text)"),
    ],
)
def test_each_fault_is_one_line(values, line):
    lines = faults_of(**values)
    assert len(lines) == 1
    assert lines[0].startswith(line)


def test_the_nearest_activation_is_offered():
    assert (
        "(nearest: leaky_relu" in faults_of(fits=recipe(network={"activation": "leaky_rellu"}))[0]
    )


def test_all_faults_at_once():
    assert faults_of(n_s=-1, seeds=["x"], fits=recipe(patience=0, strenght=3)) == [
        "seeds.0: expected a whole number, found 'x'",
        "n_s: expected greater than or equal to 1, found -1",
        "fits.mlp.patience: expected greater than or equal to 1, found 0",
        "fits.mlp.strenght: unknown key (nearest: strength)",
    ]


def test_no_fault_hides_those_elsewhere():
    """Whatever kind each is of: of plain values, of a union, of an optimiser's own arguments."""
    optimiser = {"learning_rate": 0, "b1": 1e300, "b2": float("nan"), "eps": b"x"}
    assert [line.partition(":")[0] for line in faults_of(
        n_s=-1, n_d=10**400, gpu_memory="x", seeds=LAUGHS, fits=recipe(optimiser=optimiser)
    )] == [
        "n_d", "seeds", "fits.mlp.optimiser.eps", "n_s", "gpu_memory",
        "fits.mlp.optimiser.learning_rate", "fits.mlp.optimiser.b1", "fits.mlp.optimiser.b2",
    ]  # fmt: skip


def test_many_faults_of_one_list_or_mapping_are_told_in_few_lines():
    lines = faults_of(seeds=["x"] * 2000, fits=recipe(**dict.fromkeys(map(str, range(2000)))))
    assert len(lines) == 22
    assert lines[-2:] == [
        f"{key}: expected other entries, found 1990 more faults like these"
        for key in ("seeds", "fits.mlp")
    ]


@pytest.mark.parametrize("value", ["x" * 10**5, ["x"] * 10**5, {"k" * 5000: "x"}, "\x1b[2J\n"])
@pytest.mark.parametrize("key", ["n_s", "run", "problem", "fits", "derivative", "gpu_memory"])
def test_no_value_takes_a_line_for_itself(key, value):
    for line in faults_of(**{key: value}):
        assert len(line) < 1000
        assert line.isprintable()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b", "a name without '/', which is part of names of datasets"),
        ("..", "a name without '/', which is part of names of datasets"),
        ("a\nb", "text that can be printed, with no space around it"),
        (" a", "text that can be printed, with no space around it"),
        ("", "text that can be printed, with no space around it"),
        ("n" * 101, "at most 100 letters"),
    ],
)
def test_names_of_parameters_can_be_printed_and_stored(name, expected):
    """In the config, and in a Problem."""
    assert faults_of(problem="files", names=["a", name])[0] == (
        f"names.1: expected {expected}, found {shown(name)}"
    )
    with pytest.raises(InputError) as caught:
        Problem(None, [1, 2], ["a", name], [3])
    found = "a list of the parameters' names, found ['a', '']" if name == "" else expected
    assert caught.value.lines[0].startswith(f"names: expected {found}")


def test_symbols_can_be_printed():
    with pytest.raises(InputError) as caught:
        Problem(None, [1, 2], ["a", "b"], [3], symbols=["a\n", 5])
    assert caught.value.lines == ["symbols: expected a list of texts, found ['a\\n', 5]"]
    with pytest.raises(InputError) as caught:
        Problem(None, [1], ["a"], [3], symbols=["a" * 101])
    assert "symbols: expected at most 100 letters, found 'aaa" in caught.value.lines[0]


def test_a_chain_of_fits_is_not_endless():
    fits = {f"a{i}": {"continue_from": f"a{i - 1}"} if i else {} for i in range(60)}
    assert faults_of(fits=fits)[0] == (
        "fits.a50.continue_from: expected at most 50 fits in a chain, found 51 of them"
    )


def test_large_configs_are_read():
    """Of sizes that would take hours, if they were looked through for each of their entries."""
    seeds = list(range(100_000))
    assert len(read_config({"seeds": seeds}).seeds) == 100_000
    assert faults_of(seeds=[*seeds, *seeds[:50_000]])[0].startswith(
        "seeds: expected each seed once"
    )
    fits = {f"a{i}": {"optimiser": {"learning_rate": 1e-3 * (i + 1)}} for i in range(1000)}
    assert len(read_config({"fits": fits}).fits) == 1000


def test_longer_circles():
    fits = {"a": {"continue_from": "c"}, "b": {"continue_from": "a"}, "c": {"continue_from": "b"}}
    assert "found the circle a -> c -> b -> a" in faults_of(fits=fits)[0]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"network": {"hidden": [3]}}, "fits.b.network: expected the same as in 'a'"),
        ({"n_summaries": 3}, "fits.b.n_summaries: expected the same as in 'a'"),
        (
            {"whiten": True},
            "fits.b.whiten: expected false, since this fit begins with the weights of 'a', found "
            "true",
        ),
        ({"averaging": 0.9}, "fits.b.averaging: expected the same as in 'a'"),
        ({"validation": False}, "fits.b.validation: expected the same as in 'a'"),
        ({"optimiser": {"name": "sgd"}}, "fits.b.optimiser.name: expected 'adam' as in 'a'"),
    ],
)
def test_a_continued_fit_must_fit_its_beginning(changed, line):
    assert faults_of(fits={"a": {}, "b": {"continue_from": "a"} | changed})[0].startswith(line)


def test_numbers_that_yaml_reads_as_text_are_numbers():
    text = "{fits: {a: {strength: 1e1, optimiser: {learning_rate: 1e-3, b1: 9e-1}}}}"
    found = read_config(yaml.safe_load(text)).fits["a"]
    assert (found.strength, found.optimiser.learning_rate, found.optimiser.b1) == (10.0, 1e-3, 0.9)


def test_equal_settings_are_equal_values_whatever_way_they_are_written():
    """Else Snakemake would run again for 10 in place of 10.0."""
    one = read_config(
        {
            "theta_fid": [0, 1],
            "fits": {"a": {"strength": 10, "network": {"hidden": [5], "kind": "mlp"}}},
        }
    )
    other = read_config(
        {
            "fits": {"a": {"network": {"kind": "mlp", "hidden": [5]}, "strength": 10.0}},
            "theta_fid": [0.0, 1.0],
        }
    )
    assert repr(one.model_dump()) == repr(other.model_dump())


def test_the_default_config_is_the_default_of_every_key(root):
    written = yaml.safe_load((root / "config/config.yaml").read_text())
    assert read_config(written) == Config()
    assert set(written) == set(Config.model_fields)
    assert set(written["fits"]["mlp"]) == set(Recipe.model_fields)


def test_the_defaults_are_the_run_of_the_design():
    """Oracle: the example's settings, written out here once more."""
    config, mlp = Config(), Config().fits["mlp"]
    assert (config.n_s, config.n_d, config.theta_fid, config.input_shape, config.seeds) == (
        1000,
        1000,
        [0, 1],
        [10],
        [1, 2, 3],
    )
    assert (mlp.of(2).n_summaries, mlp.network.hidden, mlp.network.activation) == (
        2,
        [128, 128, 128],
        "leaky_relu",
    )
    assert (mlp.optimiser.name, mlp.optimiser.learning_rate) == ("adam", 1e-3)
    assert (mlp.strength, mlp.closeness, mlp.n_per_device) == (10, 0.1, 100)
    assert (mlp.patience, mlp.min_iterations, mlp.max_iterations, mlp.validation, mlp.weights) == (
        10,
        100,
        1000,
        True,
        "best",
    )


@given(strength=st.floats(0.1, 50), closeness=st.floats(0.01, 2))
def test_the_config_accepts_the_couplings_that_have_a_positive_rate(strength, closeness):
    """Oracle: fisher.rate, which raises where alpha <= 0."""
    try:
        positive = fisher.rate(strength, closeness) > 0
    except ValueError:
        positive = False
    try:
        read_config({"fits": {"a": {"strength": strength, "closeness": closeness}}})
        accepted = True
    except InputError:
        accepted = False
    assert accepted == positive


def test_every_key_is_described_in_the_readme(root):
    """config/README.md is made from the models by scripts/document_config.py."""
    from document_config import document

    assert (root / "config/README.md").read_text() == document()


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"name": "adm"}, r"name: expected an optimiser of optax, found 'adm' \(nearest: .*adam"),
        ({"name": "scale_by_adam"}, "name: expected an optimiser of optax, found 'scale_by_adam'"),
        (
            {"beta1": 0.9},
            r"beta1: optimiser 'adam' has no such argument; it takes learning_rate, b1",
        ),
        (
            {"b1": "high"},
            "name: 'adam' cannot take a step from gradients and learning_rate = 0.001, b1 = 'high'",
        ),
        (
            {"learning_rate": {"schedule": "cosine", "init_value": 1}},
            r"^learning_rate.schedule: expected a schedule of optax, found 'cosine' \(nea",
        ),
        (
            {"learning_rate": {"schedule": "cosine_decay_schedule", "init_value": 1}},
            "^learning_rate.decay_steps: schedule 'cosine_decay_schedule' needs",
        ),
        (
            {
                "learning_rate": {
                    "schedule": "cosine_decay_schedule",
                    "init_value": 1,
                    "decay_steps": -1,
                }
            },
            "^learning_rate.schedule: 'cosine_decay_schedule' refuses .*decay_steps = -1.*positive",
        ),
        ({"name": "lbfgs"}, "name: 'lbfgs' cannot take a step"),
    ],
)
def test_faults_of_an_optimiser(values, fault):
    optimiser = read_config({"fits": recipe(optimiser=copy.deepcopy(values))}).fits["mlp"].optimiser
    with pytest.raises(InputError, match=fault):
        optimisers.build(**optimiser.model_dump())


def test_an_optimiser_whose_state_does_not_fit_that_of_the_fit_that_it_continues():
    schedule = {"schedule": "constant_schedule", "value": 1e-3}
    fits = {"a": {}, "b": {"continue_from": "a", "optimiser": {"learning_rate": 1e-4}}}
    assert optimisers.faults(read_config({"fits": fits}).fits) == []
    fits["b"]["optimiser"]["learning_rate"] = schedule
    (fault,) = optimisers.faults(read_config({"fits": fits}).fits)
    assert fault.startswith("fits.b.optimiser: expected a state of the same parts as in 'a'")
    fits["a"]["optimiser"] = {"learning_rate": schedule}
    assert optimisers.faults(read_config({"fits": fits}).fits) == []


@pytest.mark.parametrize(
    "name", ["adam", "adamw", "sgd", "rmsprop", "lion", "adabelief", "nadam", "lamb", "noisy_sgd"]
)
def test_optimisers_by_name(name):
    extra = {"key": 0} if name == "noisy_sgd" else {}
    optimisers.build(name, learning_rate=1e-3, **extra)


def test_a_schedule_of_schedules():
    """Oracle: by hand, 0.1 falling to 0.05 at step 10, then 0.01."""
    linear = {
        "schedule": "linear_schedule",
        "init_value": 0.1,
        "end_value": 0.0,
        "transition_steps": 20,
    }
    constant = {"schedule": "constant_schedule", "value": 0.01}
    joined = optimisers.build_schedules(
        {"schedule": "join_schedules", "schedules": [linear, constant], "boundaries": [11]}
    )
    assert [float(joined(step)) for step in (0, 10, 11)] == pytest.approx([0.1, 0.05, 0.01])
