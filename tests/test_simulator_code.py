"""Which edits of a problem's file draw its simulations again: what the simulator uses, and no more.

Oracle: by hand, what each line is for.
"""

import pytest
from imnn_core.workflow import digest, simulator_code

MINE = '''
"""A problem."""

import functools

import jax
import numpy as np
from helpers import noise
from imnn_core.problems import Problem
from layers import dense

N = 10
TABLE = {}
SCALES = [1.0, 2.0]
WIDTH = 32
SCALES.append(3.0)


def scale(theta):
    return SCALES[1] * theta[1]


@functools.cache
def grid():
    return np.linspace(0, 1, N)


def simulator(rng, theta):
    """One simulation."""
    return theta[0] * grid() + scale(theta) * noise(rng, N)


def helper_of_network(d):
    return d * WIDTH


def network(n_summaries):
    return dense(n_summaries, WIDTH), helper_of_network


def log_likelihood(theta, d):
    return -0.5 * ((d - theta[0]) ** 2).sum()


def information(theta):
    return np.eye(2)


problem = Problem(
    simulator,
    theta_fid=[0.0, 1.0],
    names=["a", "b"],
    input_shape=[N],
    numpy=True,
    networks={"mine": network},
    symbols=["a", "b"],
    log_likelihood=log_likelihood,
    fisher=information,
)
'''
OTHERS = {
    "helpers.py": "import constants\ndef noise(rng, n):\n    return constants.K * rng.random(n)\n",
    "constants.py": "K = 1.0\n",
    "layers.py": "def dense(n, width):\n    return n * width\n",
}


@pytest.fixture
def folder(tmp_path):
    for name, text in (OTHERS | {"mine.py": MINE}).items():
        (tmp_path / name).write_text(text)
    return tmp_path


def found(folder):
    return simulator_code.of_file(folder / "mine.py")


def edited(folder, old, new, name="mine.py"):
    """Digests before and after an edit."""
    before, path = found(folder).digest, folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return before, found(folder).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("WIDTH = 32", "WIDTH = 64"),
        ("return d * WIDTH", "return d / WIDTH"),
        ("return dense(n_summaries, WIDTH), helper", "return dense(n_summaries, 8), helper"),
        ('networks={"mine": network}', 'networks={"other": network}'),
        ('    networks={"mine": network},\n', ""),
        ('symbols=["a", "b"]', 'symbols=["A", "B"]'),
        ("return -0.5 * ((d", "return -1.5 * ((d"),
        ("    log_likelihood=log_likelihood,\n", ""),
        ("return np.eye(2)", "return 2 * np.eye(2)"),
        ("    fisher=information,\n", ""),
        ('"""One simulation."""', '"""A simulation, in other words."""'),
        ("import jax\n", "import jax  # a comment\n"),
        ("from layers import dense\n", "from layers import dense\n\nUNUSED = 1\n"),
        ("import jax\n", ""),
        ("N = 10\n", "N = 10\nif __name__ == '__main__':\n    N = 12\n"),
    ],
)
def test_edits_that_draw_nothing_again(folder, old, new):
    before, after = edited(folder, old, new)
    assert before == after


def test_an_edit_of_a_module_that_the_network_alone_imports(folder):
    before, after = edited(folder, "n * width", "n + width", "layers.py")
    assert before == after


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return theta[0] * grid()", "return theta[0] + grid()"),
        ("return SCALES[1]", "return SCALES[0]"),
        ("SCALES = [1.0, 2.0]", "SCALES = [1.0, 2.5]"),
        ("SCALES.append(3.0)", "SCALES.append(4.0)"),
        ("N = 10", "N = 11"),
        ("np.linspace(0, 1, N)", "np.linspace(0, 2, N)"),
        ("@functools.cache\n", ""),
        ("from helpers import noise", "from constants import noise"),
        ("theta_fid=[0.0, 1.0]", "theta_fid=[0.0, 2.0]"),
        ('names=["a", "b"]', 'names=["b", "a"]'),
        ("input_shape=[N]", "input_shape=[N, 1]"),
        ("    numpy=True,\n", ""),
        ("N = 10\n", "N = 10\nif __name__ != '__main__':\n    N = 12\n"),
        ("N = 10\n", "N = 10\nif __name__ == '__main__':\n    pass\nelse:\n    N = 12\n"),
        ("TABLE = {}\n", "TABLE = {}\nnp.seterr(all='raise')\n"),  # it acts when it is imported
        ("import jax\n", "import jax\njax.config.update('jax_enable_x64', True)\n"),
        ("problem = Problem(\n    simulator,", "problem = Problem(\n    scale,"),
        ("TABLE = {}\n", "TABLE = {}\nEXTENDED = SCALES.extend([1])\n"),
        ("TABLE = {}\n", "TABLE = {}\nif N > 3:\n    SCALES = [5.0, 6.0]\n"),
    ],
)
def test_edits_that_draw_all_again(folder, old, new):
    before, after = edited(folder, old, new)
    assert before != after


@pytest.mark.parametrize("name", ["helpers.py", "constants.py"])
def test_an_edit_of_a_module_that_the_simulator_imports(folder, name):
    old = {"helpers.py": "rng.random(n)", "constants.py": "K = 1.0"}[name]
    before, after = edited(folder, old, f"{old} + 0", name)
    assert before != after


def test_an_import_inside_the_simulator_counts(folder):
    edited(folder, '    """One simulation."""', "    import layers")
    before, after = edited(folder, "n * width", "n + width", "layers.py")
    assert before != after


def test_a_decorator_of_the_files_own_may_do_anything(folder):
    """One that enters functions in a table, of which the simulator takes one."""
    text = MINE.replace("TABLE = {}", "TABLE = {}\ndef entered(f):\n    TABLE[0] = f\n    return f")
    text = text.replace("def helper_of_network", "@entered\ndef helper_of_network")
    (folder / "mine.py").write_text(text.replace("scale(theta) *", "TABLE[0](theta) *"))
    before, after = edited(folder, "return d * WIDTH", "return d / WIDTH")
    assert before != after


WHOLE = [
    (
        "problem = Problem(",
        "problem = make(Problem, ",
        "def make(kind, *args, **keys):\n    return kind(*args, **keys)\n",
    ),
    ("    numpy=True,\n", "    **MORE,\n", "MORE = {'numpy': True}\n"),
    ("    return theta[0] * grid()", "    return globals()['N'] + theta[0] * grid()", ""),
    ("from helpers import noise\n", "from helpers import *\n", ""),
]


@pytest.mark.parametrize(("old", "new", "before"), WHOLE[:3])
def test_where_it_cannot_be_told_the_whole_file_counts(folder, old, new, before):
    text = MINE.replace(old, new).replace("problem = ", f"{before}problem = ", 1)
    (folder / "mine.py").write_text(text)
    first, after = edited(folder, "return d * WIDTH", "return d / WIDTH")
    assert first != after
    first, after = edited(
        folder, "# nothing" if "# nothing" in text else "WIDTH = 32", "WIDTH = 33"
    )
    assert first != after


@pytest.mark.parametrize(
    ("old", "new", "is_numpy"),
    [
        ("numpy=True", "numpy=True", True),
        ("numpy=True", "numpy=False", False),
        ("    numpy=True,\n", "", False),
        ("problem = Problem(", "problem = functools.partial(Problem)(", True),
    ],
)
def test_a_numpy_simulator_is_known_without_running_its_file(folder, old, new, is_numpy):
    (folder / "mine.py").write_text(MINE.replace(old, new))
    assert found(folder).is_numpy == is_numpy


def test_examples_of_the_project_are_known(root):
    examples = root / "config/examples"
    for path in examples.glob("*.py"):
        assert found_in(path).digest != digest.user_code_digest(path)


def found_in(path):
    return simulator_code.of_file(path)


@pytest.mark.parametrize("text", ["", "problem = (", "\0", "x" * 10])
def test_a_file_that_is_no_problem_has_a_digest(tmp_path, text):
    (tmp_path / "mine.py").write_text(text)
    assert found(tmp_path).digest
    assert not found(tmp_path).is_numpy
    assert simulator_code.of_file(tmp_path / "none.py").digest
