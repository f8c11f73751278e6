"""Names of a user's parameters are text for the report, whatever is in them."""

import pytest
from imnn_core import files
from report import report
from small_run import do_evaluate, do_fit, prepare
from summarise import summarise

EVIL = ["<script>alert(1)</script>", '{{ 123456 + 1 }}"><img src=x onerror=alert(1)>']


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = prepare(tmp_path_factory.mktemp("run"))
    do_fit(folder, "small", max_iterations=3)
    do_evaluate(folder, "small")
    return folder


def test_a_name_is_no_html_and_no_template(folder, root):
    analytic = folder / "analytic.json"
    files.write_json(analytic, files.read_json(analytic) | {"names": EVIL})
    summarise([folder / "small.json"], analytic, folder / "summary.csv")
    (folder / "figure.svg").write_text("<svg/>")
    figures = {"information": folder / "figure.svg", "ellipses": folder / "figure.svg"}
    figures |= {"estimates": [folder / "figure.svg"], "histories": [folder / "figure.svg"]}
    report(
        folder / "summary.csv", analytic, [folder / "small.json"], figures,
        root / "workflow/report/report.html.j2", folder / "report.html",
        settings={"simulations": "draw", "seeds": [1], "names": EVIL}, run="small",
    )  # fmt: skip
    html = (folder / "report.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;: σ" in html
    assert "{{ 123456 + 1 }}" in html
    for bad in ("<script", "<img src=x", "123457"):
        assert bad not in html
