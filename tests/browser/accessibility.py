"""Faults of accessibility of a page, by axe-core."""

from playwright.sync_api import Page

from tests.support.waiting import eventually

RUN = "async () => (await axe.run()).violations.map((v) => [v.id, v.nodes[0].html])"
NARROWEST = 320  # WCAG 2.2, 1.4.10
FITS = "document.documentElement.scrollWidth <= innerWidth"


def set_width(page: Page, width: int) -> None:
    """Fails when the page scrolls sideways then; a chart gets its width a frame after the page."""
    page.set_viewport_size({"width": width, "height": 900})
    eventually(lambda: page.evaluate(FITS))


def faults_of(page: Page, axe: str, widths: tuple[int, ...] = (1440,)) -> list[object]:
    """Violations of any impact at these widths. `axe`: the source of axe-core."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(axe)
    faults: list[object] = []
    for width in widths:
        set_width(page, width)
        faults += [(width, *violation) for violation in page.evaluate(RUN)]
    set_width(page, NARROWEST)
    return faults
