"""Figures of posteriors: mass within contours, what is left out, and the same bytes each time."""

from pathlib import Path

import numpy as np
import plot_posterior
import pytest
from imnn_core.figures import plots, styles
from imnn_core.figures.calibrations import Checked, binned, calibration_figure
from imnn_core.figures.posteriors import Curve, extents, posterior_figure
from imnn_core.inference import results
from imnn_core.inference.diagnostics import Each
from imnn_core.inference.results import Calibration, Exact
from imnn_core.problems.prior import prior_of
from report import caption

FREE = np.array([[-np.inf, np.inf]] * 2)


@pytest.fixture(autouse=True)
def _style(root):
    with styles.style(root / "config/figures.mplstyle"):
        yield


def test_a_narrow_wrong_posterior_and_gaussian_do_not_decide_alone():
    """Oracle: by hand: the truth is shown, and gaussian's extent is not."""
    z = np.linspace(-1, 1, 201)[:, None]
    weights, bounds = np.ones(201), np.array([[-np.inf, np.inf]])
    curves = [
        Curve("a", "neural", z, weights, bounds),
        Curve("a", "gaussian", 100 * z, weights, bounds),
    ]
    ((low, high),) = extents(curves, np.array([2.5]))
    assert -1.4 < low < -0.9
    assert 2.5 < high < 3


def curves_of(p, fits, n=100):
    rng, bounds = np.random.default_rng(p), np.tile(FREE[:1], (p, 1))
    for fit in fits:
        for method in ("gaussian", "neural"):
            weights = np.ones(n)
            weights[3] = np.nan
            yield Curve(fit, method, rng.standard_normal((n, p)), weights, bounds)


def draw(p, fits=("a",), change=lambda curves: curves):
    return posterior_figure(
        change(list(curves_of(p, fits))),
        exact=next(curves_of(p, ["exact"])),
        theta=np.zeros(p),
        mark="truth",
        is_truth=True,
        symbols=[f"$x_{i}$" for i in range(p)],
        title="A title",
    )


@pytest.mark.parametrize(("p", "fits"), [(1, "a"), (2, "abc"), (3, "a")])
def test_the_legend_names_what_is_drawn(p, fits):
    figure = draw(p, list(fits))
    names = [text.get_text().strip(plots.SHOWN) for text in figure.legends[0].get_texts()]
    recipes = list(fits) if len(fits) > 1 else []
    assert names == [*recipes, "neural", "gaussian", "exact", "truth"]
    assert len(figure.axes) == p * (p + 1) / 2


def test_weights_that_are_not_finite_are_left_out():
    """Also all of them: a method may have failed."""

    def without(curves):
        return [curve._replace(weights=np.full(100, np.nan)) for curve in curves]

    def dropped(curves):
        rows = np.arange(100) != 3
        return [c._replace(theta=c.theta[rows], weights=c.weights[rows]) for c in curves]

    line, of_dropped = (draw(1, change=c).axes[0].lines[0] for c in (list, dropped))
    assert np.array_equal(line.get_xydata(), of_dropped.get_xydata())
    draw(2, change=without)


def calibration(n, method="neural", seed=1, p=2):
    rng = np.random.default_rng(seed)
    theta, pit, fraction = rng.random((n, p)), rng.random((n, p)), rng.random(n)
    pit[:1] = np.nan
    exact = Exact(theta, np.ones((n, p)), *np.zeros((4, n)))
    each = Each(pit, theta, np.full((n, p), 2.0), fraction, np.ones(n))
    about = {"method": method, "fit": "a_fit", "seed": seed, "symbols": ["$a$", "$b$"][:p]}
    return Calibration(each, np.zeros(n), np.zeros(n), theta, exact, about)


def test_seeds_are_pooled_and_each_is_kept():
    """Oracle: by hand: 39 and 29 finite posteriors, in all and by seed."""
    found = plot_posterior.checked([calibration(40), calibration(30, seed=2)])
    assert (found.n, found.counts.sum(axis=0).tolist()) == (68, [68, 68])
    assert [len(found.covered), len(found.tarp)] == [3, 3]
    first, second = (found.covered[i] * n for i, n in ((1, 39), (2, 29)))
    assert found.covered[0] * 68 == pytest.approx(first + second)
    assert np.all(found.width == 2)


def test_widths_are_binned_by_the_true_parameter():
    """Oracle: the median of a width that is the parameter itself is the parameter."""
    theta = np.random.default_rng(0).random(1000)
    found = binned(theta, np.where(theta < 0.1, np.nan, theta))
    assert found.quantiles[1] == pytest.approx(found.middle)
    assert np.all(found.quantiles[0] < found.quantiles[2])
    assert np.all(np.diff(found.middle) > 0)
    assert binned(theta, np.full(1000, np.nan)) is None


def test_methods_without_calibration_are_left_out():
    methods = [calibration(60), calibration(0, "pmc")]
    figure = plot_posterior.calibration_of(methods)
    names = [text.get_text().strip(plots.SHOWN) for text in figure.legends[0].get_texts()]
    assert names == ["neural", "95 % if calibrated"]
    empty = plot_posterior.calibration_of([calibration(0)])
    assert empty.axes[0].texts[0].get_text().startswith("Nothing was calibrated")


def test_a_calibration_without_exact_posteriors():
    found = plot_posterior.checked([calibration(60)._replace(exact=None)])
    assert isinstance(found, Checked)
    figure = calibration_figure([found], plot_posterior.LEVELS, symbols=["a", "b"], title="")
    assert len(figure.axes) == 2 + 2 + 1  # ranks, coverage, TARP


def test_the_script_draws_each_recipe(root, tmp_path):
    """From files, in two formats, with the exact posterior's own prior."""
    prior = prior_of(["a", "b"], {"a": {"uniform": [0, 1]}, "b": {"normal": [0, 1]}})
    paths, calibrations, fits = [], [], ("one.1", "two")
    samples = Curve("", "", np.random.default_rng(0).random((1, 80, 2)), np.ones((1, 80)), None)
    for fit in fits:
        about = {"fit": fit, "method": "neural", "seed": 1, "theta_fid": [0.5, 0.5]}
        paths.append(tmp_path / f"{fit}.h5")
        results.write_posterior(paths[-1], prior, samples, {}, about | {"is_observed": False})
        of = calibration(50)
        calibrations.append(tmp_path / f"{fit}.calibration.h5")
        results.write_calibration(calibrations[-1], of._replace(about=of.about | {"fit": fit}))
    results.write_exact(tmp_path / "exact.h5", None, None, "", samples.theta)
    figures = [f"{tmp_path}/{fit}.{kind}" for fit in fits for kind in ("svg", "png")]
    plot_posterior.plot_posterior(
        paths,
        calibrations,
        tmp_path / "exact.h5",
        [f"{tmp_path}/posterior.svg"],
        figures,
        style=root / "config/figures.mplstyle",
    )
    assert all(Path(path).stat().st_size > 1000 for path in figures)
    assert Path(f"{tmp_path}/posterior.svg").stat().st_size > 1000


@pytest.mark.parametrize("kind", ["posterior", "calibration"])
def test_the_same_bytes_twice(tmp_path, kind):
    drawn = []
    for name in ("one", "two"):
        figure = (
            draw(2) if kind == "posterior" else plot_posterior.calibration_of([calibration(60)])
        )
        plots.save_all(figure, [tmp_path / f"{name}.svg"])
        drawn.append((tmp_path / f"{name}.svg").read_bytes())
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("observed", [None, "d.npy"])
def test_captions_take_settings_from_the_config(root, observed):
    posterior = {"methods": ["neural", "pmc"], "n_samples": 4711, "n_calibration": 321}
    settings = {
        "posterior": posterior | {"pmc": {"n_calibration": 45}},
        "fits": {"a_fit": {}},
        "seeds": [1, 2],
        "observed": observed,
    }
    folder = root / "workflow/report"
    assert "4711" in caption("posterior", folder, settings)
    assert ("truth is not known" in caption("posterior", folder, settings)) == (
        observed is not None
    )
    shown = caption("calibration", folder, settings)
    assert "321" in shown
    assert "45" in shown
