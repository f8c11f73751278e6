"""Names of a user's parameters are text for the report, whatever is in them."""

import pytest
from imnn_core.store import texts
from small_run import do_evaluate, do_fit, do_report, prepare

EVIL = ["<script>alert(1)</script>", '{{ 123456 + 1 }}"><img src=x onerror=alert(1)>']


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = prepare(tmp_path_factory.mktemp("run"))
    do_fit(folder, "small", max_iterations=3)
    do_evaluate(folder, "small")
    return folder


def test_a_name_is_no_html_and_no_template(folder):
    analytic = folder / "analytic.json"
    texts.write_json(analytic, texts.read_json(analytic) | {"names": EVIL, "symbols": EVIL})
    (folder / "figure.svg").write_text("<svg/>")
    html = do_report(folder, ["small"], folder / "figure.svg")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "{{ 123456 + 1 }}" in html
    for bad in ("<script>alert", "<img src=x", "123457"):
        assert bad not in html
