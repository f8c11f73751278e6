"""What the report and the figures make of numbers, names, captions and times."""

import numpy as np
import pytest
from imnn_core.evaluation import tables, warnings
from imnn_core.evaluation.headline import headline
from imnn_core.evaluation.numbers import compact, with_error
from imnn_core.evaluation.results import Share, of_seeds, on, share
from imnn_core.store.errors import InputError
from report import breakable, caption, from_rst, in_text, refinements_after


def test_numbers_of_the_report():
    """Oracle: by hand."""
    found = [tables.number(value)[0] for value in (39.9, 50.0, 1.0e6, 1.0e7, None, float("nan"), 7)]
    assert found == ["39.90", "50.00", "1 × 10⁶", "1 × 10⁷", "–", "–", "7"]
    assert tables.number(-0.02)[1] == -0.02  # by which it is sorted
    assert tables.measured(0.75, 0.021, percent=True) == ("75.0 ± 2.1 %", 0.75)
    assert with_error(49.9164, 0.1387) == "49.92 ± 0.14"
    assert with_error(-0.001035, 0.0099) == "−0.0010 ± 0.0099"
    assert with_error(123456.7, 4321.0) == "123457 ± 4321"
    assert with_error(10.0, 0.0) == "10"
    assert with_error(1.0, 3e-16) == "1"
    assert with_error(-3e-14, 2e-13) == "0"
    assert with_error(12.345, float("nan")) == "12.3"
    assert with_error(2.232e26, 0.286e26) == "(2.23 ± 0.29) × 10²⁶"
    assert with_error(-2.39986e-9, 1.44e-10) == "(−2.40 ± 0.14) × 10⁻⁹"
    assert with_error(0.00010, 0.00003) == "(1.00 ± 0.30) × 10⁻⁴"
    assert (compact(65127.4), compact(-1.5e-7), compact(0.0)) == ("65127", "−1.5 × 10⁻⁷", "0")
    assert with_error(float("nan"), 1.0) == "–"


def test_few_seeds_that_are_alike_do_not_hide_the_error_of_one():
    """Oracle: by hand: mean 2, standard deviation 1, or the mean error where that is larger."""
    assert of_seeds(np.array([1.0, 2.0, 3.0]), np.full(3, 0.5)) == (2, 1)
    assert of_seeds(np.array([1.0, 2.0, 3.0]), np.full(3, 1.5)) == (2, 1.5)
    assert of_seeds(np.array([2.0]), np.array([0.5])) == (2, 0.5)


def test_what_could_not_be_computed_is_no_number_and_does_not_change_what_a_fit_is_compared_with():
    """Oracle: by hand: a null is NaN, a dash in words; the score is there, so that nothing else is
    taken.
    """
    ratio = {"det_F": {"value": 0.5, "error": 0.1}}
    null = {"det_F": {"value": None, "error": None}}
    network = {"det_F": {"value": 25.0, "error": 5.0}}
    seeds = [
        {"det_F_analytic": 50.0, "splits": {"test": {"network": network, "over_score": each}}}
        for each in (ratio, null)
    ]
    assert share(seeds[:1]) == ("the score", 0.5, 0.1, 0.1)
    assert share(seeds).whose == "the score"
    assert str(share(seeds)) == "–"
    for linear, of_it, expected in (
        ((20.0, 5.0), ratio, ("a linear compression", "0.50 ± 0.10 ×")),
        ((20.0, 11.0), ratio, ("nothing", "–")),  # less than twice its error
        ((None, None), null, ("nothing", "–")),
    ):
        floor = {"det_F": dict(zip(("value", "error"), linear, strict=True))}
        test = {"network": network, "linear": floor, "over_linear": of_it}
        found = share([{"det_F_analytic": None, "splits": {"test": test}}])
        assert (found.whose, str(found)) == expected
    assert on(seeds, "test", "over_linear", "det_F", "value") is None


def test_the_result_in_one_sentence():
    """Oracle: written by hand; the best first, as it is compared."""
    shares = {
        "mlp": Share("the score", 0.737, 0.048, 0.004),
        "deep_set": Share("the score", 0.9966, 0.0021, 0.001),
    }
    det_F = {"mlp": "36.6 ± 2.7", "deep_set": "49.5 ± 0.5"}
    expected = "deep_set kept 99.66 ± 0.21 % of the Fisher information, mlp 73.7 ± 4.8 %; three seeds, 1000 simulations each"
    assert headline(shares, det_F, 3, "1000 simulations each") == expected
    one = {"mlp": Share("a linear compression", 1.4, 0.1, 0.1)}
    assert headline(one, det_F, 1, "9 simulations each") == (
        "mlp has 1.40 ± 0.10 × the |F| of a linear compression; one seed, 9 simulations each"
    )
    nothing = {"mlp": Share("nothing", float("nan"), 0.1, 0.1)}
    assert headline(nothing, det_F, 13, "9 simulations each") == (
        "mlp has |F| = 36.6 ± 2.7, and of a linear compression |F| is not known to differ from "
        "0; 13 seeds, 9 simulations each"
    )


def test_captions_and_symbols(tmp_path):
    """Oracle: by hand."""
    (tmp_path / "a.rst").write_text(
        "**{{ snakemake.wildcards.fit }}** of {{ snakemake.config['n'] }}: :math:`\\mu`"
    )
    text = caption("a", tmp_path, {"n": 7}, fit="mlp")
    assert text.startswith("<p><strong>mlp</strong> of 7: <math") and "<mi>μ</mi>" in text
    (tmp_path / "b.rst").write_text("|F| is a substitution there")
    with pytest.raises(
        InputError, match=r"b.rst: expected reStructuredText, found: .*substitution"
    ):
        caption("b", tmp_path, {})
    (tmp_path / "c.rst").write_text("{{ snakemake.config['missing'] }}")
    with pytest.raises(
        InputError, match=r"c.rst: expected a caption of Snakemake's report, found: .*missing"
    ):
        caption("c", tmp_path, {})
    (tmp_path / "d.rst").write_text("{{ 1 / 0 }}")
    with pytest.raises(
        InputError,
        match=r"d.rst: expected a caption of Snakemake's report, found: division by zero$",
    ):
        caption("d", tmp_path, {})
    assert "raw" in str(pytest.raises(InputError, from_rst, ".. raw:: html\n\n   <script>").value)
    for symbol, shown in {
        r"$\mu$": "μ",
        r"$\Sigma$": "Σ",
        "$A$": "A",
        r"$\Omega_m$": "Ω<sub>m</sub>",
        "mu": "name",
        r"$\no{$": "name",
    }.items():
        assert in_text(symbol, "name") == shown
    assert in_text(r"$\theta_{fid}$", "name") == "θ<sub>fid</sub>"
    assert in_text("$a + b$", "name") == "name"
    assert breakable("deep_set <1.5> −0.1") == "deep_<wbr>set &lt;1.5&gt; −0.1"


def test_many_warnings_of_a_kind_are_counted():
    """Oracle: by hand."""
    found = [(f"fit {i}", "do this") for i in range(8)] + [("one", "do that")]
    assert warnings.by_remedy(found) == {
        "do this": ["fit 0", "fit 1", "fit 2", "fit 3", "fit 4", "… and 3 more of the kind."],
        "do that": ["one"],
    }


def test_the_repetitions_that_follow_a_run():
    """Oracle: by hand: folders from that of the report."""
    assert refinements_after("a", {"refine": 2}) == ["refined-1", "refined-2"]
    assert refinements_after("a/refined-1", {"refine": 2}) == ["../refined-2"]
    assert refinements_after("a/refined-2", {"refine": 2}) == []


def test_the_times_of_the_rules(tmp_path):
    """Oracle: by hand: sums, medians and maxima by rule; what left the config is left out."""
    head = "s\th:m:s\tmax_rss\n"
    for path, line in {
        "fit/a/seed-1": "3.0\t0:00:03\t100.0",
        "fit/a/seed-2": "5.0\t0:00:05\tNA",
        "fit/a/seed-3": "13.0\t0:00:13\t50.0",
        "fit/b/seed-1": "7.0\t0:00:07\t700.0",
        "summarise": "0.5\t0:00:00\t9.0",
        "plot_comparison": "0.3\t0:00:00\t0.0",  # ended before Snakemake looked at its memory
        "report": "9.0\t0:00:00\t9.0",
        "evaluate/a/seed-1": "4",  # cut off
        "evaluate/a/seed-2": "-\t-",
        "simulate/seed-1/test": "1.0\t0:00:00\t20.0",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{path}.tsv").write_text(f"{head}{line}\n")
    table = tables.times(tmp_path, {"a", "seed-1", "seed-2", "seed-3", "test"})
    assert [[shown for shown, _ in row] for row in table.rows] == [
        ["fit", "3", "21.0", "5.00", "13.0", "100"],
        ["evaluate", "1", "4.00", "4.00", "4.00", "–"],
        ["simulate", "1", "1.00", "1.00", "1.00", "20.0"],
        ["summarise", "1", "0.500", "0.500", "0.500", "9.00"],
        ["plot_comparison", "1", "0.300", "0.300", "0.300", "–"],
    ]
    assert tables.times(tmp_path / "nowhere", set()).rows == []
