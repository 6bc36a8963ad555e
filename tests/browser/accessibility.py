"""Faults of accessibility of a page, by axe-core."""

from playwright.sync_api import Page

RUN = "async () => (await axe.run()).violations.map((v) => [v.id, v.nodes[0].html])"
NARROWEST = 320  # WCAG 2.2, 1.4.10
LOOKS = 20
FITS = "document.documentElement.scrollWidth <= innerWidth"


def fits(page: Page) -> bool:
    """Whether nothing scrolls sideways; a chart gets its width a frame after the page."""
    for _ in range(LOOKS):
        if page.evaluate(FITS):
            return True
        page.wait_for_timeout(50)
    return False


def faults_of(page: Page, axe: str, widths: tuple[int, ...] = (1440,)) -> list[object]:
    """Violations of any impact, and sideways scrolling, at these widths. `axe`: the source of axe-core."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(axe)
    faults: list[object] = []
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        faults += [(width, *violation) for violation in page.evaluate(RUN)]
        faults += [] if fits(page) else [(width, "scrolls sideways")]
    page.set_viewport_size({"width": NARROWEST, "height": 900})
    return faults if fits(page) else [*faults, (NARROWEST, "scrolls sideways")]
