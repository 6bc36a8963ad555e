"""Every page in every state, theme and language: no fault of accessibility, no sideways scrolling."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from serving_api.pages import PAGES
from tests.browser.accessibility import faults_of
from tests.browser.answers import altered
from tests.browser.test_laws import ANSWERS, PANELS, refused

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.slow]
WIDTHS = (1440, 768, 360)
PHONE = (360,)
Answer = Callable[[Route], object]


def without_rows(body: dict[str, Any]) -> dict[str, Any]:
    """The body of an answer with nothing in its lists."""
    rows = {name: [] for name, value in body.items() if isinstance(value, list)}
    absent = {name: None for name in ("next_cursor", "date") if name in body}
    return body | rows | absent | ({"open": 0} if "open" in body else {})


STATES: dict[str, Answer] = {
    "waiting": lambda route: None,
    "failed": refused(500),
    "forbidden": refused(403),
    "empty": altered(without_rows),
}


def variants(page: Page) -> Iterator[str]:
    """Each theme in each language, by the buttons of the page."""
    for _ in range(2):
        for _ in range(2):
            yield page.evaluate(
                "document.documentElement.dataset.theme + ' ' + document.documentElement.lang"
            )
            page.locator(".tools button[aria-pressed]").click()
        other = page.locator(".tools button[lang]")
        language = other.get_attribute("lang") or ""
        other.click()
        expect(page.locator("html")).to_have_attribute("lang", language)  # its texts were read


def keep_pictures(page: Page, path: str) -> None:
    """PNGs of the page in both themes and all widths, in the folder PAGE_PICTURES if it is set."""
    folder = os.environ.get("PAGE_PICTURES")
    if folder is None:
        return
    name = path.strip("/").replace("/", "-") or "beranda"
    for theme in ("light", "dark"):
        page.evaluate(f"document.documentElement.dataset.theme === '{theme}'") or page.locator(
            ".tools button[aria-pressed]"
        ).click()
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=Path(folder) / f"{name}-{theme}-{width}.png", full_page=True)


def faults_in_variants(page: Page, axe: str, state: str) -> list[object]:
    """The faults of a state on a phone, with the theme and language in which they show."""
    return [(state, variant, faults) for variant in variants(page) if (faults := faults_of(page, axe, PHONE))]


def grow_stale(page: Page) -> None:
    """The figures of the page were read, and cannot be read again for two minutes."""
    page.clock.install()
    page.reload()
    expect(page.locator(".card").first).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    page.route(ANSWERS, refused(503))
    page.clock.run_for(120_000)
    expect(page.locator(".stale").first).to_be_visible()


@pytest.mark.parametrize("path", PAGES)
def test_no_fault_in_any_state_theme_or_language(operator: Page, axe: str, path: str) -> None:
    operator.goto(path)
    expect(operator.locator(".card").first).to_be_visible()
    expect(operator.locator(".skeleton")).to_have_count(0)
    keep_pictures(operator, path)
    faults = [faults_of(operator, axe, WIDTHS), faults_in_variants(operator, axe, "ready")]
    for state, answer in STATES.items():
        operator.route(ANSWERS, answer)
        operator.reload()
        expect(operator.locator(".card").first).to_be_visible()
        if state != "waiting":
            expect(operator.locator(".skeleton")).to_have_count(0)
        faults.append(faults_in_variants(operator, axe, state))
        operator.unroute_all(behavior="ignoreErrors")
    if path in PANELS:
        grow_stale(operator)
        faults.append(faults_in_variants(operator, axe, "stale"))
    assert [fault for fault in faults if fault] == []
