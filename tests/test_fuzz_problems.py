"""Users' Python files whose parts are anything at all: accepted, or refused in lines."""

import hypothesis
import pytest
from hypothesis import strategies as st
from imnn_core.config import read
from imnn_core.problems import load, simulations
from imnn_core.store.errors import InputError
from imnn_core.workflow import checks
from test_fuzz_files import settings

PARTS = {
    "simulator": "lambda key, theta: theta[0] + theta[1] * jax.random.normal(key, (3,))",
    "theta_fid": "[0.0, 1.0]",
    "names": "['a', 'b']",
    "input_shape": "(3,)",
    "log_likelihood": "lambda theta, d: -((d - theta[0]) ** 2 / theta[1]).sum()",
    "fisher": "lambda theta: jnp.eye(2)",
    "networks": "{'mine': (lambda key, shape: jnp.ones(shape), lambda w, d: (w * d)[:2])}",
    "symbols": "['A', 'B']",
    "numpy": "False",
}
VALUES = [
    *("None", "0", "1", "-1", "True", "1j", "10**400", "float('nan')", "float('-inf')", "''"),
    *("'a'", "'x' * 5000", "'a\\nb'", "'\\x1b[2J'", "b'ab'", "[]", "{}", "()", "[1, 'a']"),
    *("[0.0]", "[0.0, 1.0, 2.0]", "[[0.0, 1.0]]", "['a', 'a']", "['a', '']", "[None, None]"),
    *("(0,)", "(3, -1)", "(2.5,)", "(10**18,)", "(10**10, 10**10)", "range(2)", "object()", "int"),
    *(
        "np.ones(2)",
        "jnp.ones(2)",
        "np.array([1, np.nan])",
        "np.array(['a', 'b'])",
        "np.float32(1)",
    ),
    *("lambda *a, **k: 1 / 0", "lambda *a: None", "lambda *a: a", "lambda: 0", "lambda x: x"),
    *("lambda *a: jnp.ones((3, 2))", "lambda *a: np.ones(3)", "lambda *a: jnp.array(1)"),
    *("lambda *a: jnp.full(3, jnp.nan)", "lambda *a: jnp.ones(3, int)", "lambda *a: 'text'"),
    *("lambda *a: jnp.ones(3) * a[-1][0]", "lambda *a: jnp.full((2, 2), jnp.inf)", "print"),
    *("lambda key, theta: float(theta[0])", "{'mine': None}", "{'mine': lambda n: n}", "{1: 2}"),
    *("{'mine': (lambda *a: ((2,), jnp.ones(2)), lambda w, d: w)}", "{'mlp': (print, print)}"),
    *("{'mine': (lambda *a: {}, lambda w, d: d[:2])}", "{'mine': lambda n, x=1: (print, print)}"),
]
LINES = [
    *("1 / 0", "raise SystemExit(3)", "import missing_module", "def f(:", "problem = 5"),
    *("del problem", "problem = None", "raise KeyError", "raise Exception('a\\nb' * 5000)", "\\0"),
    *("assert False", "class E(BaseException): pass", "raise RecursionError", "x = [x for x in y]"),
]


def text_of(parts, line):
    """A file with these parts, and one more line."""
    given = ", ".join(f"{name}={value}" for name, value in parts.items())
    return (
        "import jax\nimport jax.numpy as jnp\nimport numpy as np\n"
        f"from imnn_core.problems import Problem\nproblem = Problem({given})\n{line}\n"
    )


def look(folder, parts, line):
    """Faults of such a file, a line each."""
    path = folder / "mine.py"
    path.write_text(text_of(parts, line))
    kind = "mine" if "networks" in parts else "mlp"
    values = {"problem": str(path), "fits": {"a": {"network": {"kind": kind}}}}
    try:
        config = read.read_config(values)
        problem = read.problem_of(config, lambda path: None, lambda path: "digest")
        faults, built = checks.faults(config, problem)
        if not faults:
            list(simulations.draw(load.build(**problem), simulations.seed_key(1, "test"), 5, 5))
        return faults
    except InputError as error:
        return error.lines


@settings(60)
@hypothesis.example(parts={"numpy": "np.ones(2)"}, line="")
@hypothesis.given(
    parts=st.dictionaries(
        st.sampled_from(list(PARTS)), st.sampled_from([*VALUES, None]), min_size=1, max_size=2
    ),
    line=st.sampled_from(["", "", "", *LINES]),
)
def test_problems_of_all_kinds(tmp_path_factory, parts, line):
    whole = PARTS | parts
    given = {name: value for name, value in whole.items() if value is not None}
    for each in look(tmp_path_factory.mktemp("mine"), given, line):
        assert each.isprintable()
        assert "expected" in each or "could not be" in each or "unknown" in each
        assert len(each) < 1500
        assert " at 0x" not in each


@pytest.mark.parametrize("networks", [True, False])
def test_a_whole_problem_is_accepted(tmp_path, networks):
    parts = {name: value for name, value in PARTS.items() if networks or name != "networks"}
    assert look(tmp_path, parts, "") == []
