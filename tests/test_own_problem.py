"""A user's own Python file: what is taken from it, and each of its faults in one line."""

import sys
import textwrap
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analytic_fisher import analytic_fisher
from conftest import everything
from imnn_core.config.read import read_config
from imnn_core.data import chunks, sets, sources
from imnn_core.figures import styles
from imnn_core.gradient import derivatives
from imnn_core.problems import Problem, load, simulations, simulator
from imnn_core.store.errors import InputError
from imnn_core.workflow import checks
from imnn_core.workflow.digest import user_code_digest

HEAD = """
import jax
import jax.numpy as jnp
import numpy as np
from imnn_core.problems import Problem

def simulator(key, theta):
    return theta[0] + theta[1] * jax.random.normal(key, (4,))
"""
WHOLE = (
    HEAD + "\nproblem = Problem(simulator, theta_fid=[0, 1], names=['a', 'b'], input_shape=(4,))\n"
)


def written(folder, text, name="mine.py"):
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


def lines_of(path, **config):
    """What the workflow's check says of a configuration with this problem."""
    fits = config.pop("fits", {"small": {"network": {"hidden": [4]}}})
    settings = read_config({"problem": str(path), "fits": fits} | config)
    arguments = {
        key: getattr(settings, key) for key in ("theta_fid", "input_shape", "names", "delta_theta")
    }
    return checks.faults(settings, {"kind": str(path), **arguments})[0]


def test_what_is_taken_from_the_file(tmp_path):
    path = written(tmp_path, WHOLE)
    assert lines_of(path) == []
    problem = load.build(str(path))
    assert (problem.name, problem.names, problem.input_shape) == ("mine", ("a", "b"), (4,))
    np.testing.assert_array_equal(problem.theta_fid, [0.0, 1.0])
    moved = load.build(str(path), theta_fid=[2, 3], delta_theta=[0.1, 0.1])
    np.testing.assert_array_equal(moved.theta_fid, [2.0, 3.0])
    assert (moved.stored_shape, moved.derivative_shape) == ((2, 2, 4), (4, 2))
    moved = load.build(str(path), delta_theta=[0.1, [0.1, 0.2]], of_summaries=True)
    assert moved.stored_shape == moved.derivative_shape == (4, 4)


def test_a_file_may_import_others_beside_it_and_changes_with_them(tmp_path):
    """The digest is that of what the code means: not of a comment, and of no file that it does not
    import.
    """
    beside = written(tmp_path, "WIDTH = 4\n", "imnn_test_beside.py")
    unrelated = written(tmp_path, "OTHER = 1\n", "imnn_test_unrelated.py")
    text = "from imnn_test_beside import WIDTH\n" + WHOLE.replace("(4,)", "(WIDTH,)")
    path = written(tmp_path, text)
    assert load.build(str(path)).input_shape == (4,)
    first = user_code_digest(path)
    path.write_text(text + "\n# a comment\n")
    unrelated.write_text("OTHER = 2\n")
    assert user_code_digest(path) == first
    beside.write_text("WIDTH = 5\n")
    second = user_code_digest(path)
    path.write_text(text.replace("theta[0] +", "theta[0] -"))
    assert len({first, second, user_code_digest(path)}) == 3


def test_a_package_beside_the_file_counts_too(tmp_path):
    """Its own __init__, what that imports relatively, and keywords that this project's own digest
    leaves out.
    """
    path = written(tmp_path, "from imnn_test_package.part import A\n" + WHOLE)
    (tmp_path / "imnn_test_package").mkdir()
    texts = {
        "__init__.py": "from .other import B\n",
        "part.py": "A = 1\n",
        "other.py": "B = dict(description=3)\n",
    }
    files = {
        name: written(tmp_path / "imnn_test_package", text, name) for name, text in texts.items()
    }
    digests = {user_code_digest(path)}
    for name, text in (
        ("part.py", "A = 2\n"),
        ("other.py", "B = dict(description=4)\n"),
        ("__init__.py", "C = 1\n"),
    ):
        files[name].write_text(text)
        digests.add(user_code_digest(path))
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("text", "config", "line"),
    [
        (
            "import nothing_of_that_name\n",
            {},
            "problem {path}: could not be imported: ModuleNotFoundError: No module named "
            "'nothing_of_that_name' (line 1)",
        ),
        (
            "x = 1\n1 / 0\n",
            {},
            "problem {path}: could not be imported: ZeroDivisionError: division by zero (line 2)",
        ),
        ("def f(:\n", {}, "problem {path}: could not be imported: SyntaxError: "),
        (
            "x = 1\n",
            {},
            "problem {path}: expected `problem = Problem(…)` in it (from imnn_core.problems "
            "import Problem), found none",
        ),
        (
            "problem = 3\n",
            {},
            "problem {path}: expected `problem = Problem(…)` in it (from imnn_core.problems "
            "import Problem), found 3",
        ),
        (
            HEAD + "problem = Problem(simulator, names=['a', 'b'], input_shape=(4,))\n",
            {},
            "problem {path}: could not be imported: TypeError: Problem.__init__() missing 1 "
            "required positional argument: 'theta_fid' (line ",
        ),
        (
            WHOLE.replace("[0, 1]", "[0]"),
            {},
            "problem {path}: theta_fid: expected 2 finite numbers (a, b), found [0]",
        ),
        (
            WHOLE.replace("[0, 1]", "[0, float('nan')]"),
            {},
            "problem {path}: theta_fid: expected 2 finite numbers (a, b), found [0, nan]",
        ),
        (
            WHOLE.replace("['a', 'b']", "'ab'"),
            {},
            "problem {path}: names: expected a list of the parameters' names, found 'ab'",
        ),
        (
            WHOLE.replace("['a', 'b']", "['a', 'a']"),
            {},
            "problem {path}: names: expected each name once, found ['a', 'a']",
        ),
        (
            WHOLE.replace("input_shape=(4,)", "input_shape=(4.5,)"),
            {},
            "problem {path}: input_shape: expected the shape of one simulation, such as (10,), "
            "found (4.5,)",
        ),
        (
            WHOLE.replace("input_shape=(4,)", "input_shape=(5,)"),
            {},
            "problem 'mine': expected simulations of shape (5,), found (4,)",
        ),
        (
            WHOLE.replace("Problem(simulator", "Problem(3"),
            {},
            "problem {path}: simulator: expected a function, found 3",
        ),
        (
            WHOLE.replace("Problem(simulator", "Problem(None"),
            {},
            "problem 'mine': expected a simulator, or `simulations:` with files, found neither",
        ),
        (
            WHOLE,
            {"theta_fid": [1, 2, 3]},
            "theta_fid: expected 2 finite numbers (a, b), found [1.0, 2.0, 3.0]",
        ),
        (
            WHOLE,
            {"input_shape": [5]},
            "input_shape: expected [4] as in {path}, found [5]; change it there",
        ),
        (
            WHOLE,
            {"fits": {"x": {"n_summaries": 1}}},
            "fits.x.n_summaries: expected at least n_params = 2, found 1",
        ),
        (
            WHOLE,
            {"fits": {"x": {"network": {"kind": "mpl"}}}},
            "fits.x.network.kind: expected mlp, deep_set, cnn, found 'mpl' (nearest: mlp)",
        ),
        (
            WHOLE.replace(
                "jax.random.normal(key, (4,))",
                "np.random.default_rng(np.asarray(key)).normal(size=4)",
            ),
            {},
            "problem 'mine': expected a simulator that can be run under jax.jit, found "
            "TracerArrayConversionError: ",
        ),
        (
            WHOLE.replace(
                "jax.random.normal(key, (4,))",
                "jax.random.normal(key, (4,)) * (1.0 if theta[0] > 0 else 2.0)",
            ),
            {},
            "problem 'mine': expected a simulator that can be run under jax.jit, found "
            "TracerBoolConversionError: ",
        ),
        (
            WHOLE.replace(
                "return theta[0]",
                "return jax.random.poisson(key, theta[1], (4,))\n    return theta[0]",
            ),
            {},
            "problem 'mine': expected simulations of real numbers (float32), found int32",
        ),
        (
            WHOLE.replace(
                "return theta[0]",
                "return jax.lax.while_loop(lambda x: x[0] < theta[1], lambda x: x + theta[1], "
                "theta[0] * jnp.ones(4)); theta[0]",
            ),
            {"derivative": "finite_difference", "delta_theta": [1, 1]},
            None,
        ),
        (
            WHOLE.replace("Problem(simulator,", "Problem(simulator, numpy=True,"),
            {},
            "derivative: expected finite_difference, with delta_theta, since the simulator of "
            "problem 'mine' is a numpy function",
        ),
        (
            WHOLE.replace("Problem(simulator,", "Problem(simulator, numpy=True,"),
            {"derivative": "finite_difference", "delta_theta": [1, 1], "simulations": "on_the_fly"},
            "simulations: expected draw, since a numpy simulator can't be compiled into the fit, "
            "found on_the_fly",
        ),
        (
            WHOLE.replace(
                "input_shape=(4,)",
                "input_shape=(4,), log_likelihood=lambda theta, d: -(d - theta[0]) ** 2",
            ),
            {},
            "problem 'mine': log_likelihood: expected one number for a simulation, found an "
            "array of shape (4,); is a sum",
        ),
        (
            WHOLE.replace(
                "input_shape=(4,)",
                "input_shape=(4,), log_likelihood=lambda theta, d: float(theta[0])",
            ),
            {},
            "problem 'mine': log_likelihood: expected a function in jax.numpy, found "
            "ConcretizationTypeError: ",
        ),
        (
            WHOLE.replace("input_shape=(4,)", "input_shape=(4,), fisher=lambda theta: [1.0]"),
            {},
            "problem 'mine': expected of fisher a symmetric matrix of shape (2, 2), found [1.0]",
        ),
        (
            WHOLE.replace("input_shape=(4,)", "input_shape=(4,), fisher=lambda theta: 1 / 0"),
            {},
            "problem 'mine': fisher could not be called: ZeroDivisionError: division by zero",
        ),
        (
            WHOLE,
            {"derivative": "finite_difference", "delta_theta": [1]},
            "delta_theta: expected 2 numbers > 0 (a, b), or lists of offsets, found [1.0]",
        ),
    ],
)
def test_faults_of_a_file(tmp_path, text, config, line):
    path = written(tmp_path, text)
    lines = lines_of(path, **config)
    if line is None:
        assert lines == []
        return
    assert len(lines) == 1
    assert lines[0].startswith(line.format(path=path))
    assert "\n" not in lines[0]


def test_a_relative_path_has_a_line_number_too_and_a_module_beside_it_comes_before_the_projects(
    tmp_path, monkeypatch
):
    """`simulate.py` is a script of this project."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("x = 1\n1 / 0\n")
    assert lines_of("mine.py") == [
        "problem mine.py: could not be imported: ZeroDivisionError: division by zero (line 2)"
    ]
    (tmp_path / "mine.py").write_text("def f(:\n")
    assert lines_of("mine.py") == [
        "problem mine.py: could not be imported: SyntaxError: invalid syntax (line 1)"
    ]
    (tmp_path / "simulate.py").write_text("T = 3\n")
    (tmp_path / "mine.py").write_text("from simulate import T\n" + WHOLE)
    monkeypatch.delitem(sys.modules, "simulate", raising=False)
    assert lines_of("mine.py") == []
    sys.modules.pop("simulate")
    assert sys.path[0] != str(tmp_path)


def test_observed_data_are_looked_at_before_any_work(tmp_path):
    path = written(tmp_path, WHOLE)
    np.save(tmp_path / "observed.npy", np.ones(5))
    settings = read_config({"problem": str(path), "fits": {"a": {"network": {"hidden": [4]}}}})
    (line,), _ = checks.faults(settings, {"kind": str(path)}, str(tmp_path / "observed.npy"))
    assert line.endswith("expected data of shape (4,) or (n, 4), found (5,)")
    assert (
        checks.faults(settings, {"kind": str(path)}, str(tmp_path / "not there yet.npy"))[0] == []
    )


def test_arrays_in_place_of_lists():
    problem = Problem(
        in_numpy,
        jnp.array([0.0, 1.0]),
        np.array(["a", "b"]),
        np.array([4]),
        delta_theta=np.array([0.1, 0.2]),
    )
    assert (problem.names, problem.input_shape, problem.theta_fid.tolist()) == (
        ("a", "b"),
        (4,),
        [0.0, 1.0],
    )


def test_steps_are_those_that_float32_leaves():
    """Oracle: numpy: near 1e4 float32 has steps of 1/1024; the slope of a linear simulator is exact
    all the same.
    """
    problem = Problem(
        lambda key, theta: theta[0] * jnp.ones(3), [1e4], ["a"], [3], delta_theta=[0.01], name="far"
    )
    plus, minus = (np.float64(np.float32(1e4 + side * 0.005)) for side in (1, -1))
    offsets = [offset for _, offset in simulator.columns(problem)]
    assert offsets == [minus - 1e4, plus - 1e4] != [-0.005, 0.005]
    (piece,) = simulations.draw(problem, jax.random.key(0), 4, 4)
    stored = sources.shifted_in_memory(*piece)
    np.testing.assert_allclose(everything(sets.derived(stored, problem))[1], 1, rtol=1e-6)
    problem = replace(problem, of_summaries=True)
    x, dx = derivatives.stored(lambda weights, d: d[:1], problem)(
        None, chunks.Batch(*map(jnp.asarray, piece))
    )
    np.testing.assert_allclose(dx, 1, rtol=1e-6)
    with pytest.raises(
        InputError,
        match=r"delta_theta: expected steps that are not lost in theta_fid = \[10000.0\] by round",
    ):
        simulator.check_steps(replace(problem, delta_theta=[1e-4]))
    in_float64 = replace(problem, simulator=lambda rng, theta: theta[0] * np.ones(3), numpy=True)
    assert simulator.columns(in_float64) == [(0, -0.005), (0, 0.005)]
    # Simulations in files were drawn elsewhere, with the steps that they have.
    elsewhere = replace(problem, delta_theta=[1e-4], from_files=True)
    assert simulator.columns(elsewhere) == [(0, -5e-5), (0, 5e-5)]


def test_a_file_that_is_not_there(tmp_path):
    assert lines_of(tmp_path / "none.py") == [
        f"problem: expected a Python file, found none at {tmp_path / 'none.py'}"
    ]


def not_differentiable(key, theta):
    """Comparisons: jax takes them for constants."""
    return (jax.random.uniform(key, (6,)) < theta[0]).astype(float)


def test_simulations_that_do_not_depend_on_a_parameter_are_named(float64):
    problem = Problem(not_differentiable, [0.5], ["p"], [6], name="threshold")
    with pytest.raises(
        InputError,
        match="depend on each parameter, found a derivative of 0 everywhere by p; if they do, by a "
        "compari",
    ):
        list(simulations.draw(problem, jax.random.key(1), 10, 10))
    pieces = list(simulations.draw(replace(problem, delta_theta=[0.4]), jax.random.key(1), 10, 10))
    assert pieces[0].derivative.shape == (10, 2, 1, 6)
    constant = replace(
        problem, simulator=lambda key, theta: jax.random.normal(key, (6,)), delta_theta=[0.4]
    )
    with pytest.raises(
        InputError, match="on each parameter, found a difference of 0 everywhere by p$"
    ):
        list(simulations.draw(constant, jax.random.key(1), 10, 10))


def in_numpy(rng, theta):
    theta[0] += 0  # it may do with its theta what it likes
    return theta[0] + theta[1] * rng.standard_normal(4)


@pytest.mark.parametrize("F", [[1.0], [[1.0, 2.0], [3.0, 4.0]], [[np.nan, 0], [0, 1]]])
def test_a_closed_form_that_is_no_fisher_information(F):
    problem = Problem(in_numpy, [0.5, 2.0], ["a", "b"], [4], fisher=lambda theta: F, name="mine")
    with pytest.raises(
        InputError,
        match=r"problem 'mine': expected of fisher a symmetric matrix of shape \(2, 2\), found \[",
    ):
        problem.closed_form()


@pytest.mark.parametrize(
    "F", [[[1.0, 1.0], [1.0, 1.0]], [[-1.0, 0], [0, 1]], np.diag([1e-200] * 2)]
)
def test_a_closed_form_without_a_bound_is_told_before_any_fit(tmp_path, F):
    """Everything is compared with its inverse and its determinant."""
    F = np.asarray(F).tolist()
    path = written(
        tmp_path, WHOLE.replace("input_shape=(4,)", f"input_shape=(4,), fisher=lambda theta: {F}")
    )
    with pytest.raises(
        InputError, match=r"problem '.*': expected of fisher a positive definite matrix, found \[\["
    ):
        analytic_fisher(tmp_path / "a.json", problem={"kind": str(path)}, n_monte_carlo=10)
    assert not (tmp_path / "a.json").exists()


def test_names_with_underscores_are_symbols_that_matplotlib_can_set():
    """The underscore as a sign, not for a lower index; and TeX without its dollars gets them."""
    from matplotlib.figure import Figure

    problem = Problem(in_numpy, [0.5, 2.0], ["Omega_m", "b"], [4])
    assert problem.symbols == ("Omega_m", "b")
    assert replace(problem, names=["a$b$", "c"], symbols=None).symbols == (r"a\$b\$", "c")
    assert replace(problem, symbols=[r"\varphi", "n_s"]).symbols == (r"$\varphi$", "$n_s$")
    assert replace(problem, symbols=["B", "a $b$"]).symbols == ("B", "a $b$")
    assert list(styles.faults_of_symbols(problem.symbols)) == []
    (line,) = styles.faults_of_symbols([r"$\Omega_m$", r"$\frac{1$"])
    assert line.startswith(
        r"symbols: expected text, or TeX between $ that matplotlib can draw, found '$\\frac{1$' ("
    )
    assert "\n" not in line
    figure = Figure()
    figure.text(0, 0, problem.symbols[0])
    figure.canvas.draw()
