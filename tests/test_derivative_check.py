"""JAX's derivatives against finite differences: those that are wrong are found, others pass."""

import jax
import numpy as np
import pytest
from imnn_core.problems import Problem, derivative_check, shipped
from imnn_core.problems.simulations import seed_key
from imnn_core.store.errors import InputError
from simulate import simulate


@pytest.mark.parametrize(
    ("what", "of_counts", "expected"),
    [
        ("mean", "poisson(a, theta[0], (8,)) + theta[0] / 4", 0.2),
        (
            "variance",
            "poisson(a, 50 * theta[0], (8,)) - 1.0 * poisson(b, 50 * theta[0], (8,))"
            " + (50 * theta[0]) ** 0.5 * normal(c, (8,))",
            0.33,
        ),
    ],
)
def test_derivatives_by_jax_that_are_wrong_and_not_0_are_found(tmp_path, what, of_counts, expected):
    """Oracle: by hand: of a count whose mean is lambda, and of lambda / 4 besides, JAX sees a fifth
    of the derivative; of the difference of two counts, whose mean is 0, with noise of half their
    variance, a third of the variance's; of the other noise's size it sees all.
    """
    path = tmp_path / "mine.py"
    path.write_text(
        "import jax\n"
        "from jax.random import normal, poisson\n"
        "from imnn_core.problems import Problem\n"
        "def simulator(key, theta):\n"
        "    a, b, c, noise = jax.random.split(key, 4)\n"
        f"    return {of_counts} + theta[1] * normal(noise, (8,))\n"
        "problem = Problem(simulator, [5.0, 2.0], ['rate', 'noise'], [8])\n"
    )
    sizes = {"problem": {"kind": str(path)}, "seed": 1, "n_s": 50, "n_d": 50}
    with pytest.raises(
        InputError, match=rf"{what}'s derivative by rate has 0\.\d+ of theirs"
    ) as error:
        simulate(tmp_path / "a.h5", split="training", checks=True, **sizes)
    assert "by noise" not in str(error.value)
    share = float(str(error.value).partition(" has ")[2].split()[0])
    assert share == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("name", ["gaussian", "exponential_rate", "gaussian_field"])
def test_right_derivatives_by_jax_pass(name):
    """Oracle: the shipped problems, whose F is known to be that of their derivatives."""
    derivative_check.check(shipped.EXAMPLES[name](), seed_key(2, "training"))


def test_noise_of_differences_is_no_fault_of_jax(rng):
    """Oracle: by hand: of counts that jump one time in twenty by twenty, the mean slope is 1, as
    JAX's; a slope of 0.7 differs by 30 %, with noise or without; a bend of the step is no fault.
    """
    ones = np.ones((400, 5))
    jumps = [20.0 * (rng.random((400, 5)) < 0.05) for _ in range(2)]
    assert not derivative_check.compare(ones, *jumps).is_wrong
    for noise in (0, 0.5):
        noisy = ones + noise * rng.standard_normal((400, 5))
        found = derivative_check.compare(0.7 * ones, noisy, noisy)
        assert found.is_wrong
        assert found.difference == pytest.approx(0.3, abs=0.03)
        assert found.share == pytest.approx(0.7, abs=0.03)
    assert not derivative_check.compare(0.9 * ones, 2.2 * ones, 1.4 * ones).is_wrong


@pytest.mark.parametrize("is_wrong", [False, True])
def test_large_simulations_are_drawn_few_at_a_time(monkeypatch, is_wrong):
    """Oracle: by hand: rounding to thirds takes a unit of the derivative, and 1/4 is left of 5/4;
    three simulations fit into PIECE, two divide the number of them.
    """
    sizes = []

    def simulator(key, theta):
        d = theta[0] + jax.random.normal(key, (9000,))
        return jax.numpy.round(3 * d) / 3 + theta[0] / 4 if is_wrong else d

    problem = Problem(simulator, [0.5], ["a"], [9000], name="large")
    monkeypatch.setattr(derivative_check, "PIECE", 3 * 2 * 4 * 9000)
    concatenate = np.concatenate

    def seen(parts, **kwargs):
        sizes.extend(part.shape for part in parts)
        return concatenate(parts, **kwargs)

    monkeypatch.setattr(np, "concatenate", seen)
    if is_wrong:
        with pytest.raises(InputError, match="mean's derivative by a has 0.2"):
            derivative_check.check(problem, seed_key(1, "training"))
    else:
        derivative_check.check(problem, seed_key(1, "training"))
    assert {shape[:2] for shape in sizes if len(shape) > 1} == {(2, 4096)}
