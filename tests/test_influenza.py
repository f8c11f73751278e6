"""The epidemic in a school: its simulator, its numbers, and the likelihood that judges it."""

import importlib.util
import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import yaml
from running import copied, snakemake
from scipy.linalg import expm
from scipy.stats import chi2


def module(path):
    specification = importlib.util.spec_from_file_location(f"{path.parent.name}_epidemic", path)
    found = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(found)
    return found


@pytest.fixture
def example(root):
    return module(root / "config/examples/influenza.py")


@pytest.fixture
def benchmark(root):
    return module(root / "tests/benchmarks/influenza.py")


class School(NamedTuple):
    """A school so small that all its states can be written down."""

    boys: int = 9
    first: int = 3
    outbreak: int = 5  # ever ill
    beta: float = 1.7
    gamma: float = 0.5


def transitions(school):
    """States (susceptible, ill), and the chance to go from each to each within a day, by scipy's
    exponential of the matrix of rates.
    """
    states = [
        (s, i)
        for s in range(school.boys - school.first + 1)
        for i in range(school.boys - s + 1)  # the others have recovered
    ]
    number = {state: k for k, state in enumerate(states)}
    rates = np.zeros((len(states), len(states)))
    for (s, i), k in number.items():
        for state, rate in (
            ((s - 1, i + 1), school.beta * s * i / school.boys),
            ((s, i - 1), school.gamma * i),
        ):
            if rate > 0:
                rates[k, number[state]] += rate
                rates[k, k] -= rate
    return number, expm(rates)


def chances(school):
    """P(boys ill after one and after two days, given an outbreak), (boys + 1, boys + 1)."""
    number, step = transitions(school)
    ill = np.array([i for _, i in number])
    there = ill[:, None] == np.arange(school.boys + 1)  # (states, ill)
    ever_ill = school.boys - np.array([s for s, _ in number])
    outbreak = np.linalg.matrix_power(step, 1000) @ (ever_ill >= school.outbreak)  # from each state
    begin = number[school.boys - school.first, school.first]
    both = (step[begin][:, None] * there).T @ (step * outbreak) @ there
    return both / outbreak[begin]


def simulated(example, monkeypatch, school, n):
    """Numbers of boys ill after one and after two days, (n, 2)."""
    monkeypatch.setattr(example, "BOYS", school.boys)
    monkeypatch.setattr(example, "IN_BED_FIRST", school.first)
    monkeypatch.setattr(example, "OUTBREAK", school.outbreak)
    monkeypatch.setattr(example, "EVENTS", 2 * school.boys + 100)
    monkeypatch.setattr(example, "DAYS", np.array([1, 2]))
    keys = jax.random.split(jax.random.key(1), n)
    theta = jnp.array([school.beta, school.gamma])
    return np.asarray(jax.jit(jax.vmap(example.simulator, (0, None)))(keys, theta)).astype(int)


@pytest.mark.parametrize("beta", [1.7, 0.4])  # 0.4: most of them die out, and begin again
def test_the_simulator_draws_from_the_markov_process(example, monkeypatch, beta):
    """Oracle: probabilities of (ill after one day, ill after two) by scipy's expm; chi squared of
    20 000 simulations over those that are expected five times or more.
    """
    school, n = School(beta=beta), 20_000
    found = np.zeros((school.boys + 1, school.boys + 1))
    np.add.at(found, tuple(simulated(example, monkeypatch, school, n).T), 1)
    expected = n * chances(school)
    usual = expected >= 5
    assert usual.sum() > 25
    assert found[expected < 1e-9].sum() == 0  # an outbreak that is over does not come back
    statistic = ((found - expected) ** 2 / np.where(usual, expected, 1))[usual].sum()
    assert chi2.sf(statistic, usual.sum()) > 1e-4


@pytest.mark.parametrize("in_bed", [(3, 5, 4), (3, 6, 3), (3, 4, 5)])
def test_the_likelihood_is_that_of_the_markov_process(benchmark, monkeypatch, in_bed):
    """Oracle: scipy's expm, with all states written down; 1e-9."""
    school = School()
    monkeypatch.setattr(benchmark, "BOYS", school.boys)
    monkeypatch.setattr(benchmark, "OUTBREAK", school.outbreak)
    expected = np.log(chances(school)[in_bed[1:]])
    found = benchmark.log_likelihood(school.beta, school.gamma, in_bed)
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_likelihood_of_the_school_forgets_no_states(benchmark, monkeypatch):
    """Oracle: the same with a window that is half as wide again, in the four first days; 1e-9."""
    first = benchmark.IN_BED[:5]
    found = benchmark.log_likelihood(1.8, 0.48, first)
    monkeypatch.setattr(benchmark, "SLACK", benchmark.SLACK * 3 // 2)
    assert benchmark.log_likelihood(1.8, 0.48, first) == pytest.approx(found, rel=1e-9)


def test_the_observed_numbers_are_those_of_the_journal(root, example, benchmark):
    """Oracle: British Medical Journal, 4 March 1978, p. 587, as written down in the benchmark."""
    config = yaml.safe_load((root / "config/influenza.yaml").read_text())
    observed = np.load(root / config["observed"])
    assert observed.shape == tuple(example.problem.input_shape)
    assert [example.IN_BED_FIRST, *observed] == list(benchmark.IN_BED)
    assert sum(benchmark.IN_BED) == 1559  # as added up by hand


def test_jax_takes_the_epidemic_for_constant(example):
    """Why the config asks for differences of summaries."""
    by_theta = jax.jacfwd(example.simulator, argnums=1)(jax.random.key(1), jnp.array([1.7, 0.5]))
    assert not np.asarray(by_theta).any()


@pytest.mark.long
def test_refined_estimates_agree_with_the_exact_posterior(root, tmp_path):
    """Oracle: mean and width of the exact posterior, by tests/benchmarks/influenza.py; a width in
    the mean, a third in the errors; also of the posterior by each method. Two minutes.
    """
    folder = copied(root, tmp_path / "clone")
    fewer = "posterior={n_simulations: 20000, n_calibration: 100, neural: {ensemble: 1}}"
    how = ("--configfile", "config/influenza.yaml", "--config", "seeds=[1]", "refine=1", fewer)
    snakemake(folder, *how, own_process=True)
    mean, width = np.array([1.8181, 0.4777]), np.array([0.1063, 0.0182])
    results = folder / "results/influenza/refined-1/fits/mlp"
    found = [json.loads(path.read_text()) for path in results.glob("seed-*/observed.json")]
    assert len(found) == 1
    for each in found:
        assert np.all(np.abs(each["estimates"][0] - mean) < width)
        np.testing.assert_allclose(each["error"], width, rtol=1 / 3)
    table = pd.read_csv(folder / "results/influenza/refined-1/posterior.csv")
    assert len(table) == 3 * 2  # methods, parameters
    for i, name in enumerate(("beta", "gamma")):
        its = table[table.parameter == name]
        assert np.all(np.abs(its["mean"] - mean[i]) < 1.2 * width[i])
        np.testing.assert_allclose(its["sd"], width[i], rtol=0.4)
