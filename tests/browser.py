"""The report in a real browser: Chromium as the system has it, without a network."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

NAMES = ("chromium", "google-chrome")
AXE = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    "resultTypes": ["violations"],
}
# The beginning of an element, in a line, without pictures' bytes.
ABOUT = r"((element) => element.outerHTML.replace(/ src=\S+|\s+/g, ' ').slice(0, 120))"
# Outermost elements beyond the right edge; on a screen what can be scrolled to may be there, on
# paper nothing.
BEYOND = """([edge, isPaper]) => {
    const about = ABOUT;
    const overflow = (element) => getComputedStyle(element).overflowX;
    const scrolls = (element) => ["auto", "scroll"].includes(overflow(element));
    const isInScroller = (element) => element !== document.body && (scrolls(element) || isInScroller(element.parentElement));
    const isHidden = (element) => element.clientWidth <= 1; // what is for screen readers only
    const isCut = (element) =>
        overflow(element) !== "visible" && element.scrollWidth > element.clientWidth + 1 && !isHidden(element);
    const isBeyond = (element) => element.getBoundingClientRect().right > edge + 0.5;
    const isFault = (element) => isPaper
        ? isBeyond(element) || isCut(element)
        : isBeyond(element) && !isInScroller(element.parentElement);
    return [...document.body.querySelectorAll("*")]
        .filter((element) => element.checkVisibility() && isFault(element))
        .filter((element, i, all) => !all.includes(element.parentElement))
        .map((element) => `to ${element.getBoundingClientRect().right}: ${about(element)}`);
}""".replace("ABOUT", ABOUT)
# What Tab should reach, by its place in the document.
FOCUSABLE = """() => {
    const wanted = 'a[href], button:enabled, input:enabled, select:enabled, textarea:enabled, summary, [tabindex="0"]';
    const all = [...document.querySelectorAll("*")];
    return all.flatMap((element, i) => element.matches(wanted) && element.checkVisibility() ? [i] : []);
}"""
FOCUSED = "() => [...document.querySelectorAll('*')].indexOf(document.activeElement)"
# Cells below a header, found by where they are, since headers may span rows and columns.
COLUMN = """(header) => [...header.closest("table").tBodies[0].rows].map((row) => {
    const isBelow = (cell) => Math.abs(cell.getBoundingClientRect().left - header.getBoundingClientRect().left) < 1;
    const cell = [...row.cells].find(isBelow);
    return cell.dataset.value ?? cell.textContent.trim();
})"""


def executable():
    """Where the system has a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def launched():
    """A browser."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # root may have none
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=arguments)
        yield browser
        browser.close()


@contextmanager
def opened(browser, path: Path, width=1280, scheme="light"):
    """The page of a file, which may ask for nothing and complain of nothing until it is closed."""
    found = []
    with browser.new_context(
        offline=True, viewport={"width": width, "height": 800}, color_scheme=scheme
    ) as context:
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("request", lambda request: found.append(f"request: {request.url}"))
        page.on("requestfailed", lambda request: found.append(f"failed: {request.url}"))
        page.on("pageerror", lambda error: found.append(f"error: {error}"))
        page.on("console", lambda message: found.append(f"{message.type}: {message.text}"))
        page.goto(path.as_uri(), wait_until="networkidle")
        yield page
    none(
        [
            line
            for line in found
            if not line.startswith(
                (f"request: {path.as_uri()}", "request: data:", "log: ", "info: ")
            )
        ]
    )


def none(faults):
    """Assert that there are no faults; else all of them are told, a line each."""
    assert not faults, "\n".join(["", *faults])


def violations(page):
    """What axe complains of in a page, a line each."""
    found = Axe().run(page, options=AXE).response["violations"]
    return [
        f"{each['id']}: {', '.join(str(node['target']) for node in each['nodes'])} ({each['help']})"
        for each in found
    ]


def keep(name: str, content: bytes):
    """Save a picture for a person to look at, where IMNN_SCREENSHOTS names a folder."""
    if folder := os.environ.get("IMNN_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / name).write_bytes(content)
