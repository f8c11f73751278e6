"""The key `posterior` through the workflow: what it makes, makes again, and refuses."""

import json
import shutil

import browser
import h5py
import numpy as np
import pandas as pd
import pytest
from imnn_core.inference import results
from imnn_core.problems import load, simulations
from running import planned, snakemake
from tiny_project import TINY_RUN, cannot, write_config

PRIOR = {"mu": {"uniform": [-10, 10]}, "Sigma": {"uniform": [0, 10]}}
POSTERIOR = {
    "prior": PRIOR,
    "methods": ["gaussian", "rejection", "pmc", "neural"],
    "n_simulations": 2000,
    "n_calibration": 20,
    "n_samples": 500,
    "pmc": {"n_particles": 200, "n_simulations": 4000, "n_calibration": 2},
    "neural": {"n_components": 2, "hidden": [8], "ensemble": 1},
}
METHODS = POSTERIOR["methods"]
FIT = "results/tiny/fits/small/seed-1/posterior"


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    """The tiny run with posteriors."""
    folder = tmp_path_factory.mktemp("posterior") / "project"
    shutil.copytree(tiny, folder, copy_function=shutil.copyfile)
    write_config(folder, posterior=POSTERIOR)
    snakemake(folder, *TINY_RUN)
    return folder


def test_tables_have_a_row_for_each_method_and_parameter(finished):
    """Oracle: the columns that the issue of this stage names, first and in their order."""
    table = pd.read_csv(finished / "results/tiny/posterior.csv")
    first = "fit seed method parameter mean sd q16 q84 mean_exact sd_exact n_simulations seconds"
    assert list(table.columns)[:12] == first.split()
    assert list(table.method) == [each for each in METHODS for _ in PRIOR]
    assert np.isfinite(table.drop(columns=["epsilon"]).select_dtypes("number")).all(axis=None)
    tested = pd.read_csv(finished / "results/tiny/calibration.csv")
    first = "fit seed method parameter rank_p coverage_90 tarp_deviation width_over_exact_5 "
    first += "width_over_exact_95 nats_lost nats_lost_error"
    assert list(tested.columns)[:11] == first.split()
    assert dict(zip(tested.method, tested.n, strict=True)) == dict.fromkeys(METHODS, 20) | {
        "pmc": 2
    }


def test_samples_in_three_formats_are_the_same(finished):
    """Oracle: mean and deviation of the HDF5 file's weighted samples, by numpy."""
    table = pd.read_csv(finished / "results/tiny/posterior.csv")
    for method in METHODS:
        found = results.read_posterior(finished / FIT / f"{method}.h5")
        theta, weights = found.theta[0], found.weights[0]
        mean = np.average(theta, axis=0, weights=weights)
        sd = np.sqrt(np.average((theta - mean) ** 2, axis=0, weights=weights))
        its = table[table.method == method]
        np.testing.assert_allclose(its["mean"], mean, rtol=1e-9)
        np.testing.assert_allclose(its["sd"], sd, rtol=1e-9)
        csv = pd.read_csv(finished / FIT / f"{method}.csv")
        assert list(csv.columns) == [*PRIOR, "weight"]
        np.testing.assert_array_equal(csv[list(PRIOR)], theta)
        chain = np.loadtxt(finished / FIT / f"{method}.txt")
        np.testing.assert_allclose(np.average(chain[:, 2:], axis=0, weights=chain[:, 0]), mean)


def test_simulations_from_the_prior_are_shared_and_named(finished):
    """Oracle: parameters by the prior's quantiles, see test_prior_simulations.py."""
    path = finished / "results/tiny/simulations/seed-1/prior/0-2000.h5"
    with h5py.File(path) as file:
        theta, d = file["theta"][:], file["d"][:]
    assert theta.shape == (2000, 2)
    assert d.shape == (2000, 10)
    with h5py.File(finished / FIT / "summaries.h5") as file:
        np.testing.assert_array_equal(file["simulated/theta"][:], theta)
    from imnn_core.problems.prior import prior_of

    words = simulations.words_of(simulations.seed_key(1, "prior"))
    expected = prior_of(list(PRIOR), PRIOR).rows(words, 0, 2000)
    np.testing.assert_allclose(theta, expected, rtol=1e-6)


def test_the_exact_posterior_is_beside_the_others(finished):
    """Oracle: the posterior of test simulation 0 on a plain grid, in numpy."""
    with h5py.File(next(finished.glob("results/tiny/simulations/seed-1/test/*.h5"))) as file:
        d = file["fiducial"][0].astype(float)
    mu, Sigma = np.meshgrid(np.linspace(-10, 10, 2001), np.linspace(0.005, 9.995, 1000))
    scatter = ((d[:, None, None] - mu) ** 2).sum(axis=0)
    p = np.exp(-0.5 * scatter / Sigma - 0.5 * len(d) * np.log(Sigma))
    table = pd.read_csv(finished / "results/tiny/posterior.csv")
    for name, grid in (("mu", mu), ("Sigma", Sigma)):
        mean = (p * grid).sum() / p.sum()
        sd = np.sqrt((p * (grid - mean) ** 2).sum() / p.sum())
        its = table[table.parameter == name]
        np.testing.assert_allclose(its.mean_exact, mean, atol=0.01 * sd)
        np.testing.assert_allclose(its.sd_exact, sd, rtol=0.01)


def test_what_a_change_makes_again(finished, root):
    """Oracle: by hand, from what each rule depends on."""
    assert planned(finished, *TINY_RUN) == {}

    def jobs(**changes):
        write_config(finished, posterior=POSTERIOR | changes)
        try:
            return planned(finished, *TINY_RUN)
        finally:
            write_config(finished, posterior=POSTERIOR)

    last = {"tabulate_posterior": 1, "plot_posterior": 1, "report": 1}
    found = jobs(neural={"n_components": 3, "hidden": [8], "ensemble": 1})
    assert found["infer"] == found["calibrate"] == 1
    assert not {"simulate_prior", "compress_prior", "fit", "exact_posterior"} & set(found)
    found = jobs(n_calibration=30)
    assert found["simulate_prior"] == found["compress_prior"] == 1
    assert found["exact_posterior"] == 1
    narrow = PRIOR | {"mu": {"uniform": [-5, 5]}}
    found = jobs(prior=narrow)
    assert found["simulate_prior"] == 2
    assert not {"simulate", "fit", "evaluate"} & set(found)
    assert all(found[rule] == n for rule, n in last.items())


def test_the_report_begins_with_the_posterior(finished):
    """Oracle: the table's numbers of the method that the sentence names."""
    html = (finished / "results/tiny/report.html").read_text()
    heading = html.split("<h1>")[1].split("</h1>")[0]
    assert "the posterior’s mean ± σ of a test simulation" in heading
    assert "Calibration" in html
    assert html.count("<h2 id=") == html.count('<li><a href="#')


def test_the_report_can_be_read_by_all_and_printed(finished):
    """By axe; on paper nothing is wider than a sheet of A4, 718 CSS pixels between margins."""
    if browser.executable() is None:
        cannot("there is no Chromium (Debian's chromium)", "IMNN_REQUIRE_BROWSER")
    path = finished / "results/tiny/report.html"
    with browser.launched() as chromium, browser.opened(chromium, path, width=718) as page:
        browser.none(browser.violations(page))
        page.emulate_media(media="print")
        browser.none(page.evaluate(browser.BEYOND, [718, True]))


FAULTS = {
    "a parameter is missing": ({"prior": {"mu": {"uniform": [-1, 1]}}}, "a density for each"),
    "theta_fid outside": (
        {"prior": PRIOR | {"mu": {"uniform": [1, 2]}}},
        "posterior.prior.mu: expected theta_fid = 0 inside, found 1 to 2",
    ),
    "no simulator takes it": (
        {"prior": PRIOR | {"Sigma": {"normal": [1, 1]}}},
        "posterior.prior.Sigma: expected nothing below 0",
    ),
    "an odd density": ({"prior": PRIOR | {"mu": {"flat": [0, 1]}}}, "expected one density of"),
    "an unknown method": ({"methods": ["abc"]}, "posterior.methods.0: expected"),
    "too few for a population": (
        {"pmc": {"n_particles": 200, "n_simulations": 700}},
        "posterior.pmc.n_simulations: expected at least n_particles / quantile = 800",
    ),
    "nothing to refine": ({"truncate": True}, "posterior.truncate: expected false without"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_faults_come_before_any_work(tiny_copy, what):
    changes, expected = FAULTS[what]
    write_config(tiny_copy, posterior=POSTERIOR | changes)
    output = snakemake(tiny_copy, "-n", *TINY_RUN, ok=False)
    assert expected in output
    assert "Traceback" not in output


def test_a_users_simulations_of_a_hypercube(tiny_copy):
    """Simulations that exist, in two files; calibration holds some of them out.

    Oracle: the parameters in the files. Wrong ones are told: rows that lie outside of the prior,
    another distribution, columns in another order, simulations in another order, lengths.
    """
    rng = np.random.default_rng(5)
    problem = load.build("gaussian")
    theta = np.stack([rng.uniform(-3, 3, 1500), rng.uniform(0.2, 4, 1500)], axis=1)
    d = theta[:, :1] + np.sqrt(theta[:, 1:]) * rng.standard_normal((1500, *problem.input_shape))
    (tiny_copy / "lh").mkdir()

    def run(theta, d, ok=True, **changes):
        np.save(tiny_copy / "theta.npy", theta)
        for i, part in enumerate(np.array_split(d, 2)):
            np.save(tiny_copy / f"lh/{i}.npy", part)
        given = POSTERIOR | {
            "prior": {"mu": {"uniform": [-3, 3]}, "Sigma": {"uniform": [0.2, 4]}},
            "methods": ["gaussian", "rejection"],
            "simulations": {"theta": "theta.npy", "d": "lh/*.npy"},
        }
        write_config(tiny_copy, posterior=given | changes)
        return snakemake(tiny_copy, *TINY_RUN, "--", "results/tiny/posterior.csv", ok=ok)

    run(theta, d)
    with h5py.File(tiny_copy / FIT / "summaries.h5") as file:
        parts = [file[f"{name}/index"][:] for name in ("simulated", "calibration")]
        assert len(parts[1]) == 20
        assert sorted(np.concatenate(parts)) == list(range(1500))
        np.testing.assert_array_equal(file["simulated/theta"][:], theta[parts[0]])
    assert not list(tiny_copy.glob("results/tiny/simulations/seed-1/prior/*"))
    log = tiny_copy / "results/tiny/logs/compress_prior/small/seed-1.log"
    for wrong, words in (
        ((theta + [0.5, 0], d), "expected parameters within the prior"),
        ((theta * [0.5, 1], d), "expected mu drawn from the prior of the config"),
        ((theta, d[rng.permutation(1500)]), "in another order than their parameters?"),
    ):
        run(*wrong, ok=False)
        assert words in log.read_text()
    output = run(theta[:-1], d, ok=False)
    assert "expected as many simulations as parameters" in log.read_text() + output


def test_refinements_at_the_posteriors_mean_in_a_box(tiny_copy):
    """Oracle: theta_fid is the table's mean of the method; the box holds the samples."""
    rng = np.random.default_rng(6)
    np.save(tiny_copy / "observed.npy", rng.normal(0.3, 1.1, 10))
    given = POSTERIOR | {"methods": ["gaussian", "rejection"], "n_calibration": 0}
    given |= {"refine_by": "rejection", "truncate": True}
    write_config(tiny_copy, posterior=given, observed="observed.npy", refine=1)
    snakemake(tiny_copy, *TINY_RUN)
    table = pd.read_csv(tiny_copy / "results/tiny/posterior.csv")
    mean = table[table.method == "rejection"]["mean"]
    found = json.loads((tiny_copy / "results/tiny/refined-1/theta_fid.json").read_text())
    np.testing.assert_allclose(found["theta_fid"], mean, rtol=1e-9)
    box = json.loads((tiny_copy / "results/tiny/refined-1/prior.json").read_text())
    low, high = np.array(box["within"]).T
    for method in given["methods"]:
        theta = results.read_posterior(tiny_copy / FIT / f"{method}.h5").theta[0]
        assert np.mean((theta >= low) & (theta <= high)) > 0.999
    with h5py.File(tiny_copy / "results/tiny/refined-1/simulations/seed-1/prior/0-2000.h5") as file:
        theta = file["theta"][:]
    assert np.all((theta >= low - 1e-5) & (theta <= high + 1e-5))
    html = (tiny_copy / "results/tiny/refined-1/report.html").read_text()
    assert "This run and those before it" in html
